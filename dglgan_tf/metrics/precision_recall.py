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
_USUAL_K = 5  # of density and coverage; precision and recall take 3
_PAIRS = 20_000


def squared_radii(features: feature_store.Selection, k: int) -> np.ndarray:
    """Returns the squared distance to the k-th nearest other row, [N] float64.

    The nearest few are found once for a selection and kept with its store, so that
    metrics of different k share the work.

    Raises:
      ValueError: not more than k rows.
    """
    if len(features) <= k:
        raise ValueError(
            f"k={k} neighbours need more than {k} images, but {len(features)} came"
        )
    known = features.store.nearest.get(features.indices)
    if known is None or known.shape[1] <= k:
        known = _nearest(features, min(max(k, _USUAL_K) + 1, len(features)))
        features.store.nearest[features.indices] = known
    return known[:, k]


def _nearest(features, count):
    """Returns the `count` smallest squared distances of each row, itself included."""
    centre = _centre(features)
    wanted = min(count + _SPARE, len(features))
    best = np.full((len(features), wanted), np.inf, np.float32)
    where = np.zeros((len(features), wanted), np.int64)
    starts = range(0, len(features), BLOCK)
    for row, x in zip(starts, features.blocks(BLOCK), strict=True):
        later = features.store.select(features.indices[row:])
        for column, y in zip(starts[row // BLOCK :], later.blocks(BLOCK), strict=True):
            distances = _approximate(x, y, centre)
            _keep_nearest(best, where, row, column, distances)
            if column > row:
                _keep_nearest(best, where, column, row, distances.T)
    found = []
    for row, x in zip(starts, features.blocks(BLOCK), strict=True):
        numbers = where[row : row + len(x)]
        exact = np.empty(numbers.shape)
        for rank in range(wanted):
            exact[:, rank] = _exact(x, features.rows(numbers[:, rank]))
        found.append(np.sort(exact, axis=1)[:, :count])
    return np.concatenate(found)


def _keep_nearest(best, where, row, column, distances):
    """Merges a block of distances into the nearest so far of its rows, in place."""
    rows = slice(row, row + len(distances))
    wanted = best.shape[1]
    taken = min(wanted, distances.shape[1])
    index = np.argpartition(distances, taken - 1, axis=1)[:, :taken]
    near = np.take_along_axis(distances, index, axis=1)
    values = np.concatenate([best[rows], near], axis=1)
    numbers = np.concatenate([where[rows], index + column], axis=1)
    chosen = np.argpartition(values, wanted - 1, axis=1)[:, :wanted]
    best[rows] = np.take_along_axis(values, chosen, axis=1)
    where[rows] = np.take_along_axis(numbers, chosen, axis=1)


def balls(
    centres: feature_store.Selection,
    squared_radius: np.ndarray,
    queries: feature_store.Selection,
    closed: bool,
    query_radius: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts which queries lie in which balls.

    Args:
      centres: [N, D] features.
      squared_radius: [N] from `squared_radii(centres, k)`.
      queries: [M, D] features.
      closed: count a query on the sphere (`<=`).
      query_radius: [M]; also count the other way round, from the same distances.

    Returns:
      in_balls: [M] number of balls that hold each query.
      holds: [N] number of queries that each ball holds.
      in_query_balls: [N] number of the queries' balls that hold each centre; zeros
        without `query_radius`.
    """
    in_balls = np.zeros(len(queries), np.int64)
    holds, in_query_balls = (np.zeros(len(centres), np.int64) for _ in range(2))
    centre = _centre(centres)
    row = 0
    for x in centres.blocks(BLOCK):
        rows = slice(row, row + len(x))
        column = 0
        for y in queries.blocks(BLOCK):
            columns = slice(column, column + len(y))
            distances = _approximate(x, y, centre)
            scale = _SLACK * (_norms(x - centre)[:, None] + _norms(y - centre))
            radius = squared_radius[rows][:, None]
            inside = _decide(x, y, distances, scale, radius, closed)
            in_balls[columns] += np.count_nonzero(inside, axis=0)
            holds[rows] += np.count_nonzero(inside, axis=1)
            if query_radius is not None:
                radius = query_radius[columns]
                inside = _decide(x, y, distances, scale, radius, closed)
                in_query_balls[rows] += np.count_nonzero(inside, axis=1)
            column += len(y)
        row += len(x)
    return in_balls, holds, in_query_balls


def _decide(x, y, distances, scale, radius, closed):
    """Returns whether a pair is within the radius, [n, m] bool.

    Args:
      x, y: [n, D], [m, D].
      distances: [n, m] float32, approximate and squared.
      scale: [n, m] largest error of the distances.
      radius: [n, 1] or [m], squared and exact.
      closed: `<=` instead of `<`.
    """
    gap = distances - radius.astype(np.float32)
    inside = gap < 0
    close = np.abs(gap, out=gap) <= scale
    if not closed:
        # A ball of radius 0 holds nothing; in a collapsed set these pairs are many.
        close &= radius > 0
        inside &= radius > 0
    radius = np.broadcast_to(radius, close.shape)
    rows, columns = np.nonzero(close)
    for start in range(0, len(rows), _PAIRS):
        i, j = rows[start : start + _PAIRS], columns[start : start + _PAIRS]
        exact, limit = _exact(x[i], y[j]), radius[i, j]
        inside[i, j] = exact <= limit if closed else exact < limit
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
    """Returns improved precision and recall, each 0 to 1.

    Args:
      generated, real: `feature_store.Selection`s of [N, D] and [M, D] features.
      k: neighbours that set the radius of a ball.
    """
    radius = squared_radii(generated, k)
    in_real, _, in_generated = balls(
        real, squared_radii(real, k), generated, closed=True, query_radius=radius
    )
    return float((in_real > 0).mean()), float((in_generated > 0).mean())


def density_coverage(generated, real, k: int = 5) -> tuple[float, float]:
    """Returns density (0 or more) and coverage (0 to 1).

    Args:
      generated, real: `feature_store.Selection`s of [N, D] and [M, D] features.
      k: neighbours that set the radius of a ball.
    """
    in_real, holds, _ = balls(real, squared_radii(real, k), generated, closed=False)
    return float(in_real.sum() / (k * len(generated))), float((holds > 0).mean())
