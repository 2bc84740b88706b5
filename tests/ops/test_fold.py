"""The foldings equal the two operations that they replace, gradients included."""

import numpy as np
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.ops import fold


def _up_plain(x, kernel):
    return tf.nn.conv2d(tf.repeat(tf.repeat(x, 2, 1), 2, 2), kernel, 1, "SAME")


def _down_plain(x, kernel):
    return tf.nn.avg_pool2d(tf.nn.conv2d(x, kernel, 1, "SAME"), 2, 2, "VALID")


CASES = {
    "up": (lambda x, k: fold.upsample_convolve(x, k)[0], _up_plain),
    "down": (lambda x, k: fold.convolve_downsample(x, k)[0], _down_plain),
}


def _with_gradients(function, x, kernel):
    """Value, first and second gradients of a function that is not linear."""
    with tf.GradientTape() as outer:
        outer.watch([x, kernel])
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = function(x, kernel)
            score = tf.reduce_sum(tf.sin(y))
        gradient = inner.gradient(score, x)
        penalty = tf.reduce_sum(gradient**2) + score
    return [y, gradient, *outer.gradient(penalty, [x, kernel])]


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_folding_equals_the_pair(name, jit, size):
    rng = np.random.default_rng(size)
    x = tf.constant(rng.normal(size=(2, 6, 8, 3)), tf.float32)
    kernel = tf.constant(rng.normal(size=(size, size, 3, 5)) / 5, tf.float32)
    folded, plain = CASES[name]

    @tf.function(jit_compile=jit, autograph=False)
    def both(x, kernel):
        return _with_gradients(folded, x, kernel), _with_gradients(plain, x, kernel)

    for ours, theirs in zip(*both(x, kernel), strict=True):
        scale = np.abs(theirs).max()
        np.testing.assert_allclose(ours / scale, theirs / scale, atol=5e-6)


def test_upsampled_convolution_by_hand():
    x = np.array([1.0, 10.0], np.float32).reshape(1, 1, 2, 1)
    kernel = np.zeros((3, 3, 1, 1), np.float32)
    kernel[1, :, 0, 0] = [100.0, 1.0, 0.01]
    y, _ = fold.upsample_convolve(tf.constant(x), tf.constant(kernel))
    expected = [1.01, 101.1, 110.1, 1010.0]  # of the row 1, 1, 10, 10
    np.testing.assert_allclose(y[0, 0, :, 0], expected, rtol=1e-6)


def test_counts():
    x, kernel = tf.zeros([2, 8, 8, 3]), tf.zeros([3, 3, 3, 5])
    up = fold.upsample_convolve(x, kernel)[1]
    assert (up.nominal, up.executed) == (2 * 256 * 135, 2 * 64 * 16 * 15)
    down = fold.convolve_downsample(x, kernel)[1]
    assert (down.nominal, down.executed) == (2 * 64 * 135, 2 * 16 * 16 * 15)
    short = fold.convolve_downsample(x, kernel[:1, :1])[1]
    assert (short.nominal, short.executed) == (2 * 64 * 15, 2 * 16 * 15)


@pytest.mark.parametrize("name", CASES)
def test_unknown_batch_size(name):
    folded, plain = CASES[name]
    kernel = tf.random.normal([3, 3, 3, 4])
    signature = [tf.TensorSpec([None, 4, 4, 3])]
    compiled = tf.function(lambda x: folded(x, kernel), signature, autograph=False)
    for n in (1, 3):
        x = tf.random.normal([n, 4, 4, 3])
        np.testing.assert_allclose(compiled(x), plain(x, kernel), atol=1e-5)
