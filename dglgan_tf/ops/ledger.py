"""A ledger of multiply-accumulates, written while a network is traced.

Convolutions, dense layers and attention products call `enter`; `dglgan_tf.cost` opens
the ledger, traces one call of a network in a throw-away graph and reads the rows. With
no ledger open `enter` does nothing, and nothing runs per step in any case.
"""

import contextlib
import dataclasses

from dglgan_tf.foundation import scope

_ENTRIES = scope.Scope("ops.ledger")


@dataclasses.dataclass(frozen=True)
class Entry:
    """One counted operation of a call, for the batch that was traced.

    Attributes:
      owner: the layer object that made it (its path is looked up by the reader).
      kind: 'conv', 'up_conv', 'down_conv', 'dense', 'attention', 'filter'.
      macs: multiply-accumulates, nominal; an up-convolution counted as a transposed
        convolution, that is at its input resolution.
      macs_output: the same with up-convolutions counted at their output resolution.
      executed: what runs after exact rewrites (foldings).
      output_shape: shape of the result, batch first.
    """

    owner: object
    kind: str
    macs: int
    macs_output: int
    executed: int
    output_shape: tuple


@contextlib.contextmanager
def open_ledger():
    """Yields the list of `Entry` that the calls inside the block make."""
    with _ENTRIES.set_to([]) as entries:
        yield entries


def enter(owner, kind, macs, output_shape, macs_output=None, executed=None) -> None:
    """Adds an `Entry` to the open ledger, if there is one.

    Args:
      owner, kind: as in `Entry`.
      macs: multiply-accumulates.
      output_shape: (N, H, W, C) or (N, C) of the result, all known.
      macs_output, executed: as in `Entry`; None = `macs`.
    """
    entries = _ENTRIES.get()
    if entries is None:
        return
    macs_output = macs if macs_output is None else macs_output
    executed = macs if executed is None else executed
    shape = tuple(int(size) for size in output_shape)
    entries.append(
        Entry(owner, kind, int(macs), int(macs_output), int(executed), shape)
    )
