"""Lanes that exchange tensors: values, gradients to the second order, and errors."""

import threading

import numpy as np
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.devices import lane_exchange


def test_alone_there_is_one_value():
    assert lane_exchange.size() == 1
    np.testing.assert_array_equal(
        lane_exchange.all_gather(tf.constant([1.0, 2.0])), [[1, 2]]
    )
    found = lane_exchange.trace_lanes(lambda x: (lane_exchange.size(), x + 1))(
        tf.constant(1.0)
    )
    assert [(size, float(y)) for size, y in found] == [(1, 2.0)]


def moments(x):
    """Returns the mean and the variance over all lanes of x, and the mean cube."""
    everyone = lane_exchange.all_gather(
        tf.stack([tf.reduce_mean(x), tf.reduce_mean(x**2)])
    )
    mean, square = tf.unstack(tf.reduce_mean(everyone, axis=0))
    cube = tf.reduce_mean(lane_exchange.all_gather(tf.reduce_mean(x**3) * mean))
    return mean, square - mean**2, cube


def loss(x, shift):
    """Nonlinear in the moments, and different in each lane."""
    mean, variance, cube = moments(x)
    return shift * tf.reduce_sum((x - mean) ** 3) / tf.sqrt(variance) + cube * shift


def derivatives(x, shift):
    """The gradient, and that of the gradient's squared length."""
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            value = loss(x, shift)
        gradient = inner.gradient(value, x)
        penalty = tf.reduce_sum(gradient**2)
    return gradient, outer.gradient(penalty, x)


def test_gradients_are_those_of_the_sum_of_all_losses():
    parts = [tf.constant(p, tf.float64) for p in ([1, 2, 4], [3, -1, 0.5], [2, 2, 7])]
    shifts = [tf.constant(s, tf.float64) for s in (1.0, -2.0, 0.5)]

    @tf.function(autograph=False)
    def apart(*parts):
        pairs = list(zip(parts, shifts, strict=True))
        return lane_exchange.trace_lanes(lambda pair: derivatives(*pair))(*pairs)

    def total(*parts):
        whole = tf.stack(parts)
        mean, square = tf.reduce_mean(whole), tf.reduce_mean(whole**2)
        cube = tf.reduce_mean(tf.reduce_mean(whole**3, 1) * mean)
        root = tf.sqrt(square - mean**2)
        return tf.add_n(
            [
                s * tf.reduce_sum((p - mean) ** 3) / root + cube * s
                for p, s in zip(parts, shifts, strict=True)
            ]
        )

    with tf.GradientTape() as outer:
        outer.watch(parts)
        with tf.GradientTape() as inner:
            inner.watch(parts)
            value = total(*parts)
        first = inner.gradient(value, parts)
        penalty = tf.add_n([tf.reduce_sum(g**2) for g in first])
    second = outer.gradient(penalty, parts)
    for (one, two), *expected in zip(apart(*parts), first, second, strict=True):
        np.testing.assert_allclose(one, expected[0], rtol=1e-12)
        np.testing.assert_allclose(two, expected[1], rtol=1e-12)


def test_the_graph_does_not_depend_on_timing():
    def slow(x):
        threading.Event().wait(0.01 * np.random.default_rng().random())
        return lane_exchange.all_gather(x * 2.0) + lane_exchange.all_gather(x + 1.0)

    def names():
        traced = tf.function(
            lambda *x: lane_exchange.trace_lanes(slow)(*x), autograph=False
        )
        graph = traced.get_concrete_function(*[tf.constant(1.0)] * 3).graph
        return [op.name for op in graph.get_operations()]

    assert names() == names()


@pytest.mark.parametrize("odd", range(3))
@pytest.mark.parametrize("times", [0, 2])
def test_a_lane_that_meets_less_or_more_often_is_an_error(odd, times):
    def cell(x):
        for _ in range(times if int(x) == odd else 1):
            lane_exchange.all_gather(x)

    with pytest.raises(RuntimeError, match="lane"):
        lane_exchange.trace_lanes(cell)(*(tf.constant(float(i)) for i in range(3)))


@pytest.mark.parametrize("bad", range(3))
def test_an_error_of_one_lane_arrives(bad):
    def cell(x):
        lane_exchange.all_gather(x)
        if int(x) == bad:
            raise ValueError(f"lane {bad} is out of order")
        return lane_exchange.all_gather(x)

    threads = threading.active_count()
    with pytest.raises(ValueError, match=f"lane {bad} is out"):
        lane_exchange.trace_lanes(cell)(*(tf.constant(float(i)) for i in range(3)))
    assert threading.active_count() == threads
