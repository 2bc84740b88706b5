"""The real images of an evaluation: collected once, cached, kept."""

import contextlib
import tempfile

import numpy as np

from dglgan_tf.foundation import atomic, telling
from dglgan_tf.metrics import (
    collector,
    extractors,
    image_sets,
    scoring,
    statistics_file,
)

_CACHE_FORMAT = 1


class RealSide:
    """One collector of real images per feature network.

    Args:
      reals: `images.StoredImages` or `images.StoredStatistics`.
      metrics: `names.Metric`s on features.
      networks: {name: `extractors.Extractor`}.
      cache: folder for statistics; None = a temporary one.
    """

    def __init__(self, reals, metrics, networks, cache):
        self._reals, self._metrics, self._networks = reals, metrics, networks
        self._cache, self._stack = cache, contextlib.ExitStack()
        self.collectors: dict[str, collector.Collector | collector.FromStatistics] = {}

    def close(self) -> None:
        """Removes temporary files; `collect` starts anew."""
        self._stack.close()
        self.collectors = {}

    def collect(self) -> None:
        """Fills or loads one collector per network; does nothing the second time."""
        if self.collectors or not self._metrics:
            return
        if isinstance(self._reals, image_sets.StoredStatistics):
            self.collectors = {n: self._from_statistics(n) for n in self._networks}
            return
        for name, group in groups(self._metrics).items():
            needs = scoring.real_needs(group)
            dimension = self._networks[name].dimension

            def fill(folder, name=name, needs=needs, dimension=dimension):
                made = collector.Collector(needs, dimension, folder)
                count = needs.num_images()
                if count != 0:
                    networks = {name: self._networks[name]}
                    most = self._reals.count if count is None else count
                    told = telling.progress(f"{name} of the real images")
                    feed(
                        self._reals.draw(count), count, networks, {name: made},
                        lambda done, total: told(done, max(done, most or total)),
                    )  # fmt: skip
                made.finish()
                return made

            self.collectors[name] = self._kept(name, needs, dimension, fill)

    def moments(self):
        """Returns (network's name, moments of all real images) of a `fid..._full`.

        Raises:
          ValueError: no metric of these needs them.
        """
        self.collect()
        for metric in self._metrics:
            if metric.kind == "fid" and metric.num_real is None:
                found = self.collectors[metric.extractor].moments[None].result()
                return metric.extractor, found
        raise ValueError(
            "statistics of all real images are computed for fid..._full metrics: name "
            "one, such as fid50k_full"
        )

    def _kept(self, name, needs, dimension, fill):
        """Returns a filled collector, in the cache where there is one."""
        if self._cache is None or self._reals.fingerprint is None:
            folder = self._stack.enter_context(
                atomic.scratch(tempfile.gettempdir(), "dglgan_reals")
            )
            made = fill(folder)
        else:
            facts = {
                "format": _CACHE_FORMAT,
                "network": self._networks[name].describe(),
                "data": self._reals.protocol,
                "fingerprint": self._reals.fingerprint,
                "needs": str(needs),
            }
            made = statistics_file.cached(self._cache, facts, fill, needs, dimension)
        self._stack.callback(made.close)
        return made

    def _from_statistics(self, name):
        made = collector.FromStatistics(self._reals.moments, self._reals.features)
        wanted = self._networks[name].dimension
        if made.dimension != wanted:
            raise ValueError(
                f"the statistics {self._reals.protocol} have dimension "
                f"{made.dimension}, but {name} gives {wanted}: they were made with "
                "another network"
            )
        for metric in self._metrics:
            if metric.num_real is not None and metric.kind != "is":
                raise ValueError(
                    f"{metric.name} takes {metric.num_real} real images, but a file of "
                    f"statistics stands for all of its images: ask for "
                    f"{metric.base}_full"
                )
        return made


def groups(metrics) -> dict[str, list]:
    """Returns {extractor name: its metrics}."""
    found: dict[str, list] = {}
    for metric in metrics:
        found.setdefault(metric.extractor, []).append(metric)
    return found


def feed(batches, count, networks, collectors, progress=None):
    """Gives the features of up to `count` images to the collectors.

    Args:
      batches: yields (images [n, H, W, 1 or 3] uint8, labels [n] or None).
      count: how many images; None = all.
      networks: {name: images -> (features [n, D], logits [n, K] or None)}.
      collectors: {name: the collector of that network's features}.
      progress: called with (images so far, images in all) after each batch.
    """
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
