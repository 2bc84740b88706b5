"""Lanes: equal parts of a batch that a CPU computes side by side, one core each.

Usually every core works on the same operation and the fastest waits for the slowest,
some thousand times a step. With one thread an operation and as many parts of the batch
as cores nobody waits (docs/performance.md has what that gains). A part is what one of
several GPUs would compute, so lanes fit wherever several GPUs do.

TensorFlow's threads are set for a whole process and before anything runs: a command
opens the lanes, everything else asks how many there are.
"""

import os
from collections.abc import Callable

from dglgan_tf.compat import tf
from dglgan_tf.native import library, threads

_THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")  # the user's own choice


def suitable(batches, group: int | None = 1) -> int:
    """Returns how many lanes suit batches of these sizes.

    One a core, where that divides the batches. With native convolutions, which take
    half the time, fewer will do, as long as more than half of the cores have one. Else
    one lane, whose operations all cores share.

    Args:
      batches: images that are computed at once.
      group: how many belong together, such as in minibatch standard deviation: a
        lane has a multiple of them; None = all.
    """
    if group is None or any(os.environ.get(name) for name in _THREADS):
        return 1
    cores = threads.cores()
    fit = (n for n in range(cores, 0, -1) if not any(b % (n * group) for b in batches))
    count = next(fit, 1)
    enough = count == cores or (2 * count > cores and library.library() is not None)
    return count if enough else 1


def start(lanes: int) -> int:
    """Gives each lane a core, unless TensorFlow runs already; host, first of all.

    Returns:
      The number of lanes in effect.
    """
    if lanes > 1 and count() != lanes:
        try:
            tf.config.threading.set_intra_op_parallelism_threads(1)
            tf.config.threading.set_inter_op_parallelism_threads(lanes)
        except RuntimeError:  # too late: other work of this process chose
            return 1
    return lanes


def count() -> int:
    """Returns the number of lanes in effect, 1 where none were opened."""
    if tf.config.threading.get_intra_op_parallelism_threads() != 1:
        return 1
    return max(tf.config.threading.get_inter_op_parallelism_threads(), 1)


def fitting(batch: int | None) -> int:
    """Returns the number of lanes in effect for a batch: 1 where they do not divide it.

    Args:
      batch: its size; None = unknown while tracing.
    """
    return 1 if batch is None or batch % count() else count()


def spread(function: Callable) -> Callable:
    """Returns the function that computes the parts of its batch side by side.

    Args:
      function: of tensors [N, ...] (or None) to tensors [N, ...], each row of which
        depends on that row of the input only; traced once for each lane.
    """

    def run(*tensors):
        parts = fitting(tensors[0].shape[0])
        if parts == 1:
            return function(*tensors)
        cut = [[None] * parts if t is None else tf.split(t, parts) for t in tensors]
        found = [function(*part) for part in zip(*cut, strict=True)]
        return tf.nest.map_structure(lambda *rows: tf.concat(rows, 0), *found)

    return run
