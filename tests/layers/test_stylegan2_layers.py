"""Equalized layers, noise, minibatch statistics: closed forms."""

import math

import numpy as np
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.layers import equalized, minibatch_std, noise
from dglgan_tf.ops import ledger, modulate


def test_dense_scales_by_fan_in_multiplier_and_gain():
    layer = equalized.EqualizedDense(4, 3, "lrelu", lr_multiplier=0.01, bias_init=0.5)
    layer.kernel.assign(tf.fill([4, 3], 100.0))
    assert layer.bias.numpy()[0] == pytest.approx(50.0)
    found = layer(tf.constant([[1.0, 2.0, 3.0, 4.0], [-1.0, -2.0, -3.0, -4.0]]))
    # 10 * 100 * 0.01 / sqrt(4) + 0.5 = 5.5, and -4.5 after the leaky slope.
    expected = [5.5 * math.sqrt(2), -4.5 * 0.2 * math.sqrt(2)]
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-6)


def test_initial_weights_have_the_stated_spread():
    layer = equalized.EqualizedDense(300, 300, lr_multiplier=0.01)
    assert np.std(layer.kernel.numpy()) == pytest.approx(100, rel=0.02)
    conv = equalized.EqualizedConv(64, 64, 3)
    assert np.std(conv.kernel.numpy()) == pytest.approx(1, rel=0.02)


def test_conv_gain_scales_output_and_clamp():
    layer = equalized.EqualizedConv(1, 1, 1, "lrelu", gain=0.5, clamp=2.0)
    layer.kernel.assign(tf.ones([1, 1, 1, 1]))
    found = layer(tf.reshape(tf.constant([1.0, -1.0, 100.0, -100.0]), [1, 2, 2, 1]))
    root = math.sqrt(2)
    expected = [0.5 * root, -0.1 * root, 1.0, -1.0]
    np.testing.assert_allclose(np.ravel(found), expected, rtol=1e-6)


def test_minibatch_std_groups_are_strided():
    layer = minibatch_std.MinibatchStd(2, 1)
    x = np.zeros([4, 1, 1, 2], np.float32)
    x[:, 0, 0, 0] = [0, 10, 2, 30]  # groups {0, 2} and {1, 3}: deviations 1 and 10
    found = layer(tf.constant(x)).numpy()[:, 0, 0, 2]
    np.testing.assert_allclose(found, [0.5, 5, 0.5, 5], atol=1e-4)


def test_minibatch_std_splits_channels_and_takes_the_whole_batch():
    layer = minibatch_std.MinibatchStd(None, 2)
    x = np.zeros([3, 2, 2, 4], np.float32)
    x[1, :, :, 2:] = 3
    found = layer(tf.constant(x)).numpy()[..., 4:]
    np.testing.assert_allclose(found[..., 0], 1e-4, atol=1e-6)
    np.testing.assert_allclose(found[..., 1], math.sqrt(2), rtol=1e-5)


def test_minibatch_std_with_unknown_batch_equals_known():
    layer = minibatch_std.MinibatchStd(4, 1)
    x = np.random.RandomState(0).randn(8, 4, 4, 3).astype(np.float32)
    run = tf.function(layer, input_signature=[tf.TensorSpec([None, 4, 4, 3])])
    np.testing.assert_allclose(run(x), layer(x), atol=1e-6)
    np.testing.assert_allclose(run(x[:3]), layer(x[:3]), atol=1e-6)


def test_minibatch_std_refuses_a_batch_that_does_not_divide():
    with pytest.raises(ValueError, match="batch of 6"):
        minibatch_std.MinibatchStd(4, 1)(tf.zeros([6, 4, 4, 2]))


def test_noise_modes():
    layer = noise.Noise(4)
    layer.strength.assign(2.0)
    x = tf.zeros([3, 4, 4, 5])
    constant = layer(x, mode="const")
    assert constant.shape == (1, 4, 4, 1)
    np.testing.assert_allclose(constant[0, :, :, 0], 2 * layer.constant.numpy())
    seed = tf.constant([1, 2])
    random = layer(x, mode="random", seed=seed)
    assert random.shape == (3, 4, 4, 1)
    np.testing.assert_array_equal(random, layer(x, mode="random", seed=seed))
    assert np.std(random.numpy()) > 1
    assert layer(x, mode="none") is None
    with pytest.raises(ValueError, match="seed"):
        noise.check_mode("random", None)
    with pytest.raises(ValueError, match="noise='loud'"):
        noise.check_mode("loud", None)


def test_demodulated_filters_have_unit_length():
    random = np.random.RandomState(1)
    kernel = random.randn(3, 3, 4, 6).astype(np.float32)
    styles = random.randn(2, 4).astype(np.float32)
    factors = modulate.demodulation(kernel, styles).numpy()
    scaled = kernel[None] * styles[:, None, None, :, None]
    scaled = scaled * factors[:, None, None, None, :]
    lengths = (scaled**2).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(lengths, 1, rtol=1e-5)


def test_ledger_counts_up_convolutions_at_both_resolutions():
    fir = np.ones([4, 4], np.float32) / 16
    with tf.Graph().as_default(), ledger.open_ledger() as entries:
        up = equalized.EqualizedConv(3, 5, 3, resample_by="up", fir=fir)
        down = equalized.EqualizedConv(5, 2, 3, resample_by="down", fir=fir)
        down(up(tf.zeros([2, 8, 8, 3])))
    rows = {entry.kind: entry for entry in entries if entry.kind != "filter"}
    assert rows["up_conv"].macs == 2 * 64 * 9 * 15
    assert rows["up_conv"].macs_output == 2 * 256 * 9 * 15
    assert rows["up_conv"].output_shape == (2, 16, 16, 5)
    assert rows["down_conv"].macs == 2 * 64 * 9 * 10
    filters = [entry.macs for entry in entries if entry.kind == "filter"]
    assert filters == [2 * 256 * 5 * 16] * 2
