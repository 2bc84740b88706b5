"""StyleGAN2 against its NumPy reference, exact counts, state and errors."""

import gin
import numpy as np
import pytest
from reference import stylegan2 as direct

from dglgan_tf.compat import tf
from dglgan_tf.layers import updates
from dglgan_tf.losses import regularizers
from dglgan_tf.networks import base, files, stylegan2
from dglgan_tf.ops import ledger, resample

G, D = stylegan2.StyleGAN2Generator, stylegan2.StyleGAN2Discriminator
SMALL = {"channel_base": 128, "channel_max": 12}
SMALL_G = {**SMALL, "z_dim": 6, "w_dim": 5, "mapping_layers": 2}
GENERATORS = {
    "plain": {},
    "labels": {"num_classes": 3, "mapping_width": 7, "embed_width": 4},
    "table": {"num_classes": 3, "label_method": "concatenation"},
    "resnet_clamp": {"architecture": "resnet", "conv_clamp": 0.8},
    "orig_filter": {"architecture": "orig", "resample_filter": (1, 2, 4, 1)},
    "narrow_grey": {"channels_fraction": 2, "num_channels": 1},
    "widths": {"channels": {4: 5, 8: 7, 16: 3}, "const_channels": 6},
}
DISCRIMINATORS = {
    "plain": {},
    "labels": {"num_classes": 3, "mapping_layers": 2, "mbstd_group_size": 2},
    "outputs": {"num_classes": 3, "label_method": "selection"},
    "skip_clamp": {"architecture": "skip", "conv_clamp": 0.8},
    "orig_filter": {"architecture": "orig", "resample_filter": (1, 2, 4, 1)},
    "narrow_grey": {"channels_fraction": 2, "num_channels": 1},
    "statistics": {"mbstd_group_size": None, "mbstd_num_channels": 4},
    "no_statistics": {"mbstd_num_channels": 0, "dense_width": 5},
}


def _randomized(network, seed=0):
    """Gives every variable random values, so that none sits at 0 or 1."""
    random = np.random.RandomState(seed)
    for variable in base.named_variables(network).values():
        step = np.asarray(random.randn(*variable.shape) * 0.5, np.float32)
        variable.assign(variable.numpy() + step)
    return network


def _arrays(network):
    return {n: v.numpy() for n, v in base.named_variables(network).items()}


def _inputs(network, count=4):
    random = np.random.RandomState(3)
    labels = np.arange(count, dtype=np.int32) % max(network.num_classes, 1)
    onehot = np.eye(network.num_classes)[labels] if network.num_classes else None
    labels = labels if network.num_classes else None
    if isinstance(network, G):
        return random.randn(count, network.z_dim).astype(np.float32), labels, onehot
    shape = (count, network.resolution, network.resolution, network.num_channels)
    return random.uniform(-1, 1, shape).astype(np.float32), labels, onehot


def _close(found, expected, tolerance=2e-5):
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(GENERATORS))
def test_generator_equals_the_reference(name):
    network = _randomized(G(16, **{**SMALL_G, **GENERATORS[name]}))
    z, labels, onehot = _inputs(network, 2)
    expected = direct.Generator(_arrays(network), network.get_config())
    ws = expected.map(z, onehot)
    _close(network.map(z, labels), ws)
    run = tf.function(lambda z: network(z, labels))
    _close(run(z), expected.synthesize(ws))
    mixed = np.concatenate([ws[:, :3], ws[::-1, 3:]], axis=1)
    found = network.synthesize(mixed.astype(np.float32), noise="none")
    _close(found, expected.synthesize(mixed, noise="none"))


@pytest.mark.parametrize("name", sorted(DISCRIMINATORS))
def test_discriminator_equals_the_reference(name):
    network = _randomized(D(16, **{**SMALL, **DISCRIMINATORS[name]}))
    images, labels, onehot = _inputs(network)
    expected = direct.Discriminator(_arrays(network), network.get_config())
    run = tf.function(lambda x: network(x, labels))
    _close(run(images), expected.score(images, onehot), 1e-4)


@pytest.mark.parametrize("architecture", ["resnet", "skip"])
def test_r1_equals_central_differences(architecture):
    network = D(8, num_channels=1, architecture=architecture, channels=[6, 5])
    network = _randomized(network)
    images, _, _ = _inputs(network, 2)
    expected = direct.Discriminator(_arrays(network), network.get_config())
    found, _ = tf.function(lambda x: regularizers.r1(network, x))(images)
    _close(found, direct.r1(expected, images), 1e-4)


