"""Blocks that are computed twice: the same gradients, the same moved state."""

import numpy as np
import pytest

from dglgan_tf.compat import keras, tf
from dglgan_tf.layers import recompute, updates
from dglgan_tf.networks import biggan, stylegan2
from dglgan_tf.ops import ledger

STYLE = {"resolution": 8, "channel_base": 32, "channel_max": 8}
BIG = {"resolution": 32, "ch": 2, "num_classes": 3}
LABELS = tf.constant([0, 2, 1, 1])


def style_generator():
    network = stylegan2.StyleGAN2Generator(**STYLE, z_dim=8, w_dim=8, mapping_layers=1)
    for layer in network.submodules:
        if hasattr(layer, "strength"):
            layer.strength.assign(0.3)
    seed = tf.constant([3, 4])
    return network, 8, lambda z: network(z, training=True, seed=seed)


def style_discriminator():
    network = stylegan2.StyleGAN2Discriminator(**STYLE)
    return network, [8, 8, 3], lambda x: network(x, training=True)


def big_generator():
    network = biggan.BigGANGenerator(**BIG, z_dim=8, shared_dim=4)
    return network, 8, lambda z: network(z, LABELS, training=True)


def big_discriminator():
    network = biggan.BigGANDiscriminator(**BIG)

    def twice(x):  # the second call starts from the vectors that the first one moved
        return network(x, LABELS, training=True) + network(-x, LABELS, training=True)

    return network, [32, 32, 3], twice


def outcome(network, call, x, start, penalized):
    """Returns loss, moved state and gradients; of a gradient penalty if asked for."""
    network.recompute_from = start

    @tf.function
    def run(x):
        with updates.collect() as moved, tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                total = tf.reduce_sum(tf.sin(call(x)))
            if penalized:
                total = tf.reduce_sum(inner.gradient(total, x) ** 2)
        wanted = [x, network.trainable_variables]
        found = outer.gradient(
            total, wanted, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        return total, [update.value for update in moved], found

    return tf.nest.flatten(run(x)), run


@pytest.mark.slow
@pytest.mark.parametrize(
    "make, penalized",
    [
        (style_generator, False),
        (style_discriminator, True),
        pytest.param(big_generator, False, marks=pytest.mark.slow),
        pytest.param(big_discriminator, False, marks=pytest.mark.slow),
    ],
)
def test_gradients_and_moved_state_are_those_of_the_plain_network(make, penalized):
    keras.utils.set_random_seed(1)
    network, size, call = make()
    shape = [4, *([size] if isinstance(size, int) else size)]
    x = tf.random.stateless_normal(shape, [1, 2])
    plain, _ = outcome(network, call, x, None, penalized)
    twice, run = outcome(network, call, x, 8, penalized)
    assert len(plain) == len(twice) > 10
    for expected, found in zip(plain, twice, strict=True):
        scale = 1e-6 + float(np.abs(expected).max())
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-5 * scale)
    graph = run.get_concrete_function(x).graph
    barriers = [o for o in graph.get_operations() if o.type == "Equal"]
    assert len(barriers) >= (1 if make in (style_generator, style_discriminator) else 3)


def test_a_block_counts_its_work_once():
    conv = keras.layers.Dense(2)

    def block(x):
        y = conv(x)
        ledger.enter(conv, "dense", 6, y.shape)
        return y

    x = tf.ones([1, 3])
    with ledger.open_ledger() as entries:
        recompute.run(block, x)
    assert len(entries) == 1


@pytest.mark.parametrize("start", [2, 8.0, "all"])
def test_other_starts_are_refused(start):
    with pytest.raises(ValueError, match="recompute_from="):
        recompute.check(start)
