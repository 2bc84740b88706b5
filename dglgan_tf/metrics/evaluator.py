"""Scores of a generator or of stored images against real ones, in one feature pass.

Images are made once, each asked feature network sees them once, and every metric reads
what was collected. The real side is collected once and kept.
"""

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterable

import gin
import numpy as np
from absl import logging

import dglgan_tf
from dglgan_tf.metrics import collector, extractors, images, names, scoring

OFFLINE = "efficientnet_lite0"


@gin.configurable(module="metrics")
class Evaluator:
    """Computes metrics again and again against the same real images. Context: *host*.

    Args:
      reals: `images.StoredImages`, in a shuffled order.
      metrics: names, see `names`; for instance ('fid50k_full', 'kid50k_full').
      extractor: network for names without brackets; None means the publications'.
      fallback: where the weights of a network cannot be had, warn and use the offline
        extractor under its own name, instead of raising.
      settings: subsets and splits.
      batch_size: images a feature network sees at a time.
      extractor_arguments: {extractor name: {argument: value}}, see `extractors`.
    """

    def __init__(
        self,
        reals: images.StoredImages,
        metrics: Iterable[str] = ("kid1k",),
        extractor: str | None = None,
        fallback: bool = False,
        settings: scoring.Settings | None = None,
        batch_size: int = 32,
        extractor_arguments: dict[str, dict] | None = None,
    ):
        self.reals = reals
        self.settings = scoring.Settings() if settings is None else settings
        self._arguments = extractor_arguments or {}
        self._batch_size = batch_size
        self._fallback = fallback
        self.extractors: dict[str, extractors.Extractor] = {}
        asked = [names.parse(name, extractor) for name in metrics]
        if not asked:
            raise ValueError("metrics is empty: name at least one, such as kid1k")
        self.metrics = [self._with_network(metric) for metric in asked]
        self._stack = contextlib.ExitStack()
        self._real: dict[str, collector.Collector] = {}

    def _with_network(self, metric):
        """Builds the metric's network, or falls back to the offline one."""
        try:
            return metric.on(self._build(metric.extractor))
        except ValueError as error:
            if not self._fallback or metric.extractor == OFFLINE:
                raise
            other = metric.on(self._build(OFFLINE))
            logging.warning("%s is used, not %s: %s", other.name, metric.name, error)
            return other

    def _build(self, asked):
        """Returns the name of the asked network, which says its variant too."""
        arguments = {"batch_size": self._batch_size} | self._arguments.get(asked, {})
        network = extractors.build(asked, **arguments)
        return self.extractors.setdefault(network.name, network).name

    def evaluate(
        self,
        subject: images.GeneratedImages | images.StoredImages,
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
        self._collect_reals()
        with tempfile.TemporaryDirectory(prefix="dglgan_metrics_") as folder:
            with contextlib.ExitStack() as stack:
                found = self._collect_subject(subject, seed, progress, folder, stack)
                scores = []
                for metric in self.metrics:
                    generated = found[metric.kind == "ifid", metric.extractor]
                    real = self._real[metric.extractor]
                    scored = scoring.score(metric, generated, real, self.settings)
                    scores.append(self._record(metric, scored, subject, seed))
        for score in scores:
            score["seconds"] = round(time.monotonic() - started, 3)
        return scores

    def close(self) -> None:
        """Removes the temporary files of the real images' features."""
        self._stack.close()
        self._real = {}

    def _collect_reals(self):
        if self._real:
            return
        folder = self._stack.enter_context(
            tempfile.TemporaryDirectory(prefix="dglgan_reals_")
        )
        collectors = {}
        for name, group in self._groups(self.metrics).items():
            needs = scoring.real_needs(group)
            place = f"{folder}/{name}"
            collectors[name] = self._collector(needs, name, place, self._stack)
        counts = [c.needs.num_images() for c in collectors.values()]
        count = None if None in counts else max(counts)
        if count != 0:
            _feed(self.reals.draw(count), count, self.extractors, collectors)
        self._real = collectors

    def _collect_subject(self, subject, seed, progress, folder, stack):
        """Returns {(per class, extractor): collector}."""
        found = {}
        for per_class in (False, True):
            group = [m for m in self.metrics if (m.kind == "ifid") == per_class]
            if not group:
                continue
            collectors = {}
            for name, part in self._groups(group).items():
                needs = scoring.generated_needs(part, self.settings)
                if per_class:
                    most = max(m.num_generated for m in part)
                    needs = collector.Needs(per_class=most)
                place = f"{folder}/{name}{int(per_class)}"
                collectors[name] = self._collector(needs, name, place, stack)
            count = self._subject_count(collectors, group, per_class, subject)
            batches = subject.draw(count, balanced=per_class, seed=seed)
            _feed(batches, count, self.extractors, collectors, progress)
            found |= {(per_class, name): c for name, c in collectors.items()}
        return found

    def _subject_count(self, collectors, group, per_class, subject):
        if not per_class:
            return max(c.needs.num_images() for c in collectors.values())
        if isinstance(subject, images.StoredImages):
            return None
        if not subject.num_classes:
            raise ValueError(
                f"{group[0].name} compares class by class, but the generator is "
                "unconditional: leave it out"
            )
        return max(m.num_generated for m in group) * subject.num_classes

    def _groups(self, metrics):
        """Returns {extractor name: its metrics}."""
        groups = {}
        for metric in metrics:
            groups.setdefault(metric.extractor, []).append(metric)
        return groups

    def _collector(self, needs, name, folder, stack):
        dimension = self.extractors[name].dimension
        made = collector.Collector(needs, dimension, folder)
        stack.callback(made.close)
        return made

    def _record(self, metric, scored, subject, seed):
        """Completes a score with its name and protocol."""
        labels = {}
        if isinstance(subject, images.GeneratedImages) and subject.num_classes:
            weights = subject.class_weights
            labels = {"labels": "uniform" if weights is None else "as in the data"}
        protocol = {
            **self.extractors[metric.extractor].describe(),
            **scored["protocol"],
            "generated": labels | subject.protocol,
            "real": dict(self.reals.protocol),
            "real_fingerprint": self.reals.fingerprint,
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


def _feed(batches, count, networks, collectors, progress=None):
    """Shows up to `count` images (None = all) to each network and its collector."""
    done = 0
    for pixels, labels in batches:
        if count is not None and done + len(pixels) > count:
            pixels = pixels[: count - done]
            labels = None if labels is None else labels[: count - done]
        if not len(pixels):
            break
        extractors.require_images(np.asarray(pixels))
        for name, target in collectors.items():
            features, logits = networks[name](pixels)
            target.update(features, logits, labels)
        done += len(pixels)
        if progress is not None:
            progress(done, done if count is None else count)
        if done == count:
            break


def evaluate(
    generate: Callable,
    reals: images.StoredImages,
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
    subject = images.GeneratedImages(
        generate, z_dim, num_classes, protocol=protocol or {}
    )
    judge = Evaluator(reals, metrics, **settings)
    try:
        return judge.evaluate(subject, seed)
    finally:
        judge.close()


def mean_and_deviation(scores: list[dict]) -> dict:
    """Returns one score from repeats of it with different seeds.

    Args:
      scores: of one metric and protocol.

    Returns:
      the first score with 'value' the mean, and in 'values' mean, the sample standard
      deviation and the number of repeats.
    """
    values = np.array([score["value"] for score in scores])
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    merged = dict(scores[0], value=float(values.mean()))
    merged["values"] = {
        "mean": float(values.mean()),
        "std_of_repeats": spread,
        "repeats": len(values),
        "each": values.tolist(),
    }
    merged["protocol"] = dict(
        scores[0]["protocol"], seed=[s["protocol"]["seed"] for s in scores]
    )
    return merged
