"""Multiply-accumulates of a traced function against hand counts."""

import pytest

from benchmarks import graph_macs
from dglgan_tf.compat import tf

FORWARD = 2 * 4 * 4 * 9 * 3 * 5  # batch, output sides, taps, inputs, outputs


def _count(wanted, stride=1, side=4):
    x = tf.zeros([2, side, side, 3])
    kernel = tf.zeros([3, 3, 3, 5])

    @tf.function(autograph=False)
    def gradients(x, kernel):
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            y = tf.nn.conv2d(x, kernel, stride, "SAME")
            total = tf.reduce_sum(y**2)
        found = tape.gradient(total, [x, kernel])
        return [found[i] for i in wanted]

    return graph_macs.count(gradients.get_concrete_function(x, kernel))


@pytest.mark.parametrize(("wanted", "times"), [((), 0), ((0,), 2), ((0, 1), 3)])
def test_only_gradients_that_are_used_count(wanted, times):
    assert _count(wanted) == {"macs": times * FORWARD, "filter_macs": 0}


def test_strided_convolutions_count_at_their_output():
    assert _count((0, 1), stride=2, side=8)["macs"] == 3 * FORWARD


def test_filters_count_apart_and_matrix_products_by_their_inner_side():
    @tf.function(autograph=False)
    def run(x, a, b):
        y = tf.nn.depthwise_conv2d(x, tf.ones([4, 4, 3, 1]), [1, 1, 1, 1], "VALID")
        return tf.reduce_sum(y), tf.matmul(a, b, transpose_a=True)

    shapes = [2, 7, 7, 3], [11, 2], [11, 5]
    found = graph_macs.count(run.get_concrete_function(*map(tf.zeros, shapes)))
    assert found == {"macs": 2 * 5 * 11, "filter_macs": 2 * 4 * 4 * 3 * 16}
