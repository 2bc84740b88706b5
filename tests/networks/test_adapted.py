"""Keras models of one's own behind the contract of generators and discriminators."""

import numpy as np
import pytest

from dglgan_tf import api
from dglgan_tf.compat import keras, tf
from dglgan_tf.networks import adapted, base


def _generator(classes=0):
    z = keras.Input([6])
    inputs, x = z, z
    if classes:
        labels = keras.Input([classes])
        inputs, x = [z, labels], keras.layers.Concatenate()([z, labels])
    x = keras.layers.Dense(16 * 2)(x)
    x = keras.layers.ReLU()(keras.layers.Reshape([4, 4, 2])(x))
    x = keras.layers.UpSampling2D()(x)
    return keras.Model(inputs, keras.layers.Conv2D(1, 3, padding="same")(x))


def _discriminator():
    return keras.Sequential(
        [keras.Input([8, 8, 1]), keras.layers.Flatten(), keras.layers.Dense(1)]
    )


def test_models_of_one_s_own_keep_the_contract():
    model = _generator(3)
    network = api.adapt(model)
    assert isinstance(network, adapted.AdaptedGenerator)
    assert (network.z_dim, network.resolution) == (6, 8)
    assert (network.num_classes, network.num_channels) == (3, 1)
    z = np.random.RandomState(0).randn(4, 6).astype(np.float32)
    expected = model([z, tf.one_hot([0, 2, 1, 0], 3)])
    np.testing.assert_array_equal(network(z, [0, 2, 1, 0]), expected)
    assert (
        sum(np.prod(v.shape) for v in base.named_variables(network).values())
        == model.count_params()
    )
    other = api.copy(network)
    np.testing.assert_array_equal(other(z, [0, 2, 1, 0]), expected)
    other.model.layers[-1].bias.assign([1.0])
    assert network.model.layers[-1].bias.numpy() == [0.0]
    judge = api.adapt(_discriminator())
    assert judge(np.zeros([5, 8, 8, 1], np.float32)).shape == (5,)
    with pytest.raises(ValueError, match="give .N. classes"):
        network(z)


@pytest.mark.parametrize(
    "make,message",
    [
        (lambda: keras.Sequential([keras.Input([6]), keras.layers.Dense(2)]), "R, R"),
        (
            lambda: keras.Sequential([keras.Input([8, 8]), keras.layers.Flatten()]),
            "R, R",
        ),
        (
            lambda: keras.Sequential([keras.Input([8, 8, 1]), keras.layers.Flatten()]),
            "one logit",
        ),
        (
            lambda: keras.Sequential(
                [keras.Input([8, 4, 1]), keras.layers.Flatten(), keras.layers.Dense(1)]
            ),
            "8x4: they must be square",
        ),
    ],
)
def test_models_of_other_shapes_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        api.adapt(make())
