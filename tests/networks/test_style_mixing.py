"""Mixing two styles: how often, from which layer on, and which latents."""

import numpy as np
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.networks import style_mixing

WS = 6


@pytest.mark.parametrize("probability", [0.9, 0.5, 1.0])
def test_first_mixed_layer(probability):
    """Each of 1, ..., 5 with probability p / 5; 6, no mixing, with 1 - p."""
    draws = 2000
    seeds = tf.stack([tf.range(draws), tf.range(draws) + 7], axis=1)

    @tf.function(autograph=False)
    def drawn(seeds):
        return tf.map_fn(
            lambda seed: style_mixing.first_mixed_layer(seed, probability, WS), seeds
        )

    layers = drawn(seeds).numpy()
    found = np.bincount(layers, minlength=WS + 1)[1:] / draws
    expected = [probability / 5] * 5 + [1 - probability]
    assert layers.min() >= 1 and layers.max() <= WS
    np.testing.assert_allclose(found, expected, atol=4 * np.sqrt(0.25 / draws))


def test_layers_take_the_first_style_then_the_second():
    z = tf.constant(np.random.RandomState(0).randn(3, 4), tf.float32)
    seed = tf.constant([5, 6])
    w, ws = style_mixing.mix(lambda x, onehot: 2 * x, z, None, seed, 1.0, WS)
    layer = int(style_mixing.first_mixed_layer(seed, 1.0, WS))
    np.testing.assert_array_equal(w, 2 * z)
    for index in range(layer):
        np.testing.assert_array_equal(ws[:, index], w)
    for index in range(layer, WS):
        assert np.abs(ws[:, index] - w).min() > 1e-4
        np.testing.assert_array_equal(ws[:, index], ws[:, -1])


def test_labels_go_with_both_latents():
    seen = []

    def mapping(z, onehot):
        seen.append(onehot)
        return z

    z, onehot = tf.zeros([3, 4]), tf.one_hot([0, 2, 1], 3)
    style_mixing.mix(mapping, z, onehot, tf.constant([1, 2]), 0.5, WS)
    np.testing.assert_array_equal(seen[0], np.tile(onehot, [2, 1]))


def test_no_mixing():
    z = tf.ones([2, 4])
    w, ws = style_mixing.mix(lambda x, onehot: x, z, None, None, 0.0, WS)
    np.testing.assert_array_equal(ws, np.ones([2, WS, 4]))
    assert w is z
