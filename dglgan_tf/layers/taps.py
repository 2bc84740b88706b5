"""The outputs of a network's blocks, kept on request.

Networks call `record` with the output of each block. Inside `collect` the outputs are
kept by their height; outside of it `record` does nothing. Both are Python code that
runs while a function is traced, so a compiled step has no trace of them.
"""

import contextlib
from collections.abc import Callable

from dglgan_tf.compat import tf
from dglgan_tf.foundation import scope
from dglgan_tf.layers import updates

_OUTPUTS = scope.Scope("layers.taps", own=True)


@contextlib.contextmanager
def collect():
    """Keeps what the networks called inside the block record.

    Yields:
      {side: [N, side, side, C]}, filled by the calls; of several blocks with one side
      the last counts.
    """
    with _OUTPUTS.set_to({}) as outputs:
        yield outputs


def record(x: tf.Tensor) -> None:
    """Keeps the output of a block where a `collect` is open.

    Args:
      x: [N, side, side, C].
    """
    outputs = _OUTPUTS.get()
    if outputs is not None:
        outputs[int(x.shape[1])] = x


def widths(call: Callable[[], tf.Tensor]) -> dict[int, int]:
    """Returns {side: channels} of a call; it is traced and never run.

    Args:
      call: () -> tensor of any shape; calls one network.
    """
    with updates.collect(), collect() as found:
        tf.function(call, autograph=False).get_concrete_function()
    return {side: int(x.shape[-1]) for side, x in found.items()}