@pytest.mark.slow
def test_gradient_of_r1_equals_central_differences():
    network = _randomized(D(8, num_channels=1, channels=[4, 3]))
    images, _, _ = _inputs(network, 2)
    name = "blocks/8/conv1/kernel"
    variable = base.named_variables(network)[name]
    with tf.GradientTape() as tape:
        penalty, _ = regularizers.r1(network, tf.constant(images))
        loss = tf.reduce_sum(penalty)
    found = tape.gradient(loss, variable).numpy()
    arrays = _arrays(network)
    direction = np.random.RandomState(5).randn(*variable.shape)

    def moved(step):
        changed = {**arrays, name: arrays[name].astype(np.float64) + step * direction}
        expected = direct.Discriminator(changed, network.get_config())
        return direct.r1(expected, images).sum()

    slope = (moved(1e-4) - moved(-1e-4)) / 2e-4
    assert np.sum(found * direction) == pytest.approx(slope, rel=1e-3)


def test_path_lengths_equal_central_differences():
    network = _randomized(G(8, **SMALL_G))
    z, _, _ = _inputs(network, 2)
    ws = network.map(z)
    noise = np.random.RandomState(4).randn(2, 8, 8, 3).astype(np.float32)
    expected = direct.Generator(_arrays(network), network.get_config())
    lengths = direct.path_lengths(expected, ws.numpy(), noise)
    penalty, mean, found = tf.function(
        lambda ws: regularizers.path_length(network.synthesize, ws, noise, 0.5)
    )(ws)
    _close(found, lengths, 1e-4)
    assert float(mean) == pytest.approx(0.5 + 0.01 * (lengths.mean() - 0.5), rel=1e-5)
    _close(penalty, (lengths - float(mean)) ** 2, 3e-4)


COUNTS = {
    32: (21523475, 8408851, 4505747),
    64: (27032600, 9983768, 4998296),
    256: (30034338, 10931682, 5334018),
    1024: (30370060, 11064988, 5392036),
}


@pytest.mark.parametrize("resolution", sorted(COUNTS))
def test_exact_generator_counts(resolution):
    for fraction, expected in zip((1, 2, 4), COUNTS[resolution], strict=True):
        with tf.Graph().as_default():
            network = G(resolution, channels_fraction=fraction)
        assert base.count_parameters(network) == expected


def test_exact_discriminator_counts():
    # 29,012,513 is published; the others are the rounded ones of the method's table.
    expected = {
        (1024, 1): 29_012_513, (1024, 2): 7_256_081, (1024, 4): 1_815_497,
        (1024, 8): 454_613, (256, 1): 28_864_129, (256, 2): 7_219_009,
    }  # fmt: skip
    for (resolution, fraction), count in expected.items():
        with tf.Graph().as_default():
            network = D(resolution, channels_fraction=fraction)
        assert base.count_parameters(network) == count


def test_narrow_and_wide_counts_of_the_table():
    for fraction, millions in ((3, 6.958), (8, 3.550)):
        with tf.Graph().as_default():
            network = G(1024, channels_fraction=fraction)
        assert base.count_parameters(network) / 1e6 == pytest.approx(millions, abs=5e-4)


@pytest.mark.slow
def test_multiply_accumulates_of_the_table():
    totals = {1: (74.27, 141.9, 76.7), 4: (4.69, 8.9, 4.8)}
    for fraction, expected in totals.items():
        with tf.Graph().as_default():
            generator = G(1024, channels_fraction=fraction)
            discriminator = D(1024, channels_fraction=fraction)
            with ledger.open_ledger() as rows:
                generator(tf.zeros([1, 512]))
            with ledger.open_ledger() as d_rows:
                discriminator(tf.zeros([1, 1024, 1024, 3]))
        rows = [row for row in rows if row.kind != "filter"]
        found = (
            sum(row.macs for row in rows) / 1e9,
            sum(row.macs_output for row in rows) / 1e9,
            sum(row.macs for row in d_rows if row.kind != "filter") / 1e9,
        )
        assert found == pytest.approx(expected, rel=0.01)


def test_fraction_leaves_constant_and_mapping_whole():
    network = G(16, channels_fraction=4, channel_max=64)
    assert network.constant.shape == (4, 4, 64)
    assert network.blocks["4"].conv1.kernel.shape == (3, 3, 64, 16)
    assert network.blocks["4"].conv1.affine.kernel.shape == (512, 64)
    assert network.mapping.dense[-1].kernel.shape == (512, 512)


