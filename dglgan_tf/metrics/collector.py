"""One pass over images' features: everything that the asked metrics need of a set."""

import dataclasses
from pathlib import Path

import numpy as np

from dglgan_tf.metrics import feature_store, frechet, inception_score


@dataclasses.dataclass(frozen=True)
class Needs:
    """What to collect of one set of images on one extractor.

    Attributes:
      moments: numbers of leading images of which moments are needed; None = all.
      halves: numbers n for which moments of two disjoint sets of at most n images
        are needed (images taken in turns), the floor of a distance.
      stored: leading images whose features are kept in a file; 0 = none, None = all.
      scores: (images, splits) of Inception Scores.
      labels: keep the labels of the stored images (`stored` must be None).
    """

    moments: tuple[int | None, ...] = ()
    halves: tuple[int, ...] = ()
    stored: int | None = 0
    scores: tuple[tuple[int, int], ...] = ()
    labels: bool = False

    def num_images(self) -> int | None:
        """Returns how many leading images suffice; None = all."""
        counts = [*self.moments, *(2 * n for n in self.halves), self.stored]
        counts += [n for n, _ in self.scores]
        return None if None in counts else max(counts, default=0)


class Collector:
    """Accumulates features and logits as `Needs` says.

    Args:
      needs: what to collect.
      dimension: numbers in a feature row.
      folder: where the file of features goes.
    """

    def __init__(self, needs: Needs, dimension: int, folder):
        self.needs, self.dimension, self.count = needs, dimension, 0
        self.moments = {n: frechet.StreamingMoments(dimension) for n in needs.moments}
        self.halves = {
            n: [frechet.StreamingMoments(dimension) for _ in range(2)]
            for n in needs.halves
        }
        self.scores = {
            key: inception_score.StreamingScore(*key) for key in needs.scores
        }
        self.labels = np.zeros(0, np.int64)
        self._labels: list[np.ndarray] = []
        self.store = None
        if needs.stored != 0:
            folder = Path(folder)
            folder.mkdir(parents=True, exist_ok=True)
            self.store = feature_store.FeatureStore(folder / "features.f32", dimension)

    def update(self, features: np.ndarray, logits: np.ndarray, labels=None) -> None:
        """Adds the next images.

        Args:
          features: [N, dimension] float32.
          logits: [N, classes] float32.
          labels: [N] int, needed where `needs.labels`.
        """
        first = self.count
        for count, stream in self.moments.items():
            stream.update(_leading(features, first, count))
        for count, pair in self.halves.items():
            taken = _leading(features, first, 2 * count)
            pair[0].update(taken[first % 2 :: 2])
            pair[1].update(taken[1 - first % 2 :: 2])
        if self.store is not None:
            self.store.append(_leading(features, first, self.needs.stored))
        for (count, _), stream in self.scores.items():
            stream.update(_leading(logits, first, count))
        if self.needs.labels:
            if labels is None:
                raise ValueError("per-class scores need labels: these images have none")
            self._labels.append(np.asarray(labels, np.int64))
        self.count += len(features)

    def finish(self) -> None:
        """Joins the labels to one array [N] int64; called once after the last image."""
        self.labels = np.concatenate([self.labels, *self._labels])
        self._labels = []

    def class_moments(self, label: int, count: int | None) -> frechet.StreamingMoments:
        """Returns the moments, over [n, D] features, of a class's images.

        Args:
          label: the class.
          count: how many of its images, from the first; None = all.
        """
        rows = np.flatnonzero(self.labels == label)[:count]
        stream = frechet.StreamingMoments(self.dimension)
        for start in range(0, len(rows), feature_store.BLOCK):
            stream.update(self.store.rows(rows[start : start + feature_store.BLOCK]))
        return stream

    def save(self, folder) -> None:
        """Writes everything but the features' file into `folder`."""
        arrays = {"count": self.count, "labels": self.labels}
        for name, stream in self._streams():
            arrays[f"{name}/count"] = stream.count
            arrays[f"{name}/mean"] = stream.mean
            arrays[f"{name}/scatter"] = stream.scatter
        np.savez(Path(folder) / "moments.npz", **arrays)

    @classmethod
    def load(cls, needs: Needs, dimension: int, folder) -> "Collector":
        """Returns what `save` wrote; the features' file is in the same folder."""
        made = cls(needs, dimension, folder)
        with np.load(Path(folder) / "moments.npz") as file:
            made.count, made.labels = int(file["count"]), file["labels"]
            for name, stream in made._streams():
                stream.count = int(file[f"{name}/count"])
                stream.mean = file[f"{name}/mean"]
                stream.scatter = file[f"{name}/scatter"]
        return made

    def _streams(self):
        for count, stream in self.moments.items():
            yield f"moments/{count}", stream
        for count, pair in self.halves.items():
            for side, stream in enumerate(pair):
                yield f"halves/{count}/{side}", stream

    def close(self) -> None:
        """Closes the file of features."""
        if self.store is not None:
            self.store.close()


class FromStatistics:
    """Stands for a collector of real images where only a file of statistics is there.

    Args:
      moments: for FID; None where there are only features.
      features: [N, D] for metrics on sets; None where there are only moments.
    """

    def __init__(self, moments: frechet.Moments | None, features: np.ndarray | None):
        if moments is None:
            moments = frechet.moments(features)
        self._moments = moments
        self.dimension = len(moments.mean)
        self.count = moments.count or np.iinfo(np.int64).max
        self.moments, self.halves = _Always(self), {}
        self.store = None if features is None else feature_store.ArrayStore(features)

    def result(self) -> frechet.Moments:
        """Returns the file's moments: mean [D], covariance [D, D]."""
        return self._moments

    def close(self) -> None:
        """Does nothing: there is no file."""


class _Always(dict):
    """The same value for every key: the file's images are its images."""

    def __init__(self, value):
        super().__init__()
        self._value = value

    def __missing__(self, key):
        return self._value


def _leading(rows, seen, count):
    """Returns those of the next rows that belong to the first `count`."""
    return rows if count is None else rows[: max(count - seen, 0)]
