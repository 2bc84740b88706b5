"""Frechet distance between Gaussians fitted to features (Heusel et al., 2017).

float64 throughout. With S1 = A A^T, S2 = B B^T, the trace of (S1 S2)^(1/2) is the sum
of the singular values of A^T B: no `sqrtm`, no complex numbers, no failure on singular
covariances, and nothing is squared that would lose half of the digits. A and B come
from pivoted Cholesky factorizations, several times faster than the eigenvectors of a
symmetric root and as exact.
"""

import dataclasses

import numpy as np
import scipy.linalg


@dataclasses.dataclass
class Moments:
    """Mean and covariance of features.

    Attributes:
      mean: [D] float64.
      covariance: [D, D] float64, divided by count - 1.
      count: number of rows seen; 0 where unknown (files of other packages).
    """

    mean: np.ndarray
    covariance: np.ndarray
    count: int = 0


class StreamingMoments:
    """Accumulates mean and scatter batch by batch (Chan et al., 1979).

    Memory is one D x D matrix whatever the number of rows; centring each batch first
    keeps the precision that a sum of raw squares loses.
    """

    def __init__(self, dimension: int):
        self.count = 0
        self.mean = np.zeros(dimension)
        self.scatter = np.zeros((dimension, dimension))

    def update(self, features: np.ndarray) -> None:
        """Adds rows.

        Args:
          features: [N, D], any float type.
        """
        rows = np.asarray(features, np.float64)
        if not len(rows):
            return
        total = self.count + len(rows)
        batch_mean = rows.mean(axis=0)
        centred = rows - batch_mean
        delta = batch_mean - self.mean
        weight = self.count * len(rows) / total
        self.scatter += centred.T @ centred
        self.scatter += np.outer(delta * weight, delta)
        self.mean += delta * (len(rows) / total)
        self.count = total

    def result(self) -> Moments:
        """Returns the moments of all rows so far: mean [D], covariance [D, D].

        Raises:
          ValueError: fewer than two rows.
        """
        if self.count < 2:
            raise ValueError(
                f"a covariance needs at least 2 images, but {self.count} came"
            )
        return Moments(self.mean.copy(), self.scatter / (self.count - 1), self.count)


def moments(features: np.ndarray) -> Moments:
    """Returns the moments of features [N, D] held in memory."""
    stream = StreamingMoments(np.shape(features)[1])
    stream.update(features)
    return stream.result()


def distance(first: Moments, second: Moments) -> float:
    """Returns |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)); 0 for equal moments.

    Raises:
      ValueError: the dimensions differ or a value is not finite.
    """
    if first.mean.shape != second.mean.shape:
        raise ValueError(
            f"statistics of dimension {first.mean.shape[0]} cannot be compared with "
            f"statistics of dimension {second.mean.shape[0]}: use one extractor for "
            "both"
        )
    for one in (first, second):
        if not (np.isfinite(one.mean).all() and np.isfinite(one.covariance).all()):
            raise ValueError("statistics hold NaN or infinity: images or features do")
    gap = first.mean - second.mean
    product = _root(first.covariance).T @ _root(second.covariance)
    cross = scipy.linalg.svdvals(product).sum() if product.size else 0.0
    trace = np.trace(first.covariance) + np.trace(second.covariance) - 2 * cross
    return float(max(gap @ gap + trace, 0.0))


def _root(covariance: np.ndarray) -> np.ndarray:
    """Returns R [D, rank] with R R^T = covariance, by pivoted Cholesky.

    Any root serves, and this one costs D rank^2: with few images next to nothing, and
    it stops where only rounding is left.
    """
    factor, order, rank, _ = scipy.linalg.lapack.dpstrf(covariance, lower=1)
    root = np.empty((len(covariance), rank))
    root[order - 1] = np.tril(factor)[:, :rank]
    return root
