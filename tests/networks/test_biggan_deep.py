"""BigGAN-deep: an independent NumPy reference, reference outputs, state and errors."""

import numpy as np
import pytest
from reference import biggan as numpy_biggan
from reference import biggan_deep as numpy_deep

from dglgan_tf.compat import tf
from dglgan_tf.containers import reader
from dglgan_tf.converters.biggan import deep_hf
from dglgan_tf.layers import spectral_norm, updates
from dglgan_tf.networks import base, biggan_deep, biggan_deep_config

FOLDER = "biggan_deep_hf_r32"
# Not doubled everywhere, widths that are no powers of two.
PLAN = [[False, 12, 12], [True, 12, 8], [True, 8, 8], [True, 8, 4]]
D_PLAN = [[True, 4, 8], [False, 8, 8], [True, 8, 12]]


def _tiny(**changes):
    shared = {"resolution": 32, "num_channels": 1, "num_classes": 3, "ch": 2}
    generator = {"z_dim": 6, "shared_dim": 5, "plan": PLAN, "attention": [8]}
    discriminator = {"plan": D_PLAN, "attention": [16]}
    return (
        biggan_deep.BigGANDeepGenerator(**shared | generator | changes),
        biggan_deep.BigGANDeepDiscriminator(**shared | discriminator),
    )


def _scatter(network):
    rng = np.random.default_rng(0)
    for name, variable in base.named_variables(network).items():
        if name.endswith(("bias", "gain", "gamma", "mean", "variance")):
            noise = rng.uniform(0.2, 1.0, variable.shape)
            variable.assign(noise.astype(np.float32))


def _parameters(network):
    arrays = {n: v.numpy() for n, v in base.named_variables(network).items()}
    bn = getattr(network, "bn_eps", None), getattr(network, "output_bn_eps", None)
    return numpy_biggan.Parameters(arrays, *bn, network.sn_eps)


@pytest.mark.parametrize("training", [False, True])
def test_generator_against_numpy(training):
    generator, _ = _tiny()
    _scatter(generator)
    rng = np.random.default_rng(1)
    z, labels = rng.normal(size=[3, 6]).astype(np.float32), np.array([2, 0, 1])
    p = _parameters(generator)
    expected = numpy_deep.generator(p, z, np.eye(3)[labels], PLAN, training)
    with updates.collect() as moved:
        images = generator(z, labels, training=training)
    np.testing.assert_allclose(images, expected.transpose(0, 2, 3, 1), atol=3e-5)
    names = {id(v): n for n, v in base.named_variables(generator).items()}
    found = {names[id(update.variable)]: update.value for update in moved}
    assert set(found) == (set(p.moved) if training else set())
    for name, value in found.items():
        np.testing.assert_allclose(value, p.moved[name], rtol=1e-4, atol=1e-5)


def test_discriminator_against_numpy():
    _, discriminator = _tiny()
    _scatter(discriminator)
    rng = np.random.default_rng(1)
    images = rng.uniform(-1, 1, [3, 32, 32, 1]).astype(np.float32)
    labels = np.array([2, 0, 1])
    expected = numpy_deep.discriminator(
        _parameters(discriminator),
        images.transpose(0, 3, 1, 2),
        np.eye(3)[labels],
        D_PLAN,
    )
    scale = np.abs(expected).max()
    logits = discriminator(images, labels)
    np.testing.assert_allclose(logits / scale, expected / scale, atol=2e-5)


@pytest.mark.slow
def test_standard_plans():
    plan = biggan_deep_config.generator_plan(128, 10, 2)
    assert plan[:4] == [
        [False, 160, 160],
        [True, 160, 160],
        [False, 160, 160],
        [True, 160, 80],
    ]
    assert plan[-1] == [True, 20, 10] and len(plan) == 10
    plan = biggan_deep_config.discriminator_plan(128, 10, 2)
    assert plan[:3] == [[True, 10, 20], [False, 20, 20], [True, 20, 40]]
    assert plan[-1] == [False, 160, 160] and len(plan) == 10
    call = tf.autograph.experimental.do_not_convert
    label = np.array([1])
    with tf.Graph().as_default():
        for resolution in (32, 128):
            arguments = {"resolution": resolution, "ch": 4, "depth": 1}
            generator = biggan_deep.BigGANDeepGenerator(**arguments)
            images = call(generator)(tf.zeros([1, 128]), label)
            assert images.shape == [1, resolution, resolution, 3]
            discriminator = biggan_deep.BigGANDeepDiscriminator(**arguments)
            assert call(discriminator)(images, label).shape == [1]


