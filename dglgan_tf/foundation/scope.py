"""Values that hold inside a `with` block: every use in the package, and the rules.

A scope says how what is called inside the block behaves, where no argument reaches:
a layer deep in a network does not know who traces it. Each thread has its own value,
so two threads never disturb each other, and a new thread begins outside of all blocks.
A thread that traces a lane (`devices.lane_exchange`) begins with the scopes of the
thread that asked for the lanes (`carry`); what it opens itself, no other lane sees.

| scope | value | opened by | read by | in a lane |
| --- | --- | --- | --- | --- |
| `layers.updates` | list of recorded updates of statistics | `collect`, `replay`: \
phases, whoever calls a network in training mode | layers with statistics, \
`layers.recompute` | its own |
| `layers.taps` | outputs of blocks by side | `collect`: `training.microbatch`, \
`widths` | networks | its own |
| `layers.conditional_norm` | weight of a batch's moments, None = the momentum | \
`averaging`: standing statistics | `BatchStatistics` | carried |
| `ops.ledger` | list of counted operations | `open_ledger`: `cost.macs` | \
convolutions, dense layers, attention | carried: all lanes add to one list |
| `ops.resample` | form of the filter passes | `use_form`: phases | `resample` | \
carried |
| `native.library` | whether convolutions become native ones | `use`, `traced`: \
phases, samplers, judges | `native.convolutions`, `native.filters` | carried |
| `devices.lane_exchange` | the lane that this thread traces, None = none | \
`trace_lanes` | `all_gather`, `size` | its own |
| `networks.weightless` | whether new variables have no value | `weightless`: cost \
tables, dry runs, budgets | terms and masks that read weights | carried; networks are \
not built there |

"Its own": the block is opened inside the lane. One that was opened around the lanes
cannot take what they record, and reading it there is an error.
"""

import contextlib
import contextvars
from collections.abc import Callable

_SCOPES = []
_AROUND = object()  # in a lane, the value of a block that each lane opens for itself


class Scope:
    """A value that holds inside a `with` block, in one thread.

    Made once, when its module is imported: it lasts as long as the process.

    Args:
      name: the module that has it, as in the table above.
      default: the value outside of all blocks.
      own: whether each lane opens the block itself (see above).
    """

    def __init__(self, name: str, default=None, own: bool = False):
        self.name, self._own = name, own
        self._variable = contextvars.ContextVar(name, default=default)
        _SCOPES.append(self)

    @contextlib.contextmanager
    def set_to(self, value):
        """Inside the block `get` returns this value, which is also yielded."""
        token = self._variable.set(value)
        try:
            yield value
        finally:
            self._variable.reset(token)

    def get(self):
        """Returns the value of the innermost block around the caller, or the default.

        Raises:
          RuntimeError: in a lane, of a block that was opened around the lanes and
            should have been opened inside each of them.
        """
        value = self._variable.get()
        if value is _AROUND:
            raise RuntimeError(
                f"a block of {self.name} was opened around lanes and cannot take what "
                "they record: open it inside each lane"
            )
        return value

    def _enter_lane(self):
        if self._own and self._variable.get() is not None:
            self._variable.set(_AROUND)


def carry(function: Callable) -> Callable:
    """Returns the function that runs, in any thread, inside the blocks of this moment.

    For threads that trace lanes. Each call begins anew: what it opens is seen by no
    other call, however the calls take turns.

    Args:
      function: of any positional arguments.
    """
    context = contextvars.copy_context()

    def run(*arguments):
        return context.copy().run(_in_lane, function, arguments)

    return run


def _in_lane(function, arguments):
    for scope in _SCOPES:
        scope._enter_lane()
    return function(*arguments)
