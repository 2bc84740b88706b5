"""BigGAN: parameter counts, an independent NumPy reference, state and errors."""

import numpy as np
import pytest
from reference import biggan as numpy_biggan

from dglgan_tf.compat import tf
from dglgan_tf.layers import conditional_norm, spectral_norm, updates
from dglgan_tf.networks import base, biggan, biggan_layout
from dglgan_tf.ops import ledger

# ch: millions of parameters and billions of MACs of G and D, ImageNet at 128 px.
IMAGENET = {
    96: (70.434, 21.12, 87.982, 10.84),
    64: (31.979, 9.51, 39.448, 4.88),
    48: (18.383, 5.42, 22.384, 2.78),
    32: (8.543, 2.47, 10.121, 1.27),
    24: (5.031, 1.42, 5.790, 0.73),
}
CIFAR = {
    96: (9.258, 3.78, 9.457, 2.43),
    64: (4.304, 1.68, 4.207, 1.08),
    48: (2.528, 0.95, 2.369, 0.61),
    32: (1.218, 0.42, 1.055, 0.27),
    24: (0.739, 0.24, 0.595, 0.15),
}
CIFAR_G = {
    "resolution": 32,
    "num_classes": 10,
    "z_dim": 128,
    "hierarchical": False,
    "shared_embedding": False,
}


def _imagenet(ch):
    return (
        biggan.BigGANGenerator(ch=ch, attention=[64]),
        biggan.BigGANDiscriminator(ch=ch, attention=[64]),
    )


def _cifar(ch):
    return (
        biggan.BigGANGenerator(ch=ch, **CIFAR_G),
        biggan.BigGANDiscriminator(resolution=32, num_classes=10, ch=ch),
    )


def _tiny(**changes):
    """A hierarchical 32 px pair with attention and one image channel."""
    shared = {
        "resolution": 32,
        "num_channels": 1,
        "num_classes": 3,
        "ch": 2,
        "attention": [16],
    }
    generator = {"z_dim": 12, "shared_dim": 5} | shared | changes
    discriminator = {k: v for k, v in (shared | changes).items() if k in shared}
    return (
        biggan.BigGANGenerator(**generator),
        biggan.BigGANDiscriminator(**discriminator),
    )


def _scatter(network, seed=0):
    """Moves biases, gains, moments and gamma away from where they start."""
    rng = np.random.default_rng(seed)
    for name, variable in base.named_variables(network).items():
        if name.endswith(("bias", "gain", "gamma", "mean", "variance")):
            noise = rng.uniform(0.2, 1.0, variable.shape)
            sign = 1 if name.endswith("variance") else rng.choice([-1, 1])
            variable.assign((sign * noise).astype(np.float32))


def _parameters(network):
    arrays = {n: v.numpy() for n, v in base.named_variables(network).items()}
    bn = getattr(network, "bn_eps", None), getattr(network, "output_bn_eps", None)
    return numpy_biggan.Parameters(arrays, *bn, network.sn_eps)


def _inputs(network, n=3, seed=1):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, max(network.num_classes, 1), n)
    if isinstance(network, base.Generator):
        return rng.normal(size=[n, network.z_dim]).astype(np.float32), labels
    size = [n, network.resolution, network.resolution, network.num_channels]
    return rng.uniform(-1, 1, size).astype(np.float32), labels


def _macs(network, *inputs):
    with ledger.open_ledger() as rows:
        tf.autograph.experimental.do_not_convert(network)(*inputs)
    return sum(r.macs for r in rows), sum(r.executed for r in rows)


@pytest.mark.parametrize("build, table", [(_imagenet, IMAGENET), (_cifar, CIFAR)])
@pytest.mark.parametrize("ch", IMAGENET)
def test_parameters(build, table, ch):
    with tf.Graph().as_default():
        counts = [base.count_parameters(network) for network in build(ch)]
    if build is _imagenet and ch == 96:
        assert counts == [70_433_988, 87_982_370]
    assert [round(count / 1e6, 3) for count in counts] == [table[ch][0], table[ch][2]]


