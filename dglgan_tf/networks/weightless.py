"""Networks without weights: built in no memory, traced like any other.

Not in a `tf.Graph`: a Keras 2 layer made there turns its class into the TensorFlow 1
kind for the whole process, and every network made before breaks.
"""

import contextlib

from tensorflow.python.ops import resource_variable_ops

from dglgan_tf.compat import tf
from dglgan_tf.foundation import scope

_ACTIVE = scope.Scope("networks.weightless", default=False)


@contextlib.contextmanager
def weightless():
    """Inside the block variables get a shape and a type, but no memory and no value.

    A network built there can be counted and traced, not run.
    """

    def create(next_creator, **options):
        del next_creator
        value, shape = options["initial_value"], options.get("shape")
        if shape is None:
            value = tf.convert_to_tensor(value() if callable(value) else value)
            shape, options["dtype"] = value.shape, value.dtype
        return resource_variable_ops.UninitializedVariable(
            trainable=options.get("trainable"),
            name=options.get("name"),
            dtype=options.get("dtype") or tf.float32,
            synchronization=options.get("synchronization"),
            aggregation=options.get("aggregation"),
            shape=shape,
        )

    with _ACTIVE.set_to(True), tf.variable_creator_scope(create):
        yield


def is_active() -> bool:
    """Whether variables that are made now have no value."""
    return _ACTIVE.get()
