"""Kernel inception distance: unbiased squared MMD (Binkowski et al., 2018).

The kernel is (x.y / D + 1)^3. float64 throughout; the full-set estimate runs over
blocks, so that no N x N matrix exists.
"""

from collections.abc import Callable

import numpy as np

BLOCK = 1000


def polynomial(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns the kernel matrix [N, M] of rows x [N, D] and y [M, D], float64."""
    product = x @ y.T
    product /= x.shape[1]
    product += 1.0
    return product * product * product


def mmd2(
    generated: np.ndarray,
    real: np.ndarray,
    kernel: Callable = polynomial,
    unbiased: bool = True,
) -> float:
    """Returns the squared maximum mean discrepancy of two feature sets.

    Args:
      generated: [N, D].
      real: [M, D].
      kernel: (x, y) -> [N, M].
      unbiased: leave the diagonals out (may be negative); otherwise the V-statistic.
    """
    x, y = np.asarray(generated, np.float64), np.asarray(real, np.float64)
    return mmd2_blocks(lambda: iter((x,)), lambda: iter((y,)), kernel, unbiased)


def mmd2_blocks(
    generated: Callable,
    real: Callable,
    kernel: Callable = polynomial,
    unbiased: bool = True,
) -> float:
    """Returns the squared MMD of sets that are read block by block.

    Args:
      generated, real: functions that return a fresh iterator of blocks [n, D].
      kernel: (x, y) -> [n, m].
      unbiased: leave the diagonals out.

    Raises:
      ValueError: a set has fewer than two rows.
    """
    inside = []
    counts = []
    for blocks in (generated, real):
        total, trace, count = _self_sum(blocks, kernel)
        if count < 2:
            raise ValueError(f"the kernel distance needs 2 images a set, not {count}")
        if unbiased:
            inside.append((total - trace) / (count * (count - 1)))
        else:
            inside.append(total / count**2)
        counts.append(count)
    cross = 0.0
    for x in generated():
        x = np.asarray(x, np.float64)
        for y in real():
            cross += kernel(x, np.asarray(y, np.float64)).sum()
    return float(inside[0] + inside[1] - 2 * cross / (counts[0] * counts[1]))


def _self_sum(blocks, kernel):
    """Returns sum and trace of the kernel matrix of a set with itself, and its size."""
    total = trace = 0.0
    count = 0
    for i, x in enumerate(blocks()):
        x = np.asarray(x, np.float64)
        count += len(x)
        for j, y in enumerate(blocks()):
            if j > i:
                break
            values = kernel(x, np.asarray(y, np.float64))
            if i == j:
                trace += np.trace(values)
                total += values.sum()
            else:
                total += 2 * values.sum()
    return total, trace, count


def subset_indices(
    num_generated: int, num_real: int, subsets: int, subset_size: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns the rows of each subset, as torch-fidelity draws them.

    Returns:
      (generated rows [subset_size] int, real rows [subset_size] int) for each subset.
    """
    rng = np.random.RandomState(seed)
    return [
        (
            rng.choice(num_generated, subset_size, replace=False),
            rng.choice(num_real, subset_size, replace=False),
        )
        for _ in range(subsets)
    ]


def subsets_mmd2(
    generated: Callable, real: Callable, indices: list[tuple[np.ndarray, np.ndarray]]
) -> np.ndarray:
    """Returns the unbiased squared MMD of each subset.

    Args:
      generated, real: functions from row indices to features [n, D].
      indices: (generated rows, real rows) per subset, as from `subset_indices`.

    Returns:
      [subsets] float64; the distance is their mean, its standard error follows from
      their spread.
    """
    return np.array([mmd2(generated(g), real(r)) for g, r in indices])
