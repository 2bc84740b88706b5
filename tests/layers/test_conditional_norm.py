"""Moments by hand: running, unbiased or not, and by truncation."""

import numpy as np
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.layers import conditional_norm


@pytest.mark.parametrize("unbiased, running", [(True, 4 / 3), (False, 1.0)])
def test_running_moments(unbiased, running):
    """Values 1, 3, 1, 3: mean 2, variance 1, unbiased 4/3; a tenth of them moves in."""
    x = tf.constant([1.0, 3.0, 1.0, 3.0], shape=[2, 2, 1, 1])
    moments = conditional_norm.BatchStatistics(1, unbiased=unbiased)
    mean, variance = moments(x, training=True)
    np.testing.assert_allclose([mean[0], variance[0]], [2.0, 1.0])
    np.testing.assert_allclose(moments.mean, [0.2], rtol=1e-6)
    np.testing.assert_allclose(moments.variance, [0.9 + 0.1 * running], rtol=1e-6)
    stored = moments(x)
    np.testing.assert_allclose(stored[0], [0.2], rtol=1e-6)


def test_plain_norm_by_hand():
    x = tf.constant([1.0, 3.0, 1.0, 3.0], shape=[2, 2, 1, 1])
    norm = conditional_norm.BatchNorm(1, conditional_norm.BatchStatistics(1, eps=3.0))
    norm.gain.assign([4.0])
    norm.bias.assign([10.0])
    y = norm(x, training=True)  # 10 + 4 * (x - 2) / sqrt(1 + 3)
    np.testing.assert_allclose(np.ravel(y), [8.0, 12.0, 8.0, 12.0], rtol=1e-6)


def test_conditional_norm_by_hand():
    """gain = 1 + c, bias = -c for conditions c = 1 and 2."""
    moments = conditional_norm.BatchStatistics(1, eps=0.0)
    norm = conditional_norm.ConditionalBatchNorm(
        moments, lambda c, training: c, lambda c, training: -c
    )
    x = tf.constant([5.0, 5.0], shape=[2, 1, 1, 1])
    y = norm(x, tf.constant([[1.0], [2.0]]))
    np.testing.assert_allclose(np.ravel(y), [2 * 5 - 1, 3 * 5 - 2])


@pytest.mark.parametrize("as_tensor", [False, True])
@pytest.mark.parametrize(
    "truncation, mean",
    [(0.0, 0.0), (0.5, 50.0), (1.0, 100.0), (0.02, 2.0), (0.4, 40.0), (0.405, 41.5)],
)
def test_moments_by_truncation(truncation, mean, as_tensor):
    """Rows hold 0, 2, ..., 100; a quarter past row 20 gives 3/4 of row 21."""
    moments = conditional_norm.TruncationStatistics(1, 51)
    moments.means.assign(np.arange(0, 101, 2, dtype=np.float32)[:, None])
    given = tf.constant(truncation) if as_tensor else truncation
    found, _ = moments(None, truncation=given)
    np.testing.assert_allclose(found, [mean], rtol=1e-3)


def plain_moments(x):
    """By definition; `tf.nn.moments` leaves the mean out of its second gradient."""
    mean = tf.reduce_mean(x, [0, 1, 2])
    return mean, tf.reduce_mean((x - mean) ** 2, [0, 1, 2])


def test_gradients_of_moments_to_the_second_order():
    """In 64 bits and in a graph, against the definition: 1e-12."""
    rng = np.random.default_rng(0)
    x = tf.constant(3 + rng.standard_normal([3, 4, 5, 2]))
    shift, weight = (tf.constant(rng.standard_normal(2)) for _ in range(2))

    @tf.function(autograph=False)
    def derivatives(x, moments):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                mean, variance = moments(x)
                y = (x - shift * mean) ** 3 * tf.math.rsqrt(variance)
                value = tf.reduce_sum(y * weight)
            gradient = inner.gradient(value, x)
            penalty = tf.reduce_sum(gradient**2)
        return value, gradient, outer.gradient(penalty, x)

    found = derivatives(x, lambda x: conditional_norm._moments(x))
    expected = derivatives(x, plain_moments)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)
