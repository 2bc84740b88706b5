"""Improved precision and recall, density and coverage, over blocks of features.

Kynkaanniemi et al., 2019 (precision, recall) and Naeem et al., 2020 (density,
coverage). A set's manifold is the union of balls around its features, each reaching to
the k-th nearest neighbour (the feature itself does not count).

Distances come from float32 matrix products; whichever decision is too close for them
is made again with float64 differences, so the result is that of exact distances while
nothing of size N x N exists. The comparison is `<=` for precision and recall
(StyleGAN2, torch-fidelity) and `<` for density and coverage (prdc): it matters for
exact copies.
"""

import numpy as np

from dglgan_tf.metrics import feature_store

BLOCK = 2000
# Of |x|^2 + |y|^2: above what a float32 product of up to 4096 terms loses.
_SLACK = 1e-5
_SPARE = 4
_PAIRS = 20_000


def squared_radii(features: feature_store.Selection, k: int) -> np.ndarray:
    """Returns the squared distance to the k-th nearest other row, [N] float64.

    Raises:
      ValueError: not more than k rows.
    """
    if len(features) <= k:
        raise ValueError(
            f"k={k} neighbours need more than {k} images, but {len(features)} came"
        )
    centre = _centre(features)
    wanted = min(k + 1 + _SPARE, len(features))
    radii = []
    for x in features.blocks(BLOCK):
        best = np.full((len(x), wanted), np.inf, np.float32)
        where = np.zeros((len(x), wanted), np.int64)
        start = 0
        for y in features.blocks(BLOCK):
            values = np.concatenate([best, _approximate(x, y, centre)], axis=1)
            numbers = np.arange(start, start + len(y))
            index = np.argpartition(values, wanted - 1, axis=1)[:, :wanted]
            best = np.take_along_axis(values, index, axis=1)
            old = np.take_along_axis(where, np.minimum(index, wanted - 1), axis=1)
            where = np.where(index < wanted, old, numbers[index - wanted])
            start += len(y)
        radii.append(_kth(features, x, where, k))
    return np.concatenate(radii)


def _kth(features, x, where, k):
    """Returns the k-th smallest exact distance of each row to its candidates."""
    exact = np.empty(where.shape)
    for column in range(where.shape[1]):
        exact[:, column] = _exact(x, features.rows(where[:, column]))
    return np.partition(exact, k, axis=1)[:, k]


def balls(
    centres: feature_store.Selection,
    squared_radius: np.ndarray,
    queries: feature_store.Selection,
    closed: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Counts which queries lie in which balls.

    Args:
      centres: [N, D] features.
      squared_radius: [N] from `squared_radii(centres, k)`.
      queries: [M, D] features.
      closed: count a query on the sphere (`<=`).

    Returns:
      in_balls: [M] number of balls that hold each query.
      holds: [N] number of queries that each ball holds.
    """
    in_balls = np.zeros(len(queries), np.int64)
    holds = np.zeros(len(centres), np.int64)
    centre = _centre(centres)
    row = 0
    for x in centres.blocks(BLOCK):
        rows = slice(row, row + len(x))
        radius = squared_radius[rows]
        column = 0
        for y in queries.blocks(BLOCK):
            inside = _decide(x, y, centre, radius, closed)
            in_balls[column : column + len(y)] += inside.sum(axis=0)
            holds[rows] += inside.sum(axis=1)
            column += len(y)
        row += len(x)
    return in_balls, holds


def _decide(x, y, centre, radius, closed):
    """Returns whether y[j] lies in the ball around x[i], [n, m] bool."""
    gap = _approximate(x, y, centre)
    scale = _norms(x - centre)[:, None] + _norms(y - centre)
    gap -= radius[:, None].astype(np.float32)
    inside = gap < 0
    close = np.abs(gap) <= _SLACK * scale
    if not closed:
        # A ball of radius 0 holds nothing; in a collapsed set these pairs are many.
        close &= (radius > 0)[:, None]
        inside &= (radius > 0)[:, None]
    rows, columns = np.nonzero(close)
    for start in range(0, len(rows), _PAIRS):
        i, j = rows[start : start + _PAIRS], columns[start : start + _PAIRS]
        exact = _exact(x[i], y[j])
        inside[i, j] = exact <= radius[i] if closed else exact < radius[i]
    return inside


def _centre(features):
    """A point near the features; products of centred rows lose fewer digits."""
    return next(features.blocks(BLOCK)).mean(axis=0, dtype=np.float64).astype("f4")


def _norms(rows):
    return np.einsum("ij,ij->i", rows, rows)


def _approximate(x, y, centre):
    """Returns squared distances [n, m] float32 by a matrix product."""
    x, y = x - centre, y - centre
    values = x @ y.T
    values *= -2
    values += _norms(x)[:, None]
    values += _norms(y)
    return values


def _exact(x, y):
    """Returns squared distances of paired rows, [n] float64."""
    difference = x.astype(np.float64) - y
    return np.einsum("ij,ij->i", difference, difference)


def precision_recall(generated, real, k: int = 3) -> tuple[float, float]:
    """Returns improved precision and recall of two `feature_store.Selection`s."""
    in_real, _ = balls(real, squared_radii(real, k), generated, closed=True)
    in_generated, _ = balls(generated, squared_radii(generated, k), real, closed=True)
    return float((in_real > 0).mean()), float((in_generated > 0).mean())


def density_coverage(generated, real, k: int = 5) -> tuple[float, float]:
    """Returns density and coverage of two `feature_store.Selection`s."""
    in_real, holds = balls(real, squared_radii(real, k), generated, closed=False)
    return float(in_real.sum() / (k * len(generated))), float((holds > 0).mean())
