"""The real images nearest to given ones: does a generator repeat its data?"""

import dataclasses
from collections.abc import Callable, Iterable

import numpy as np


@dataclasses.dataclass(frozen=True)
class Neighbours:
    """What `find` found, the nearest first.

    Attributes:
      images: [N, k, H, W, C] uint8.
      distances: [N, k] Euclidean, between features.
      indices: [N, k] places in the stored order of the data.
    """

    images: np.ndarray
    distances: np.ndarray
    indices: np.ndarray


def pixels(images) -> np.ndarray:
    """Returns images as features: [N, H * W * C] float32 in [0, 1]."""
    return images.reshape(len(images), -1).astype(np.float32) / 255


def find(
    queries: np.ndarray, reals: Iterable, k: int = 5, features: Callable = pixels
) -> Neighbours:
    """Returns the k nearest real images of each query, reading the data once.

    Args:
      queries: [N, H, W, C] uint8.
      reals: batches [n, H, W, C] uint8 in the stored order, or (images, labels).
      k: neighbours of each.
      features: images to [N, D]; an extractor's features say more than pixels.

    Raises:
      ValueError: fewer than k real images, or images of another shape.
    """
    asked = np.asarray(features(queries), np.float64)
    known = _Nearest(len(queries), k)
    seen = 0
    for batch in reals:
        batch = batch[0] if isinstance(batch, tuple) else batch
        if batch.shape[1:] != queries.shape[1:]:
            raise ValueError(
                f"real images are {list(batch.shape[1:])}, those to compare "
                f"{list(queries.shape[1:])}: give data of the same size and colours"
            )
        own = np.asarray(features(batch), np.float64)
        squares = (asked**2).sum(1)[:, None] + (own**2).sum(1) - 2 * asked @ own.T
        known.add(np.maximum(squares, 0), batch, seen)
        seen += len(batch)
    if seen < k or k < 1:
        raise ValueError(f"k={k} neighbours of {seen} real images: ask for fewer")
    return known.result()


class _Nearest:
    """The nearest so far."""

    def __init__(self, count, k):
        self._k = k
        self._squares = np.zeros([count, 0])
        self._indices = np.zeros([count, 0], np.int64)
        self._images: list = [[] for _ in range(count)]

    def add(self, squares, images, start):
        """Takes a batch: squares [N, n] of distances to images [n, ...]."""
        places = np.broadcast_to(np.arange(start, start + len(images)), squares.shape)
        both = np.concatenate([self._squares, squares], axis=1)
        indices = np.concatenate([self._indices, places], axis=1)
        order = np.argsort(both, axis=1, kind="stable")[:, : self._k]
        held = self._squares.shape[1]
        self._images = [
            [self._images[row][i] if i < held else images[i - held] for i in chosen]
            for row, chosen in enumerate(order)
        ]
        self._squares = np.take_along_axis(both, order, axis=1)
        self._indices = np.take_along_axis(indices, order, axis=1)

    def result(self):
        """Returns the `Neighbours`."""
        return Neighbours(np.array(self._images), np.sqrt(self._squares), self._indices)
