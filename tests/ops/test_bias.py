"""The bias against TensorFlow's own, with gradients of both orders."""

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.ops import bias


def _values(function):
    random = np.random.RandomState(0)
    x = tf.constant(random.randn(2, 3, 4, 5), tf.float32)
    variable = tf.Variable(random.randn(5).astype(np.float32))
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            total = tf.reduce_sum(function(x, variable) ** 3)
        first = inner.gradient(total, [x, variable])
        square = tf.reduce_sum(first[0] ** 2) + tf.reduce_sum(first[1] ** 2)
    return [function(x, variable), *first, *outer.gradient(square, [x, variable])]


def test_value_and_gradients_are_those_of_bias_add():
    pairs = zip(_values(bias.add), _values(tf.nn.bias_add), strict=True)
    for left, right in pairs:
        np.testing.assert_allclose(left, right, rtol=2e-5)
