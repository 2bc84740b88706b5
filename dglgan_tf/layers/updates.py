"""State that a forward pass changes, returned instead of assigned.

A training-mode call of a network moves statistics: spectral-norm vectors, BatchNorm
moments, `w_avg`. Under XLA and on several replicas such variables cannot be assigned
where they are computed, so layers `record` the new value here and whoever runs the
call decides: the trainer collects the values, averages the data-dependent ones over
replicas and assigns them outside the compiled function. Without a collector (eager
use, notebooks) the variable is assigned at once.

Everything happens while a function is traced (or eagerly); nothing runs per step.
"""

import contextlib
import dataclasses

from dglgan_tf.compat import tf
from dglgan_tf.foundation import scope

_UPDATES = scope.Scope("layers.updates", own=True)


@dataclasses.dataclass
class Update:
    """A variable and the value that it takes after the step.

    Attributes:
      variable: created with `synchronization=ON_READ`.
      value: [...] tensor of the variable's shape and type.
      average: whether replicas computed different values (they depend on the data)
        and take the mean; False where all replicas hold the same value.
    """

    variable: tf.Variable
    value: tf.Tensor
    average: bool


@contextlib.contextmanager
def collect():
    """Collects the updates of all calls made inside the block.

    Yields:
      list of `Update`, in the order recorded, at most one for each variable: a
      later call in the same block starts from the value that an earlier one left.
    """
    with _UPDATES.set_to([]) as updates:
        yield updates


def snapshot() -> list[Update] | None:
    """Returns what has been recorded in this block so far; None outside of one."""
    updates = _UPDATES.get()
    return None if updates is None else [dataclasses.replace(u) for u in updates]


@contextlib.contextmanager
def replay(state: list[Update] | None):
    """Inside the block, calls start from a `snapshot`; what they record is dropped."""
    with _UPDATES.set_to([dataclasses.replace(u) for u in state or ()]):
        yield


def current(variable: tf.Variable) -> tf.Tensor:
    """Returns the variable's newest value: recorded in this block, or stored.

    Returns:
      [...], the shape and type of the variable.
    """
    for update in _UPDATES.get() or ():
        if update.variable is variable:
            return update.value
    return tf.convert_to_tensor(variable)


def record(variable: tf.Variable, value: tf.Tensor, average: bool) -> None:
    """Sets the variable's next value; no gradient flows through it.

    Args:
      variable, average: as in `Update`.
      value: [...], the shape and type of the variable.
    """
    value = tf.stop_gradient(value)
    updates = _UPDATES.get()
    if updates is None:
        variable.assign(value)
        return
    for update in updates:
        if update.variable is variable:
            update.value = value
            return
    updates.append(Update(variable, value, average))
