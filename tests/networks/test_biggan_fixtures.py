"""BigGAN against the outputs that the official code gave for the same weights."""

import collections
import functools

import numpy as np
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.containers import reader
from dglgan_tf.converters.biggan import layer_names, pytorch
from dglgan_tf.layers import spectral_norm, updates
from dglgan_tf.losses import adversarial, regularizers
from dglgan_tf.native import library
from dglgan_tf.networks import base

# With TensorFlow's convolutions, and with the native ones.
BOTH = pytest.mark.usefixtures("convolutions")
FOLDERS = (
    "biggan_r32_cifar",
    "biggan_r64_attn32_hier",
    "biggan_r32_mybn_hier_attn16_narrowD",
)
IMAGE = 2e-5  # relative to the largest absolute value, as the fixtures' README says
SCORE = 1e-4
GRADIENT = 1e-3
JIT = 5e-4


def _nhwc(array):
    return np.asarray(array.transpose(0, 2, 3, 1), np.float32)


def _close(ours, expected, tolerance):
    ours, expected = np.asarray(ours, np.float64), np.asarray(expected, np.float64)
    assert ours.shape == expected.shape
    error = np.abs(ours - expected).max() / np.abs(expected).max()
    assert error < tolerance, error


@functools.cache
def _load(folder):
    """Networks and arrays; `pick(name)` prefers the double-precision result."""
    loaded = pytorch.load(reader.read(folder))
    arrays = dict(np.load(folder / "expected.npz", allow_pickle=False))
    return loaded, arrays, lambda n: arrays.get(f"f64_{n}", arrays.get(f"out_{n}"))


@pytest.fixture(params=FOLDERS)
def case(request, reference):
    return _load(reference / request.param)


@pytest.fixture
def restored(case):
    """The case again, with every variable put back after the test."""
    loaded = case[0]
    networks = [loaded.generator, loaded.generator_raw, loaded.discriminator]
    kept = [(v, v.numpy()) for n in networks if n is not None for v in n.variables]
    yield case
    for variable, value in kept:
        variable.assign(value)


@BOTH
def test_images(case):
    loaded, arrays, pick = case
    for generator, name in (
        (loaded.generator, "img"),
        (loaded.generator_raw, "img_rawG"),
    ):
        if generator is None:
            continue
        compiled = tf.function(generator, autograph=False)
        images = compiled(tf.constant(arrays["in_z"]), tf.constant(arrays["in_y"]))
        expected = pick(name).transpose(0, 2, 3, 1)
        _close(images[: len(expected)], expected, IMAGE)


def test_generator_features(case):
    loaded, arrays, _ = case
    generator = loaded.generator
    z, labels = arrays["in_z"][:1], arrays["in_y"][:1]
    first, conditions = generator.conditions(tf.constant(z), tf.constant(labels))
    if "out_y_shared" in arrays:
        embedded = generator.embedding(generator.onehot(arrays["in_y"]))
        _close(embedded, arrays["out_y_shared"], 1e-6)
    x = tf.reshape(generator.linear(first), [1, 4, 4, -1])
    for i, block in enumerate(generator.blocks):
        x = block(x, conditions[i])
        expected = _nhwc(arrays[f"out_gfeat_block{i}"])
        _close(x[..., : expected.shape[-1]], expected, IMAGE)


@BOTH
def test_scores_and_losses(case):
    loaded, arrays, pick = case
    compiled = tf.function(loaded.discriminator, autograph=False)
    real = tf.constant(_nhwc(arrays["in_real"]))
    real_logits = compiled(real, tf.constant(arrays["in_real_y"]))
    _close(real_logits, pick("d_real")[:, 0], SCORE)
    fake = tf.constant(_nhwc(arrays["out_img"]))
    fake_logits = compiled(fake, tf.constant(arrays["in_y"]))
    _close(fake_logits, pick("d_fake")[:, 0], SCORE)
    count = min(len(real_logits), len(fake_logits))
    hinge = np.mean(adversarial.d_hinge(real_logits[:count], fake_logits[:count]))
    if len(real_logits) == len(fake_logits):
        _close(hinge, pick("hinge_D"), SCORE)
    _close(np.mean(adversarial.g_hinge(fake_logits)), pick("hinge_G"), SCORE)


def test_discriminator_features(case):
    loaded, arrays, pick = case
    discriminator = loaded.discriminator
    real = tf.constant(_nhwc(arrays["in_real"]))
    features = discriminator.features(real)
    _close(features, pick("d_pooled"), SCORE)
    linear = discriminator.linear(features)
    _close(linear, pick("d_real_unconditional"), SCORE)
    x = real[:1]
    for i, block in enumerate(discriminator.blocks):
        x = block(x)
        expected = _nhwc(arrays[f"out_dfeat_block{i}"])
        _close(x[..., : expected.shape[-1]], expected, SCORE)


def _penalties(loaded, arrays):
    """Gradient at real images, R1 and WGAN-GP, all in one graph."""
    labels = tf.constant(arrays["in_real_y"])
    real = tf.constant(_nhwc(arrays["in_real"]))
    fake = tf.constant(_nhwc(arrays["out_img"]))
    fake_labels = tf.constant(arrays["in_y"])
    alpha = tf.constant(arrays["in_gp_alpha"], tf.float32)

    def score(x):
        return loaded.discriminator(x, labels)

    def score_mixed(x):
        return loaded.discriminator(x, fake_labels)

    with tf.GradientTape() as tape:
        tape.watch(real)
        total = tf.reduce_sum(score(real))
    r1, _ = regularizers.r1(score, real)
    gp = regularizers.gradient_penalty(score_mixed, real[: fake.shape[0]], fake, alpha)
    return tape.gradient(total, real), r1, gp


