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
      per_class: images of each class whose moments are needed; 0 = none, None = all.
    """

    moments: tuple[int | None, ...] = ()
    halves: tuple[int, ...] = ()
    stored: int | None = 0
    scores: tuple[tuple[int, int], ...] = ()
    per_class: int | None = 0

    def num_images(self) -> int | None:
        """Returns how many leading images suffice; None = all (per class aside)."""
        counts = [*self.moments, *(2 * n for n in self.halves), self.stored]
        counts += [n for n, _ in self.scores]
        if None in counts or self.per_class is None:
            return None
        return max(counts, default=0)


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
        self.classes: dict[int, frechet.StreamingMoments] = {}
        self.store = None
        if needs.stored != 0:
            path = Path(folder) / "features.f32"
            path.parent.mkdir(parents=True, exist_ok=True)
            self.store = feature_store.FeatureStore(path, dimension)

    def update(self, features: np.ndarray, logits: np.ndarray, labels=None) -> None:
        """Adds the next images.

        Args:
          features: [N, dimension] float32.
          logits: [N, classes] float32.
          labels: [N] int, needed for `per_class`.
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
        if self.needs.per_class != 0:
            self._update_classes(features, labels)
        self.count += len(features)

    def _update_classes(self, features, labels):
        if labels is None:
            raise ValueError("per-class scores need labels: these images have none")
        for label in np.unique(labels):
            stream = self.classes.setdefault(
                int(label), frechet.StreamingMoments(self.dimension)
            )
            rows = features[np.asarray(labels) == label]
            stream.update(_leading(rows, stream.count, self.needs.per_class))

    def close(self) -> None:
        """Closes the file of features."""
        if self.store is not None:
            self.store.close()


def _leading(rows, seen, count):
    """Returns those of the next rows that belong to the first `count`."""
    return rows if count is None else rows[: max(count - seen, 0)]