@pytest.mark.slow
def test_training_call_under_jit_equals_graph_mode():
    sizes = {"channels": [6, 4], "num_classes": 2, "mapping_layers": 1}
    network = _randomized(G(8, z_dim=6, w_dim=5, **sizes))
    critic = _randomized(D(8, **sizes))
    z, labels, _ = _inputs(network)
    variables = network.trainable_variables + critic.trainable_variables

    def step(z, seed):
        with updates.collect() as moved, tf.GradientTape() as tape:
            images = network(z, labels, training=True, seed=seed)
            loss = tf.reduce_mean(tf.nn.softplus(-critic(images, labels)))
        return loss, images, moved[0].value, tape.gradient(loss, variables)

    def compiled(z, seed):
        with resample.use_form("slices"):
            return step(z, seed)

    seed = tf.constant([3, -4])
    expected = tf.nest.flatten(tf.function(step)(z, seed))
    found = tf.nest.flatten(tf.function(compiled, jit_compile=True)(z, seed))
    for a, b in zip(found, expected, strict=True):
        assert np.abs(a - b).max() <= 5e-4 * np.abs(b).max() + 1e-7


def test_inference_is_deterministic_and_independent_of_the_batch():
    network = _randomized(G(8, **SMALL_G))
    z, _, _ = _inputs(network)
    images = network(z).numpy()
    np.testing.assert_array_equal(images, network(z))
    _close(network(z[1:2])[0], images[1], 1e-5)


def test_seed_decides_everything_random():
    network = _randomized(G(8, **SMALL_G))
    z, _, _ = _inputs(network)
    one, two = tf.constant([1, 2]), tf.constant([1, 3])
    first = network(z, training=True, seed=one).numpy()
    np.testing.assert_array_equal(first, network(z, training=True, seed=one))
    assert np.abs(first - network(z, training=True, seed=two)).max() > 1e-2


def test_style_mixing_tosses_one_coin_for_the_batch():
    network = _randomized(G(16, **SMALL_G, style_mixing_prob=0.75))
    z, _, _ = _inputs(network)
    own = network.map(z).numpy()
    numbers = tf.range(400)
    draws = tf.function(
        lambda: tf.map_fn(
            lambda number: network.training_ws(z, None, tf.stack([number, 7])),
            numbers,
            fn_output_signature=tf.float32,
        )
    )
    cuts = []
    with updates.collect():
        sampled = draws().numpy()
    for ws in sampled:
        kept = np.abs(ws - own).max(axis=2) < 1e-5
        assert (kept == kept[0]).all()
        cut = int(kept[0].sum())
        assert kept[0, :cut].all()
        cuts.append(cut)
    counts = np.bincount(cuts, minlength=7)
    assert counts[0] == 0
    # 0.75 over the cuts 1..5, the rest unmixed; four standard deviations.
    expected = 400 * np.array([0.15] * 5 + [0.25])
    slack = 4 * np.sqrt(expected * (1 - expected / 400))
    assert (np.abs(counts[1:] - expected) <= slack).all()


def test_mixing_off_keeps_styles():
    network = _randomized(G(8, **SMALL_G, style_mixing_prob=0.0))
    z, _, _ = _inputs(network)
    _close(network.training_ws(z, None, tf.constant([0, 0])), network.map(z), 1e-6)


