"""Leaky ReLU by its result: values and gradients of two orders."""

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.ops import activation

POINTS = tf.constant([-2.0, -1e-3, -0.0, 0.0, 0.5, 3.0])


def derivatives(function):
    """Returns value, slope, and second and mixed derivatives of f(x)^3 w."""
    x, weight = tf.identity(POINTS), tf.range(1.0, 7.0)
    with tf.GradientTape() as outer:
        outer.watch([x, weight])
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = function(x)
            total = tf.reduce_sum(y**3 * weight)
        slope = inner.gradient(total, x)
        squares = tf.reduce_sum(slope**2)
    return [y, slope, *outer.gradient(squares, [x, weight])]


def test_it_equals_tensorflows_own_to_second_order():
    mine = tf.function(derivatives)(lambda x: activation.leaky_relu(x, 0.2))
    own = derivatives(lambda x: tf.nn.leaky_relu(x, 0.2))
    for found, expected in zip(mine, own, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_its_gradient_takes_the_result_and_not_the_input():
    @tf.function
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = activation.leaky_relu(x, 0.2)
        return tape.gradient(y, x)

    graph = gradient.get_concrete_function(POINTS).graph
    (operation,) = [o for o in graph.get_operations() if o.type == "LeakyReluGrad"]
    (forward,) = [o for o in graph.get_operations() if o.type == "LeakyRelu"]
    assert operation.inputs[1] is forward.outputs[0]
