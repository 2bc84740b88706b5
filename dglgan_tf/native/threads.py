"""How many cores this process has, and how many threads an operation takes."""

import os

from dglgan_tf.compat import tf


def cores() -> int:
    """Returns how many cores this process may use; 1 where a GPU computes."""
    if tf.config.list_physical_devices("GPU"):
        return 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def single() -> bool:
    """Whether each operation has one thread of a CPU: lanes, or a single core."""
    if tf.config.list_physical_devices("GPU"):
        return False
    return tf.config.threading.get_intra_op_parallelism_threads() == 1 or cores() == 1