def test_w_avg_moves_by_the_mean_before_mixing():
    network = _randomized(G(8, **SMALL_G))
    z, _, _ = _inputs(network)
    old = network.w_avg.numpy()
    expected = 0.995 * old + 0.005 * network.map(z)[:, 0].numpy().mean(axis=0)
    with updates.collect() as moved:
        network.map(z, training=True, seed=tf.constant([5, 6]))
    assert [update.average for update in moved] == [True]
    np.testing.assert_allclose(moved[0].value, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(network.w_avg, old)
    network.training_ws(z, None, tf.constant([5, 6]))
    np.testing.assert_allclose(network.w_avg, expected, rtol=1e-5, atol=1e-6)


def test_truncation_and_cutoff():
    network = _randomized(G(8, **SMALL_G))
    ws = network.map(_inputs(network)[0]).numpy()
    mean = network.w_avg.numpy()
    np.testing.assert_array_equal(network.truncate(ws, 1), ws)
    np.testing.assert_allclose(
        network.truncate(ws, 0.3), mean + 0.3 * (ws - mean), rtol=1e-5, atol=1e-5
    )
    cut = network.truncate(ws, tf.constant(0.0), truncation_cutoff=2).numpy()
    np.testing.assert_array_equal(cut[:, 2:], ws[:, 2:])
    np.testing.assert_allclose(cut[:, :2], np.broadcast_to(mean, cut[:, :2].shape))


def test_truncating_without_a_mean_is_an_error_until_estimated():
    network = _randomized(G(8, **SMALL_G, num_classes=2, w_avg_known=False))
    z, labels, _ = _inputs(network)
    ws = network.map(z, labels)
    with pytest.raises(ValueError, match="w_avg"):
        network.truncate(ws, 0.7)
    assert network.truncate(ws, 1.0).shape == ws.shape
    network.estimate_w_avg(samples=20_000)
    random = np.random.RandomState(9)
    z = random.randn(20_000, 6).astype(np.float32)
    mean = network.map(z, random.randint(2, size=20_000)).numpy().mean(axis=(0, 1))
    np.testing.assert_allclose(network.w_avg, mean, atol=0.03)
    assert network.get_config()["w_avg_known"]
    assert network.truncate(ws, 0.7).shape == ws.shape


def test_labels_as_integers_or_onehot():
    network = _randomized(G(8, **SMALL_G, num_classes=4))
    critic = _randomized(D(8, **SMALL, num_classes=4, mapping_layers=1))
    z, labels, onehot = _inputs(network)
    images = network(z, labels).numpy()
    _close(network(z, onehot.astype(np.float32)), images, 1e-6)
    scores = critic(images, labels)
    _close(critic(images, onehot.astype(np.float32)), scores, 1e-5)
    assert np.abs(images - network(z, labels[::-1])).max() > 1e-2
    for call in (lambda: network(z), lambda: critic(images)):
        with pytest.raises(ValueError, match="labels=None"):
            call()


def test_unknown_batch_size_traces():
    network = _randomized(G(8, **SMALL_G))
    critic = _randomized(D(8, **SMALL))
    run = tf.function(
        lambda z: (network(z), critic(network(z))),
        input_signature=[tf.TensorSpec([None, 6])],
    )
    z, _, _ = _inputs(network)
    images, scores = run(z)
    _close(images, network(z), 1e-5)
    _close(scores, critic(images), 1e-5)
    assert run(z[:3])[0].shape == (3, 8, 8, 3)


def test_features_have_the_blocks_shapes():
    network = G(16, channels=[8, 6, 4], z_dim=6, w_dim=5, mapping_layers=1)
    critic = D(16, channels=[8, 6, 4])
    z, _, _ = _inputs(network, 2)
    images, features = network.synthesize_with_features(network.map(z))
    shapes = {side: tuple(value.shape) for side, value in features.items()}
    assert shapes == {4: (2, 4, 4, 8), 8: (2, 8, 8, 6), 16: (2, 16, 16, 4)}
    _, features = critic.score_with_features(images)
    shapes = {side: tuple(value.shape) for side, value in features.items()}
    assert shapes == {16: (2, 8, 8, 6), 8: (2, 4, 4, 8)}


def test_save_and_load_keep_every_bit(tmp_path):
    networks = {
        "generator": _randomized(G(8, **{**SMALL_G, **GENERATORS["labels"]})),
        "generator_ema": _randomized(G(8, **SMALL_G, channels={4: 6, 8: 4}), 1),
        "discriminator": _randomized(D(8, **SMALL, num_classes=2), 2),
    }
    files.save_networks(tmp_path / "x.safetensors", networks)
    loaded = files.load_networks(tmp_path / "x.safetensors")
    for role, network in networks.items():
        found = _arrays(loaded[role])
        for name, array in _arrays(network).items():
            np.testing.assert_array_equal(found[name], array)


def test_gin_reaches_constructors_and_explicit_arguments_win():
    gin.parse_config("StyleGAN2Generator.channels_fraction = 2\n"
                     "StyleGAN2Generator.resolution = 8\n"
                     "StyleGAN2Discriminator.architecture = 'orig'")  # fmt: skip
    with tf.Graph().as_default():
        assert G().channels_fraction == 2
        assert G(channels_fraction=1).channels_fraction == 1
        assert D(8).architecture == "orig"


@pytest.mark.parametrize(
    ("cls", "arguments", "message"),
    [
        (G, {"resolution": 48}, "resolution=48"),
        (G, {"resolution": 8, "architecture": "dense"}, "architecture='dense'"),
        (G, {"resolution": 8, "num_channels": 4}, "num_channels=4"),
        (G, {"resolution": 8, "channels": [4, 4, 4]}, "channels="),
        (G, {"resolution": 8, "channels": {4: 3, 16: 3}}, "channels="),
        (G, {"resolution": 8, "channels_fraction": 1.5}, "channels_fraction=1.5"),
        (G, {"resolution": 8, "channels_fraction": 600}, "channels_fraction"),
        (G, {"resolution": 8, "w_dim": 0}, "w_dim=0"),
        (D, {"resolution": 8, "mbstd_group_size": -1}, "mbstd_group_size=-1"),
        (D, {"resolution": 8, "mbstd_num_channels": 3}, "mbstd_num_channels=3"),
        (D, {"resolution": 8, "label_method": "both"}, "label_method='both'"),
        (D, {"resolution": 8, "resample_filter": ()}, "resample_filter"),
    ],
)
def test_bad_arguments_are_named(cls, arguments, message):
    with tf.Graph().as_default(), pytest.raises(ValueError, match=message):
        cls(**arguments)


def test_training_without_a_seed_is_an_error():
    with pytest.raises(ValueError, match="seed"):
        G(8, **SMALL_G)(tf.zeros([2, 6]), training=True)
