"""Short types in the largest sizes, on a CPU: what stays, and how far numbers move."""

import numpy as np
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.layers import precision
from dglgan_tf.networks import base, biggan, stylegan2
from dglgan_tf.ops import modulate

# Largest difference from float32, relative to the largest value: bfloat16 has 8 bits
# of mantissa, 2^-9 = 0.002 a rounding; float16 has 11.
TOLERANCE = {"bfloat16": 0.03, "float16": 0.01}
COSINE = 0.96  # of gradients and gradients of gradients


def pair(family, dtype):
    reduced = {"reduced_dtype": dtype, "reduced_resolutions": 2}
    if family == "stylegan2":
        sizes = {"resolution": 16, "channel_max": 8, **reduced}
        return (
            stylegan2.StyleGAN2Generator(
                **sizes, z_dim=8, w_dim=8, mapping_layers=2, architecture="resnet"
            ),
            stylegan2.StyleGAN2Discriminator(**sizes, mbstd_group_size=2),
        )
    sizes = {"resolution": 32, "num_classes": 3, "ch": 2, **reduced}
    return (
        biggan.BigGANGenerator(**sizes, z_dim=8, shared_dim=4, attention=(16,)),
        biggan.BigGANDiscriminator(**sizes),
    )


def results(networks, like):
    """Images, logits, the gradient with respect to images and that of its length."""
    for network, other in zip(networks, like, strict=True):
        values = base.named_variables(other)
        for name, variable in base.named_variables(network).items():
            variable.assign(values[name])
    generator, discriminator = networks
    z = tf.random.stateless_normal([4, generator.z_dim], [1, 2])
    labels = tf.constant([0, 1, 2, 0]) if generator.num_classes else None
    with tf.GradientTape() as outer:
        images = generator(z, labels)
        with tf.GradientTape() as inner:
            inner.watch(images)
            logits = discriminator(images, labels)
        slope = inner.gradient(logits, images)
        length = tf.reduce_sum(tf.square(slope))
    weights = discriminator.trainable_variables
    found = outer.gradient(length, weights, unconnected_gradients="zero")
    flat = tf.concat([tf.reshape(g, [-1]) for g in found], axis=0)
    return {"images": images, "logits": logits, "slope": slope, "weights": flat}


@pytest.mark.slow
@pytest.mark.parametrize("family", ["stylegan2", "biggan"])
def test_short_types_are_close_to_float32(family):
    whole = pair(family, "float32")
    expected = results(whole, whole)
    for dtype in ("bfloat16", "float16"):
        short = pair(family, dtype)
        found = results(short, whole)
        assert all(v.dtype == tf.float32 for n in short for v in n.variables)
        for name, value in found.items():
            assert value.dtype == tf.float32
            size = np.abs(expected[name]).max()
            if name == "logits":  # sums of terms of size 1, which may cancel
                size = max(size, 1.0)
            worst = np.abs(value - expected[name]).max() / size
            assert 0 < worst, f"{name} is computed in float32"
            if name in ("images", "logits"):
                assert worst <= TOLERANCE[dtype], (dtype, name, worst)
            else:  # a sign of a leaky ReLU that flips moves single values far
                assert cosine(value, expected[name]) >= COSINE, (dtype, name)


def cosine(a, b):
    a, b = np.asarray(a).ravel(), np.asarray(b).ravel()
    return a @ b / np.sqrt((a @ a) * (b @ b))


def test_which_sizes_are_reduced():
    found = precision.dtypes([4, 8, 16], "bfloat16", 2)
    assert found == {4: "float32", 8: "bfloat16", 16: "bfloat16"}
    assert set(precision.dtypes([4, 8], "float32", 2).values()) == {"float32"}
    assert precision.clamp_at("float16", None) == 256.0
    assert precision.clamp_at("float16", 1.0) == 1.0
    assert precision.clamp_at("float32", None) is None
    for arguments in (("float8", 1), ("bfloat16", -1), ("bfloat16", 1.5)):
        with pytest.raises(ValueError, match="reduced_"):
            precision.check(*arguments)


def test_bounded_factors_cancel_in_demodulation():
    random = np.random.RandomState(0)
    kernel = tf.constant(1e4 * random.randn(3, 3, 5, 4), tf.float32)
    styles = tf.constant(1e3 * random.randn(2, 5), tf.float32)
    small, factors = modulate.bounded(kernel, styles)
    assert np.abs(small).max() <= 1 and np.abs(factors).max() <= 1
    modulated = [
        k[None]
        * s[:, None, None, :, None]
        * modulate.demodulation(k, s)[:, None, None, None]
        for k, s in ((kernel, styles), (small, factors))
    ]
    np.testing.assert_allclose(modulated[0], modulated[1], rtol=1e-5)
