"""Batches of one size, whatever the number of rows."""

from collections.abc import Iterator

import numpy as np


def filled(count: int, batch: int) -> Iterator[np.ndarray]:
    """Yields the rows of each batch, the last one filled up from the beginning.

    One shape is traced then; the caller joins the results and keeps `count` of them.

    Args:
      count: rows there are, 1 or more.
      batch: rows of each call, 1 or more; may be more than there are.

    Yields:
      [batch] int64 from 0 to count - 1.
    """
    for start in range(0, count, batch):
        yield np.arange(start, start + batch) % count