@pytest.mark.slow
@pytest.mark.parametrize(
    "build, ch, table",
    [(_imagenet, 96, IMAGENET), (_imagenet, 24, IMAGENET), (_cifar, 48, CIFAR)],
)
def test_macs(build, ch, table):
    with tf.Graph().as_default():
        generator, discriminator = build(ch)
        size, label = generator.resolution, tf.zeros([1], tf.int32)
        g_macs = _macs(generator, tf.zeros([1, generator.z_dim]), label)
        d_macs = _macs(discriminator, tf.zeros([1, size, size, 3]), label)
    assert round(g_macs[0] / 1e9, 2) == table[ch][1]
    assert round(d_macs[0] / 1e9, 2) == table[ch][3]
    assert g_macs[1] < 0.75 * g_macs[0] and d_macs[1] < 0.75 * d_macs[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "resolution, blocks, d_blocks",
    [(32, 3, 4), (128, 5, 6), (256, 6, 7), (512, 7, None)],
)
def test_shapes_at_all_resolutions(resolution, blocks, d_blocks):
    with tf.Graph().as_default():
        generator = biggan.BigGANGenerator(resolution, ch=1, num_classes=4)
        assert len(generator.blocks) == blocks
        images = generator(tf.zeros([2, generator.z_dim]), tf.zeros([2], tf.int32))
        assert images.shape == [2, resolution, resolution, 3]
        if d_blocks:
            discriminator = biggan.BigGANDiscriminator(resolution, ch=1, num_classes=4)
            assert len(discriminator.blocks) == d_blocks
            assert discriminator(images, tf.zeros([2], tf.int32)).shape == [2]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"hierarchical": False, "shared_embedding": False, "attention": []},
        {"hierarchical": False, "bn_eps": 1e-3},
    ],
    ids=["hierarchical", "per-class", "shared"],
)
@pytest.mark.parametrize("training", [False, True])
def test_generator_against_numpy(changes, training):
    generator, _ = _tiny(**changes)
    _scatter(generator)
    z, labels = _inputs(generator)
    p = _parameters(generator)
    expected = numpy_biggan.generator(
        p, z.astype(np.float64), np.eye(3)[labels], 3, generator.hierarchical, training
    )
    with updates.collect() as moved:
        images = generator(z, labels, training=training)
    np.testing.assert_allclose(images, expected.transpose(0, 2, 3, 1), atol=3e-5)
    names = {id(v): n for n, v in base.named_variables(generator).items()}
    found = {names[id(update.variable)]: update for update in moved}
    if training:
        assert set(found) == set(p.moved)
    for name, update in found.items():
        np.testing.assert_allclose(update.value, p.moved[name], rtol=1e-4, atol=1e-5)
        assert update.average == ("moments" in name)


@pytest.mark.parametrize("wide", [True, False])
def test_discriminator_against_numpy(wide):
    discriminator = biggan.BigGANDiscriminator(
        resolution=32,
        num_channels=1,
        num_classes=3,
        ch=2,
        wide=wide,
        attention_blocks=[0, 3],
    )
    _scatter(discriminator)
    images, labels = _inputs(discriminator)
    weights = np.eye(3)[labels]
    p = _parameters(discriminator)
    down = [True, True, False, False]
    nchw = images.astype(np.float64).transpose(0, 3, 1, 2)
    expected = numpy_biggan.discriminator(p, nchw, weights, down)
    logits = discriminator(images, labels)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(logits / scale, expected / scale, atol=2e-5)
    np.testing.assert_allclose(
        discriminator(images, weights.astype(np.float32)), logits, rtol=1e-6
    )


def test_gradients_against_central_differences():
    """Of sum(D(x)) to images and to a kernel, through the division by sigma."""
    _, discriminator = _tiny(attention=[])
    _scatter(discriminator)
    images, labels = _inputs(discriminator, n=1)
    layer = discriminator.blocks[1].conv2
    _converge(layer)
    x = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(discriminator(x, labels))
    gradients = tape.gradient(total, [x, layer.kernel])
    p = _parameters(discriminator)
    kernel = p["blocks/1/conv2/kernel"]

    def score(move_image, move_kernel):
        p.arrays["blocks/1/conv2/kernel"] = kernel + move_kernel
        moved = (images + move_image).transpose(0, 3, 1, 2)
        down = [True, True, False, False]
        return numpy_biggan.discriminator(p, moved, np.eye(3)[labels], down).sum()

    rng = np.random.default_rng(5)
    for which, gradient in enumerate(gradients):
        direction = rng.normal(size=gradient.shape)
        step = [0.0, 0.0]
        step[which] = 1e-6 * direction
        slope = (score(*step) - score(*(-np.asarray(s) for s in step))) / 2e-6
        np.testing.assert_allclose(np.sum(gradient * direction), slope, rtol=2e-3)