@BOTH
def test_gradient_penalties(case):
    loaded, arrays, pick = case
    compiled = tf.function(lambda: _penalties(loaded, arrays), autograph=False)
    gradient, r1, gp = compiled()
    _close(gradient, pick("r1_grad").transpose(0, 2, 3, 1), GRADIENT)
    _close(r1, pick("r1_penalty"), SCORE)
    _close(gp, pick("wgan_gp_penalty"), SCORE)


@pytest.mark.slow
def test_under_jit(reference):
    """The network with everything in it: attention, hierarchy, narrow blocks."""
    loaded, arrays, pick = _load(reference / FOLDERS[2])

    @tf.function(jit_compile=True, autograph=False)
    def compiled():
        images = loaded.generator(arrays["in_z"], tf.constant(arrays["in_y"]))
        real = tf.constant(_nhwc(arrays["in_real"]))
        logits = loaded.discriminator(real, tf.constant(arrays["in_real_y"]))
        return images, logits, *_penalties(loaded, arrays)

    images, logits, gradient, r1, gp = compiled()
    _close(images, pick("img").transpose(0, 2, 3, 1), JIT)
    _close(logits, pick("d_real")[:, 0], JIT)
    _close(gradient, pick("r1_grad").transpose(0, 2, 3, 1), GRADIENT)
    _close(r1, pick("r1_penalty"), JIT)
    _close(gp, pick("wgan_gp_penalty"), JIT)


def _sigma_by_name(network, config, entries):
    """{module name of the source: our layer}."""
    variables = base.named_variables(network)
    layers = {id(layer.u): layer for layer in spectral_norm.spectral_layers(network)}
    return {
        entry.source[: -len(".u0")]: layers[id(variables[entry.target])]
        for entry in entries
        if entry.source.endswith(".u0")
    }


@pytest.mark.parametrize("network", ["G", "D"])
def test_sigmas(case, network):
    loaded, arrays, pick = case
    if network == "G":
        ours, config = loaded.generator, loaded.generator.get_config()
        entries = layer_names.generator_entries(config, "plain")
    else:
        ours, config = loaded.discriminator, loaded.discriminator.get_config()
        entries = layer_names.discriminator_entries(config)
    layers = _sigma_by_name(ours, config, entries)
    names = [str(name) for name in arrays[f"in_sn_names_{network}"]]
    assert set(names) == set(layers)
    sigmas = np.array([float(layers[name].sigma()) for name in names])
    expected = pick(f"sn_sigma_{network}")
    assert (np.abs(sigmas - expected) / expected).max() < 1e-5
    after = [
        np.linalg.norm(_matrix(layers[name]) / sigma, 2)
        for name, sigma in zip(names, sigmas, strict=True)
    ]
    np.testing.assert_allclose(after, pick(f"sn_top_sv_after_{network}"), rtol=1e-5)


def _matrix(layer):
    kernel = layer.kernel.numpy().astype(np.float64)
    return kernel.reshape(-1, kernel.shape[-1])


@BOTH
@pytest.mark.parametrize("assign", ["eager", "collected"])
def test_first_training_forward(restored, assign):
    """Images, scores and every buffer after the first training-mode forward."""
    loaded, arrays, pick = restored
    generator = loaded.generator
    z, labels = tf.constant(arrays["in_z"]), tf.constant(arrays["in_y"])
    real, real_labels = _nhwc(arrays["in_real"]), arrays["in_real_y"]

    @tf.function(autograph=False)
    def collected():
        with updates.collect() as moved:
            images = generator(z, labels, training=True)
            logits = loaded.discriminator(real, real_labels, training=True)
        for update in moved:
            update.variable.assign(update.value)
        return images, logits

    networks = {"generator": generator, "discriminator": loaded.discriminator}
    before = {n[0]: a for n, a in pytorch.export(networks).items()}
    if assign == "collected":
        images, logits = collected()
    else:
        images = generator(z, labels, training=True)
        logits = loaded.discriminator(real, real_labels, training=True)
    expected = pick("train_img").transpose(0, 2, 3, 1)
    _close(images[: len(expected)], expected, IMAGE)
    _close(logits, pick("train_d_real")[:, 0], SCORE)
    ours = pytorch.export(networks)
    checked = 0
    for name, expected in arrays.items():
        for letter in "GD":
            prefix = f"out_train_after_{letter}/"
            if name.startswith(prefix) and not name.endswith("sv0"):
                moved = ours[f"{letter}.pth"][name[len(prefix) :]]
                _close(moved, expected, IMAGE)
                unmoved = before[letter][name[len(prefix) :]]
                assert moved.size == 1 or not np.array_equal(moved, unmoved)
                checked += 1
    assert checked == 11


def test_frozen_spectral_norm_is_inference(case):
    loaded, arrays, _ = case
    real, labels = _nhwc(arrays["in_real"]), arrays["in_real_y"]
    free = loaded.discriminator(real, labels)
    with spectral_norm.frozen(loaded.discriminator):
        fixed = loaded.discriminator(real, labels, training=True)
    np.testing.assert_array_equal(free, fixed)


def test_native_code_takes_part(native_code, reference):
    """What the tests above compare is computed by the native convolutions."""
    loaded, arrays, _ = _load(reference / FOLDERS[1])
    given = tf.constant(arrays["in_z"]), tf.constant(arrays["in_y"])
    generator = tf.function(library.traced(loaded.generator), autograph=False)
    graph = generator.get_concrete_function(*given).graph
    found = collections.Counter(operation.type for operation in graph.get_operations())
    # Two 3x3 convolutions a block; the last, to three colours, stays TensorFlow's.
    assert found["DglganConvolution"] == 2 * len(loaded.generator.blocks)
