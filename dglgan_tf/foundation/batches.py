"""Batches of one size, whatever the number of rows, and how large one may be."""

from collections.abc import Iterator

import numpy as np

PIXELS = 2**21  # of one call that draws images: 128 of 128 px, 32 of 256, 2 of 1024


def drawable(wanted: int, side: int, multiple: int = 1) -> int:
    """Returns how many images one call outside of the training step may draw.

    Two images of 1024 px through StyleGAN2 config F took 2.7 GiB beside the weights,
    eight of them 3.8 GiB (graph mode, two CPU lanes), 32 in one eager call 18.5 GB.

    Args:
      wanted: images asked for, 1 or more.
      side: height and width of an image in pixels.
      multiple: the number of lanes or of images of a group: as many belong together,
        where so many are wanted.
    """
    most = max(PIXELS // side**2, multiple)
    return min(wanted, most - most % multiple)


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