def _converge(layer):
    """Brings `u` to the singular vector, where sigma is stationary in it."""
    matrix = layer.kernel.numpy().reshape(-1, layer.kernel.shape[-1])
    layer.u.assign(np.linalg.svd(matrix.astype(np.float64))[2][0])


def test_frozen_spectral_norm_is_inference_and_can_be_undone():
    _, discriminator = _tiny()
    images, labels = _inputs(discriminator)
    before = discriminator(images, labels)
    with spectral_norm.frozen(discriminator), updates.collect() as moved:
        fixed = discriminator(images, labels, training=True)
        assert not moved
    np.testing.assert_array_equal(before, fixed)
    for layer in spectral_norm.spectral_layers(discriminator):
        layer.kernel.assign(3 * layer.kernel)
    # Divided by the new sigma again: the same weights, the same logits.
    np.testing.assert_allclose(discriminator(images, labels), before, rtol=1e-4)


def test_forwards_in_one_block_continue_from_each_other():
    _, discriminator = _tiny(attention=[])
    images, labels = _inputs(discriminator)
    with updates.collect() as moved:
        discriminator(images, labels, training=True)
        discriminator(images, labels, training=True)
    twice = {id(update.variable): update.value.numpy() for update in moved}
    for _ in range(2):  # without a collector each forward assigns
        discriminator(images, labels, training=True)
    for layer in spectral_norm.spectral_layers(discriminator):
        np.testing.assert_allclose(twice[id(layer.u)], layer.u, atol=1e-6)


