"""The judge: metrics against one set of real images, opened in one way everywhere.

`evaluate`, `export`, a training and a recipe's end open it here and make here what it
judges, so that their scores of one snapshot have one protocol and one value.
"""

from collections.abc import Callable, Sequence

import numpy as np

from dglgan_tf.data import base as data_base
from dglgan_tf.evaluation import reals, subjects
from dglgan_tf.metrics import evaluator, image_sets

LABELS = ("data", "uniform")


class Judge:
    """Metrics against one set of real images; `close` it in the end.

    Args:
      measures: the metrics, opened.
      source: of the real images and their classes; None where only a file of images
        or statistics is known.
      labels: see `open_judge`.
    """

    def __init__(
        self,
        measures: evaluator.Evaluator,
        source: data_base.Source | None = None,
        labels: str = "data",
    ):
        self._evaluator, self._source, self._labels = measures, source, labels

    @property
    def metrics(self):
        """The metrics, in the order asked: `metrics.names.Metric`s."""
        return self._evaluator.metrics

    @property
    def perceptual(self):
        """Perceptual distances that the metrics opened, by name."""
        return self._evaluator.perceptual

    def subject(self, judged, **options) -> image_sets.GeneratedImages:
        """Returns what is judged: `subjects.make` with the classes of the real images.

        Args:
          judged: name, network in memory or sampler.
          **options: of `subjects.make`, besides the weights.
        """
        return subjects.make(judged, weights=self._class_weights, **options)

    def _class_weights(self, num_classes):
        if self._source is None or self._labels == "uniform":
            return None
        return class_weights(self._source, num_classes)

    def evaluate(
        self,
        subject: image_sets.GeneratedImages | image_sets.StoredImages,
        seed: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[dict]:
        """Returns one score for each metric, see `evaluator.Evaluator.evaluate`."""
        return self._evaluator.evaluate(subject, seed, progress)

    def real_moments(self):
        """Returns (network's name, moments of all real images), see the evaluator."""
        return self._evaluator.real_moments()

    def close(self) -> None:
        """Removes the temporary files of the real images."""
        self._evaluator.close()


def open_judge(
    real: data_base.Source | image_sets.StoredImages | image_sets.StoredStatistics,
    metrics: Sequence[str],
    mirror: bool = False,
    labels: str = "data",
    cache: str | None = None,
    fallback: bool = False,
    download: bool = False,
    extractor_arguments: dict[str, dict] | None = None,
) -> Judge:
    """Opens the judge.

    Args:
      real: the real images: a source, or stored images or statistics of `reals`.
      metrics: names of `metrics.names`.
      mirror: flips images of a source, see `reals.stored_images`.
      labels: 'data' draws classes as often as the source has them, 'uniform' equally.
      cache: folder for statistics and weight files; None keeps statistics in a
        temporary folder and finds no weight files.
      fallback: take the offline feature network where a metric's own cannot be had.
      download: fetch missing weight files into `cache`.
      extractor_arguments: of the feature networks, see `evaluator.Evaluator`.

    Raises:
      ValueError: an unknown metric, or a feature network that cannot be had.
    """
    if labels not in LABELS:
        raise ValueError(f"labels={labels!r} must be one of {LABELS}")
    source = real if isinstance(real, data_base.Source) else None
    stored = real if source is None else reals.stored_images(source, mirror)
    chosen = {
        "fallback": fallback,
        "extractor_arguments": extractor_arguments,
        "cache": cache,
        "download": download,
    }
    # What is not chosen here is gin's to bind.
    chosen = {name: value for name, value in chosen.items() if value}
    return Judge(evaluator.Evaluator(stored, metrics, **chosen), source, labels)


def class_weights(source: data_base.Source, num_classes: int) -> np.ndarray | None:
    """Returns how often each class occurs; None where all do equally, or none is.

    NVIDIA's tools draw labels from the data, BigGAN's uniformly.

    Args:
      source: of the real images.
      num_classes: of the generator; 0, or another number than the source's, gives None.

    Returns:
      [num_classes] int64 counts, or None.
    """
    if not num_classes or source.num_classes != num_classes:
        return None
    counts = np.bincount(source.labels, minlength=num_classes)
    return None if (counts == counts[0]).all() else counts