@pytest.mark.slow
def test_published_sizes():
    """50.4 M and 34.6 M at ch 128, 128 px (the output convolution makes ch images)."""
    with tf.Graph().as_default():
        generator = biggan_deep.BigGANDeepGenerator(
            128, attention=[64], output_channels=128
        )
        discriminator = biggan_deep.BigGANDeepDiscriminator(128, attention=[64])
        counts = [base.count_parameters(n) for n in (generator, discriminator)]
    assert [round(count / 1e6, 1) for count in counts] == [50.4, 34.6]


@pytest.fixture(scope="module")
def published(reference):
    """The generator and arrays of the reference folder."""
    folder = reference / FOLDER
    loaded = deep_hf.load(reader.read(folder))
    return loaded.generator, dict(np.load(folder / "expected.npz"))


def _close(ours, expected, tolerance=2e-5):
    expected = np.asarray(expected, np.float64)
    assert tuple(ours.shape) == expected.shape
    error = np.abs(np.asarray(ours, np.float64) - expected).max()
    assert error / np.abs(expected).max() < tolerance, error


@pytest.mark.parametrize(
    "name, truncation", [("t04", 0.4), ("t1", 1.0), ("t0435_interp", 0.435)]
)
@pytest.mark.parametrize("as_tensor", [False, True])
def test_reference_images(published, name, truncation, as_tensor):
    generator, arrays = published
    truncation = tf.constant(truncation) if as_tensor else truncation
    expected = arrays[f"f64_img_{name}"].transpose(0, 2, 3, 1)
    _close(generator(arrays["in_z"], arrays["in_y"], truncation=truncation), expected)
    onehot = arrays["in_y_onehot"].astype(np.float32)
    _close(generator(arrays["in_z"], onehot, truncation=truncation), expected)


def test_reference_features(published):
    generator, arrays = published
    z, labels = arrays["in_z"][:1], arrays["in_y"][:1]
    condition = generator.condition(z, labels)
    theirs = arrays["out_cond_vector"][:1]
    _close(condition, np.concatenate([theirs[:, 16:], theirs[:, :16]], axis=1))
    x = tf.reshape(generator.linear(condition), [1, 4, 4, -1])
    layer = 0
    for block in generator.blocks:
        attention, block.attention = block.attention, None
        x = block(x, condition, truncation=0.4)
        block.attention = attention
        for result in [lambda x: x] + ([attention] if attention is not None else []):
            x = result(x)
            expected = arrays[f"out_gfeat_layer{layer}"].transpose(0, 2, 3, 1)
            _close(x[..., : expected.shape[-1]], expected)
            layer += 1


def test_reference_sigmas(published):
    generator, arrays = published
    entries = deep_hf.generator_entries(generator.get_config(), 4)
    variables = base.named_variables(generator)
    layers = {id(layer.u): layer for layer in spectral_norm.spectral_layers(generator)}
    sigmas = {
        entry.source[: -len(".weight_u")]: layers[id(variables[entry.target])].sigma()
        for entry in entries
        if entry.source.endswith(".weight_u")
    }
    ours = [float(sigmas[str(name)]) for name in arrays["in_sn_names"]]
    np.testing.assert_allclose(ours, arrays["f64_sn_sigma"], rtol=1e-5)


@pytest.mark.slow
def test_reference_image_under_jit(published):
    generator, arrays = published
    compiled = tf.function(generator, jit_compile=True, autograph=False)
    images = compiled(arrays["in_z"], tf.constant(arrays["in_y"]), truncation=0.4)
    _close(images, arrays["f64_img_t04"].transpose(0, 2, 3, 1), 5e-4)


def test_stored_moments_are_for_inference():
    generator, _ = _tiny(n_stats=3, stored_vectors=True)
    with pytest.raises(ValueError, match="n_stats=0"):
        generator(tf.zeros([1, 6]), tf.zeros([1], tf.int32), training=True)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"resolution": 48, "plan": None}, "resolution=48"),
        ({"resolution": 64}, "not to resolution=64"),
        ({"channel_ratio": 100}, "channel_ratio=100"),
        ({"attention": [64]}, "no block puts out"),
    ],
)
def test_refused_arguments(arguments, message):
    with tf.Graph().as_default(), pytest.raises(ValueError, match=message):
        _tiny(**arguments)