def test_standing_statistics_are_means_over_passes():
    generator, _ = _tiny(attention=[])
    _scatter(generator)
    batches = [_inputs(generator, seed=seed) for seed in range(3)]
    means = []
    for z, labels in batches:
        with updates.collect() as moved, conditional_norm.averaging(1.0):
            generator(z, labels, training=True)
        norm = generator.blocks[1].norm1.moments
        values = {id(update.variable): update.value for update in moved}
        means.append([values[id(norm.mean)], values[id(norm.variance)]])
    u = generator.linear.u.numpy()
    pairs = [(tf.constant(z), tf.constant(y)) for z, y in batches]
    assert conditional_norm.accumulate_statistics(generator, pairs) == 3
    expected = np.mean(means, axis=0)
    np.testing.assert_allclose(norm.mean, expected[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(norm.variance, expected[1], rtol=1e-4)
    np.testing.assert_array_equal(generator.linear.u, u)
    with pytest.raises(ValueError, match="batches is empty"):
        conditional_norm.accumulate_statistics(generator, [])


def test_synchronized_moments_are_those_of_the_whole_batch(logical_devices):
    strategy = tf.distribute.MirroredStrategy(
        logical_devices[:2],
        cross_device_ops=tf.distribute.ReductionToOneDevice(),
    )
    x = np.random.default_rng(0).normal(2.0, 3.0, [4, 2, 2, 3]).astype(np.float32)
    with strategy.scope():
        sync = conditional_norm.BatchStatistics(3, statistics="sync")
    whole = conditional_norm.BatchStatistics(3)

    @tf.function(autograph=False)
    def run(values):
        def step(part):
            with updates.collect() as moved, tf.GradientTape() as tape:
                tape.watch(part)
                mean, variance = sync(part, training=True)
                total = tf.reduce_sum(part * part * mean * variance)
            gradient = tape.gradient(total, part)
            return mean, variance, [u.value for u in moved], gradient

        return strategy.run(step, [values])

    parts = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(x[context.replica_id_in_sync_group :: 2])
    )
    mean, variance, moved, gradient = tf.nest.map_structure(
        strategy.experimental_local_results, run(parts)
    )
    with updates.collect() as one, tf.GradientTape() as tape:
        watched = tf.constant(x)
        tape.watch(watched)
        expected = whole(watched, training=True)
        total = tf.reduce_sum(watched * watched * expected[0] * expected[1])
    slope = tape.gradient(total, watched)
    for replica in range(2):
        np.testing.assert_allclose(mean[replica], expected[0], rtol=1e-5)
        np.testing.assert_allclose(variance[replica], expected[1], rtol=1e-5)
        for ours, update in zip(moved, one, strict=True):
            np.testing.assert_allclose(ours[replica], update.value, rtol=1e-5)
        np.testing.assert_allclose(gradient[replica], slope[replica::2], rtol=1e-3)


def test_unconditional():
    generator, discriminator = _tiny(num_classes=0, attention=[])
    z, _ = _inputs(generator)
    logits = discriminator(generator(z))
    assert logits.shape == [3] and np.ptp(logits) > 0
    plain, _ = _tiny(num_classes=0, hierarchical=False)
    assert isinstance(plain.blocks[0].norm1, conditional_norm.BatchNorm)
    assert plain(z[:, : plain.z_dim]).shape == [3, 32, 32, 1]


def test_configuration_round_trip_and_latent_rounding():
    generator, discriminator = _tiny(attention=[16])
    for network in (generator, discriminator):
        again = type(network).from_config(network.get_config())
        shapes = [
            {n: tuple(v.shape) for n, v in base.named_variables(one).items()}
            for one in (network, again)
        ]
        assert shapes[0] == shapes[1]
    with tf.Graph().as_default():
        rounded = biggan.BigGANGenerator(resolution=128, ch=1, z_dim=128)
        assert rounded.z_dim == 126
        assert biggan.BigGANGenerator.from_config(rounded.get_config()).z_dim == 126


def test_discriminator_blocks():
    assert biggan_layout.discriminator_sizes(32) == [16, 8, 8, 8]
    assert biggan_layout.discriminator_sizes(128) == [64, 32, 16, 8, 4, 4]
    blocks = biggan_layout.discriminator_blocks(32, 3, 2, attention=[8])
    assert [b.down for b in blocks] == [True, True, False, False]
    assert [b.attention for b in blocks] == [False, True, False, False]
    assert [b.shortcut for b in blocks] == [True, True, False, False]
    blocks = biggan_layout.discriminator_blocks(128, 3, 2, wide=False)
    assert [b.widths for b in blocks][:2] == [(3, 3, 2), (2, 2, 4)]
    with pytest.raises(ValueError, match="attention_blocks"):
        biggan_layout.discriminator_blocks(32, 3, 2, attention_blocks=[4])


def test_given_widths():
    with tf.Graph().as_default():
        generator = biggan.BigGANGenerator(
            32, ch=2, channels=[5, 7, 6, 4], hidden_channels=[3, 2, 1]
        )
        kernels = [block.conv2.kernel.shape[2:] for block in generator.blocks]
        assert kernels == [[3, 7], [2, 6], [1, 4]]
        assert generator.linear.kernel.shape[1] == 16 * 5
        discriminator = biggan.BigGANDiscriminator(
            32, ch=2, channels=[4, 5, 6, 7], hidden_channels=[1, 2, 3, 4]
        )
        kernels = [block.conv2.kernel.shape[2:] for block in discriminator.blocks]
        assert kernels == [[1, 4], [2, 5], [3, 6], [4, 7]]


@pytest.mark.parametrize("init", ["orthogonal", "N02", "xavier"])
def test_initial_weights(init):
    generator, _ = _tiny(init=init, attention=[])
    kernel = generator.blocks[0].conv1.kernel.numpy().reshape(-1, 8)
    if init == "orthogonal":
        np.testing.assert_allclose(kernel.T @ kernel, np.eye(8), atol=1e-5)
    else:
        expected = 0.02 if init == "N02" else np.sqrt(2 / (9 * 8 + 9 * 8))
        assert 0.85 * expected < kernel.std() < 1.15 * expected
    bias = generator.blocks[0].conv1.bias.numpy()
    assert 0 < np.abs(bias).max() <= 1 / np.sqrt(72)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"resolution": 48}, "resolution=48"),
        ({"attention": [64]}, "no block puts out"),
        ({"init": "he"}, "init='he'"),
        ({"ch": 0}, "ch=0"),
        ({"z_dim": 3}, "z_dim=3"),
        ({"shared_embedding": False}, "hierarchical=True needs"),
        ({"bn_statistics": "global"}, "statistics='global'"),
        ({"channels": [1, 2]}, r"channels=\[1, 2\]"),
        ({"ch": 1, "attention": [16]}, "at least 8"),
    ],
)
def test_refused_arguments(arguments, message):
    with tf.Graph().as_default(), pytest.raises(ValueError, match=message):
        biggan.BigGANGenerator(**({"resolution": 32, "ch": 2} | arguments))


def test_labels_are_required():
    generator, discriminator = _tiny(attention=[])
    with pytest.raises(ValueError, match="labels=None"):
        generator(tf.zeros([1, generator.z_dim]))
    with pytest.raises(ValueError, match="labels=None"):
        discriminator(tf.zeros([1, 32, 32, 1]))
