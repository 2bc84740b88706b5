"""What a forward and a backward call hold at once, from a graph that never runs."""

from dglgan_tf.compat import tf
from dglgan_tf.cost import macs
from dglgan_tf.networks import base, weightless

_IMAGES = 4  # of the traced call: a whole group of minibatch standard deviation


def kept_bytes(network: base.Network) -> int:
    """Returns the bytes that each image takes, without gradients of the weights.

    Tensors live from the operation that makes them to the last one that reads them, in
    the order of the graph, so what no gradient needs does not count.

    Args:
      network: only its class and configuration are used, see `macs.count`.
    """
    with weightless.weightless():
        copy = type(network).from_config(network.get_config())

        def call(first, labels=None):
            with tf.GradientTape() as tape:
                tape.watch(first)
                loss = tf.reduce_sum(tf.square(copy(first, labels, training=False)))
            found = tape.gradient(loss, [first, *copy.trainable_variables])
            # All are read at the end, as an optimizer does.
            return tf.add_n([tf.reduce_sum(g) for g in found if g is not None])

        specs = macs.specs_of(copy, _IMAGES)
        function = tf.function(call, autograph=False).get_concrete_function(*specs)
    inputs, output = function.inputs[: len(specs)], function.outputs[0]
    _, peak = macs.activations(function.graph.get_operations(), inputs, output)
    gradients = 4 * sum(v.shape.num_elements() for v in copy.trainable_variables)
    return max(peak - gradients, 0) // _IMAGES
