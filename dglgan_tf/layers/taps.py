"""Activations after the blocks of a network, for whoever asks.

A network hands the output of each block to `record`; inside `collect` they are kept by
their side length. Outside of it nothing happens. Everything is Python while tracing.
"""

import contextlib
import threading
from collections.abc import Callable

from dglgan_tf.compat import tf
from dglgan_tf.layers import updates

_LOCAL = threading.local()


@contextlib.contextmanager
def collect():
    """Keeps what the networks called inside the block record.

    Yields:
      {side: [N, side, side, C]}, filled by the calls; of several blocks with one side
      the last counts.
    """
    outer = getattr(_LOCAL, "found", None)
    _LOCAL.found = {}
    try:
        yield _LOCAL.found
    finally:
        _LOCAL.found = outer


def record(x: tf.Tensor) -> None:
    """Hands over the output of a block.

    Args:
      x: [N, side, side, C].
    """
    found = getattr(_LOCAL, "found", None)
    if found is not None:
        found[int(x.shape[1])] = x


def widths(call: Callable[[], tf.Tensor]) -> dict[int, int]:
    """Returns {side: channels} of a call; it is traced and never run.

    Args:
      call: calls one network.
    """
    with updates.collect(), collect() as found:
        tf.function(call, autograph=False).get_concrete_function()
    return {side: int(x.shape[-1]) for side, x in found.items()}
