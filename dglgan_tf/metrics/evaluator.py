"""Scores of a generator or of stored images against real ones, in one feature pass.

Images are made once, each asked feature network sees them once, and every metric reads
what was collected. The real side is collected once and kept.
"""

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterable

import gin
from absl import logging

import dglgan_tf
from dglgan_tf.foundation import atomic
from dglgan_tf.metrics import (
    collector,
    extractors,
    image_sets,
    names,
    path_score,
    perceptual,
    real_side,
    scoring,
    weights,
)

OFFLINE = "efficientnet_lite0"
# Which weight file a network needs from the user.
_FILES = {"inception": "inception", "vgg16": "vgg16", "vgg16_lpips": "vgg16"}


@gin.configurable(module="metrics", denylist=["reals"])
class Evaluator:
    """Computes metrics again and again against the same real images. Context: *host*.

    Args:
      reals: `images.StoredImages` in a shuffled order, or `images.StoredStatistics`.
      metrics: names, see `names`; for instance ('fid50k_full', 'kid50k_full').
      extractor: network for names without brackets; None means the publications'.
      fallback: where the weights of a network cannot be had, warn and use the offline
        network under its own name, instead of raising.
      settings: subsets and splits.
      batch_size: images a feature network sees at a time.
      extractor_arguments: {network: {argument: value}}, see `extractors`; 'weights' is
        the path of its file.
      cache: folder for statistics of real images, and for weight files; None keeps
        statistics in memory and a temporary folder, and finds no weight files.
      download: fetch missing weight files into `cache`.
    """

    def __init__(
        self,
        reals: image_sets.StoredImages | image_sets.StoredStatistics,
        metrics: Iterable[str] = ("kid1k",),
        extractor: str | None = None,
        fallback: bool = False,
        settings: scoring.Settings | None = None,
        batch_size: int = 32,
        extractor_arguments: dict[str, dict] | None = None,
        cache: str | None = None,
        download: bool = False,
    ):
        self.reals = reals
        self.settings = scoring.Settings() if settings is None else settings
        self._arguments = extractor_arguments or {}
        self._batch_size, self._fallback = batch_size, fallback
        self._cache, self._download = cache, download
        self.extractors: dict[str, extractors.Extractor] = {}
        self.perceptual: dict[str, perceptual.Perceptual] = {}
        asked = [names.parse(name, extractor) for name in metrics]
        if not asked:
            raise ValueError("metrics is empty: name at least one, such as kid1k")
        self.metrics = [self._with_network(metric) for metric in asked]
        self._on_features = [m for m in self.metrics if not m.on_paths]
        self._real = real_side.RealSide(
            reals, self._on_features, self.extractors, cache
        )

    def _with_network(self, metric):
        """Builds the metric's network, or falls back to the offline one."""
        try:
            return self._build(metric)
        except ValueError as error:
            if not self._fallback or metric.extractor == OFFLINE:
                raise
            other = self._build(metric.on(OFFLINE))
            logging.warning("%s is used, not %s: %s", other.name, metric.name, error)
            return other

    def _build(self, metric):
        """Returns the metric on its network as built, whose name says its variant."""
        asked = metric.extractor
        arguments = dict(self._arguments.get(asked, {}))
        if asked in _FILES:
            given = arguments.get("weights")
            arguments["weights"] = str(
                weights.locate(_FILES[asked], given, self._cache, self._download)
            )
        if metric.on_paths:
            made = perceptual.build(asked, **arguments)
            return metric.on(self.perceptual.setdefault(made.name, made).name)
        made = extractors.build(asked, **{"batch_size": self._batch_size} | arguments)
        return metric.on(self.extractors.setdefault(made.name, made).name)

    def evaluate(
        self,
        subject: image_sets.GeneratedImages | image_sets.StoredImages,
        seed: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[dict]:
        """Returns one score per metric, in the order asked.

        Args:
          subject: what is judged.
          seed: of latents and labels.
          progress: called with (images done, images in all).

        Returns:
          dicts with 'metric', 'value' (the headline number), 'values' (all numbers),
          'floor' (the same metric between two disjoint sets of real images, with the
          number of images in each; None where there is none), 'protocol', 'seconds'.

        Raises:
          ValueError: not enough images, NaN images, images of another kind.
        """
        started = time.monotonic()
        self._real.collect()
        with atomic.scratch(tempfile.gettempdir(), "dglgan_metrics") as folder:
            with contextlib.ExitStack() as stack:
                found = self._collect_subject(subject, seed, progress, folder, stack)
                scores = [
                    self._record(
                        metric, self._score(metric, found, subject, seed), seed
                    )
                    for metric in self.metrics
                ]
        for score in scores:
            score["protocol"]["generated"] = _describe(subject)
            score["seconds"] = round(time.monotonic() - started, 3)
        return scores

    def _score(self, metric, found, subject, seed):
        if metric.on_paths:
            distance = self.perceptual[metric.extractor]
            return path_score.score(metric, subject, distance, seed)
        generated = found[metric.kind == "ifid", metric.extractor]
        real = self._real.collectors[metric.extractor]
        return scoring.score(metric, generated, real, self.settings)

    def close(self) -> None:
        """Removes the temporary files of the real images' features."""
        self._real.close()

    def real_moments(self):
        """Returns (extractor name, moments of all real images) of the `fid` metric.

        Raises:
          ValueError: no metric of these needs them.
        """
        return self._real.moments()

    def _collect_subject(self, subject, seed, progress, folder, stack):
        """Returns {(per class, extractor): collector}."""
        found = {}
        for per_class in (False, True):
            group = [m for m in self._on_features if (m.kind == "ifid") == per_class]
            if not group:
                continue
            collectors = {}
            for name, part in real_side.groups(group).items():
                needs = scoring.generated_needs(part, self.settings)
                place = f"{folder}/{name}{int(per_class)}"
                dimension = self.extractors[name].dimension
                collectors[name] = collector.Collector(needs, dimension, place)
                stack.callback(collectors[name].close)
            count = _subject_count(collectors, group, per_class, subject)
            batches = subject.draw(count, balanced=per_class, seed=seed)
            real_side.feed(batches, count, self.extractors, collectors, progress)
            for name, made in collectors.items():
                made.finish()
                found[per_class, name] = made
        return found

    def _record(self, metric, scored, seed):
        """Completes a score with its name and protocol."""
        if metric.on_paths:
            network = self.perceptual[metric.extractor].describe()
            real = {}
        else:
            network = self.extractors[metric.extractor].describe()
            real = {
                "real": dict(self.reals.protocol),
                "real_fingerprint": self.reals.fingerprint,
            }
        protocol = {
            **network,
            **scored["protocol"],
            **real,
            "seed": seed,
            "package_version": dglgan_tf.__version__,
        }
        return {
            "metric": metric.name,
            "value": scored["value"],
            "values": scored.get("values", {}),
            "floor": scored["floor"],
            "protocol": protocol,
        }


def _describe(subject) -> dict:
    """Returns what a subject says of itself, how labels were drawn included."""
    labels = {}
    if isinstance(subject, image_sets.GeneratedImages) and subject.num_classes:
        weights_given = subject.class_weights is not None
        labels = {"labels": "as in the data" if weights_given else "uniform"}
    return labels | subject.protocol


def _subject_count(collectors, group, per_class, subject):
    """Returns how many images to draw; None = all there are."""
    if not per_class:
        return max(c.needs.num_images() for c in collectors.values())
    if isinstance(subject, image_sets.StoredImages):
        return None
    if not subject.num_classes:
        raise ValueError(
            f"{group[0].name} compares class by class, but the generator is "
            "unconditional: leave it out"
        )
    return max(m.num_generated for m in group) * subject.num_classes


def evaluate(
    generate: Callable,
    reals: image_sets.StoredImages,
    metrics: Iterable[str] = ("kid1k",),
    z_dim: int = 128,
    num_classes: int = 0,
    seed: int = 0,
    protocol: dict | None = None,
    **settings,
) -> list[dict]:
    """Evaluates a generator once; see `Evaluator` and `images.GeneratedImages`.

    Args:
      generate: (z [n, z_dim], labels [n] or None) to images in [-1, 1] or uint8.
      reals: the real images.
      metrics: names of metrics.
      z_dim, num_classes: of the generator.
      seed: of latents and labels.
      protocol: what the generator is (weights, truncation, batch-norm mode).
      **settings: further arguments of `Evaluator`.
    """
    subject = image_sets.GeneratedImages(
        generate, z_dim, num_classes, protocol=protocol or {}
    )
    judge = Evaluator(reals, metrics, **settings)
    try:
        return judge.evaluate(subject, seed)
    finally:
        judge.close()
