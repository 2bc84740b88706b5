"""The three StyleGAN2 layouts: what is inferred, refused and told apart."""

import numpy as np
import pytest

from dglgan_tf.compat import keras, tf
from dglgan_tf.containers import errors
from dglgan_tf.converters import loading
from dglgan_tf.converters.stylegan2 import ada, common, kwargs, nvidia, rosinality, tf1
from dglgan_tf.networks import base, stylegan2

G, D = stylegan2.StyleGAN2Generator, stylegan2.StyleGAN2Discriminator
SMALL = {"channel_base": 128, "channel_max": 12}
MODULES = {
    "ada": ada,
    "rosinality": rosinality,
    "tf1": tf1,
}


def _generator(seed=0, **changes):
    keras.utils.set_random_seed(seed)
    sizes = {**SMALL, "z_dim": 6, "w_dim": 5, "mapping_layers": 2}
    network = G(**{"resolution": 16, **sizes, **changes})
    network.w_avg.assign([0.5, -1.0, 2.0, 0.25, -3.0])  # G and Gs share it
    return network


def _arrays(network):
    return {n: v.numpy() for n, v in base.named_variables(network).items()}


def _same(found, expected):
    before, after = _arrays(expected), _arrays(found)
    assert set(before) == set(after)
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array, err_msg=name)


ROUND_TRIPS = {
    "ada_plain": ("ada", {}, {}),
    "ada_labels": (
        "ada",
        {"num_classes": 3, "mapping_width": 7, "embed_width": 4},
        {"num_classes": 3, "cmap_dim": 6, "mapping_layers": 1},
    ),
    "ada_resnet_grey": (
        "ada",
        {"architecture": "resnet", "num_channels": 1, "conv_clamp": 0.7},
        {"architecture": "skip", "num_channels": 1, "conv_clamp": 0.7},
    ),
    "ada_orig_filter": (
        "ada",
        {"architecture": "orig", "resample_filter": [1, 2, 4, 1]},
        {"architecture": "orig", "resample_filter": [1, 1], "mbstd_group_size": None},
    ),
    "tf1_narrow": ("tf1", {"channels_fraction": 2}, {"channels_fraction": 2}),
    "tf1_labels": (
        "tf1",
        {"num_classes": 4, "label_method": "concatenation"},
        {"num_classes": 4, "label_method": "selection", "dense_width": 9},
    ),
    "tf1_one_class": (
        "tf1",
        {"num_classes": 1, "label_method": "concatenation"},
        {"num_classes": 1, "label_method": "selection"},
    ),
    "tf1_widths_resnet": (
        "tf1",
        {"channels": [5, 7, 3], "const_channels": 4, "architecture": "resnet"},
        {"channels": [5, 7, 3], "architecture": "skip", "mbstd_num_channels": 5},
    ),
    "rosinality_widths": (
        "rosinality",
        {"channels": {4: 5, 8: 7, 16: 3}},
        {"channels": [5, 7, 3]},
    ),
}


@pytest.mark.parametrize("name", sorted(ROUND_TRIPS))
def test_ours_to_theirs_and_back_keeps_bits_and_meaning(name):
    form, changes, d_changes = ROUND_TRIPS[name]
    module = MODULES[form]
    networks = {
        "generator": _generator(0, **changes),
        "generator_ema": _generator(1, **changes),
        "discriminator": D(16, **{**SMALL, **d_changes}),
    }
    tree = module.export(networks)
    assert [m for m in MODULES.values() if m.detect(tree)] == [module]
    loaded = module.load(tree)
    _same(loaded.generator, networks["generator_ema"])
    _same(loaded.generator_raw, networks["generator"])
    _same(loaded.discriminator, networks["discriminator"])
    # The rest of the configuration came along too: the same images and scores.
    z = np.random.RandomState(0).randn(4, 6).astype(np.float32)
    labels = None
    if networks["generator"].num_classes:
        labels = np.arange(4, dtype=np.int32) % networks["generator"].num_classes
    images = networks["generator_ema"](z, labels)
    np.testing.assert_array_equal(loaded.generator(z, labels), images)
    scores = networks["discriminator"](images, labels)
    np.testing.assert_array_equal(loaded.discriminator(images, labels), scores)
    assert loaded.family == "stylegan2"


def test_a_single_generator_serves_as_both():
    network = _generator()
    for module in MODULES.values():
        loaded = module.load(module.export({"generator": network}))
        _same(loaded.generator, network)
        assert loaded.discriminator is None


@pytest.mark.slow
def test_width_rules_of_the_official_code():
    cases = {
        (1024, 1): (16384, 512, None),
        (256, 2): (16384, 512, 2),
        (64, 8): (16384, 512, 8),
    }
    for (resolution, fraction), expected in cases.items():
        with tf.Graph().as_default():
            arguments = kwargs.tf1(G(resolution, channels_fraction=fraction), "tf1")
        found = (arguments["fmap_max"], arguments.get("channels_fraction"))
        assert found == expected[1:]
        assert arguments["fmap_base"] <= expected[0]
    with tf.Graph().as_default():
        arguments = kwargs.ada_generator(G(1024), "ada")
        narrow = kwargs.ada_discriminator(D(64, channels_fraction=2), "ada")
    assert arguments["synthesis_kwargs"]["channel_base"] == 32768
    assert arguments["synthesis_kwargs"]["channel_max"] == 512
    assert narrow["channel_max"] == 256


@pytest.mark.parametrize(
    ("form", "changes", "message"),
    [
        ("ada", {"channels_fraction": 2}, "tf1 layout"),
        ("ada", {"channels": [4, 5, 4]}, "cannot hold widths"),
        ("ada", {"num_classes": 2, "label_method": "concatenation"}, "label"),
        ("ada", {"w_avg_known": False}, "estimate_w_avg"),
        ("tf1", {"conv_clamp": 1.0}, "conv_clamp=1.0"),
        ("tf1", {"num_classes": 2}, "labels by embedding"),
        ("tf1", {"w_avg_known": False}, "estimate_w_avg"),
        ("rosinality", {"num_channels": 1}, "num_channels=1"),
        ("rosinality", {"architecture": "orig"}, "architecture=orig"),
        ("rosinality", {"num_classes": 2}, "num_classes=2"),
        ("rosinality", {"channels_fraction": 2}, "tf1 layout"),
        ("rosinality", {"mapping_lr_multiplier": 0.1}, "mapping_lr_multiplier=0.1"),
    ],
)
def test_what_a_layout_cannot_hold_is_refused(form, changes, message):
    with pytest.raises(errors.CheckpointError, match=message):
        MODULES[form].export({"generator": _generator(**changes)})


@pytest.mark.parametrize(
    ("form", "changes", "message"),
    [
        ("ada", {"num_classes": 2, "label_method": "selection"}, "each class"),
        ("ada", {"dense_width": 5}, "dense layer of 5"),
        ("tf1", {"num_classes": 2}, "labels by projection"),
        ("rosinality", {"mbstd_group_size": 8}, "mbstd_group_size=8"),
    ],
)
def test_what_a_layout_cannot_hold_of_a_discriminator(form, changes, message):
    with pytest.raises(errors.CheckpointError, match=message):
        MODULES[form].export({"discriminator": D(16, **{**SMALL, **changes})})


def _tf1_tree(build="G_synthesis_stylegan2", critic="D_stylegan2"):
    tree = tf1.export({"generator": _generator(), "discriminator": D(16, **SMALL)})
    for record in tree:
        if record.state["name"] == "D":
            record.state["build_func_name"] = critic
        else:
            part = record.state["components"]["synthesis"]
            part.state["build_func_name"] = build
    return tree


@pytest.mark.parametrize(
    ("build", "critic", "message"),
    [
        ("G_synthesis_stylegan_revised", "D_stylegan2", "progressive"),
        ("G_synthesis_stylegan2", "D_stylegan", "progressive"),
        ("G_synthesis_stylegan2_nas", "D_stylegan2", "search variant"),
        ("G_synthesis_stylegan2", "D_paper", "search variant"),
    ],
)
def test_other_tf1_networks_are_refused(build, critic, message):
    with pytest.raises(errors.CheckpointError, match=message):
        tf1.load(_tf1_tree(build, critic))


def test_tf1_defaults_depend_on_the_code_that_wrote_the_file():
    tree = _tf1_tree()
    for record in tree:
        record.state["static_kwargs"].pop("mbstd_group_size", None)
    assert tf1.load(tree).discriminator.mbstd_group_size == 4
    tree = _tf1_tree("G_synthesis", "D_main")
    for record in tree:
        record.state["static_kwargs"].pop("mbstd_group_size", None)
    assert tf1.load(tree).discriminator.mbstd_group_size is None


def _add(record, name, array):
    record.state["variables"].append((name, array))


def test_ada_tf_labels_are_read():
    """The later TF1 code embeds labels as stylegan2-ada-pytorch does."""
    classes, random = 3, np.random.RandomState(0)
    wide = D(16, **SMALL, num_classes=classes, cmap_dim=7, mapping_layers=2)
    variables = {
        f"head/{layer}": name
        for layer, name in (("conv", "4x4/Conv"), ("output_dense", "Output"))
    }
    tree = _tf1_tree("G_synthesis", "D_main")
    record = next(r for r in tree if r.state["name"] == "D")
    arrays = dict(record.state["variables"])
    for ours, theirs in variables.items():
        for kind in ("weight", "bias"):
            shape = _arrays(wide)[f"{ours}/{_OURS[kind]}"].shape
            arrays[f"{theirs}/{kind}"] = random.randn(*shape).astype(np.float32)
    for ours, theirs in (
        ("mapping/label_embedding", "LabelEmbed"),
        ("mapping/dense/0", "Mapping0"),
        ("mapping/dense/1", "Mapping1"),
    ):
        for kind in ("weight", "bias"):
            arrays[f"{theirs}/{kind}"] = _arrays(wide)[f"{ours}/{_OURS[kind]}"]
    record.state["variables"] = list(arrays.items())
    loaded = tf1.load(tree).discriminator
    assert loaded.label_method == "projection"
    assert (loaded.num_classes, loaded.cmap_dim) == (classes, 7)
    assert loaded.mapping_lr_multiplier == 0.1
    kernel = loaded.mapping.dense[1].kernel.numpy()
    np.testing.assert_array_equal(kernel, arrays["Mapping1/weight"])


_OURS = {"weight": "kernel", "bias": "bias"}


def test_unused_and_missing_variables_are_errors():
    tree = _tf1_tree()
    _add(tree[0], "extra", np.zeros(3, np.float32))
    with pytest.raises(errors.CheckpointError, match="holds extra"):
        tf1.load(tree)
    tree = _tf1_tree()
    own = tree[1].state["variables"]
    tree[1].state["variables"] = [v for v in own if v[0] != "16x16/Conv0/bias"]
    with pytest.raises(errors.CheckpointError, match="lacks 16x16/Conv0/bias"):
        tf1.load(tree)


def test_distillation_kernels_are_left_out_with_a_line():
    tree = _tf1_tree("G_synthesis_stylegan2_distill", "D_stylegan2_internal")
    kernel = np.zeros([1, 1, 6, 12], np.float32)
    for record in tree:
        target = record
        if record.state["name"] != "D":
            target = record.state["components"]["synthesis"]
        _add(target, "8x8/weight", kernel)
    ignored = tf1.load(tree).report["ignored"]
    assert sorted(ignored) == [
        "D: 8x8/weight",
        "G: synthesis/8x8/weight",
        "Gs: synthesis/8x8/weight",
    ]


def test_another_filter_than_announced_is_read_from_the_buffer():
    network = _generator(resample_filter=[1, 2, 4, 1])
    tree = rosinality.export({"generator": network})
    loaded = rosinality.load(tree).generator
    assert np.shape(loaded.resample_filter) == (4, 4)
    z = tf.random.normal([2, 6])
    np.testing.assert_allclose(loaded(z), network(z), rtol=0, atol=1e-5)


def test_config_overrides_what_was_inferred():
    tree = tf1.export({"discriminator": D(16, **SMALL)})
    loaded = tf1.load(tree, {"discriminator": {"mbstd_group_size": 2}})
    assert loaded.discriminator.mbstd_group_size == 2
    with pytest.raises(errors.CheckpointError, match="group_size"):
        tf1.load(tree, {"discriminator": {"group_size": 2}})


def test_stylegan3_and_search_variants_are_not_detected_as_ada():
    module = errors.Record(
        nvidia.PERSISTENT,
        {
            "class_name": "Generator",
            "state": {"_modules": {"synthesis": _module({"L0_36_512": _module({})})}},
        },
    )
    assert not ada.detect({"G_ema": module})
    assert not any(m.detect({"G": {"a": 1}}) for m in MODULES.values())
    swagan = {"g_ema": {"conv1.conv.modulation.weight": np.zeros([2, 2])}}
    swagan["args"] = errors.Record("argparse.Namespace", {"arch": "swagan"})
    with pytest.raises(errors.CheckpointError, match="swagan"):
        rosinality.load(swagan)


def _module(children):
    state = {"_modules": children, "_parameters": {}, "_buffers": {}}
    return errors.Record(nvidia.PERSISTENT, {"class_name": "X", "state": state})


def test_gin_does_not_reach_networks_of_a_file(reference):
    import gin

    gin.parse_config("StyleGAN2Generator.style_mixing_prob = 0.1")
    loaded = loading.load_checkpoint(reference / "sg2tf1_dglgan_fraction2_r32.pkl")
    assert loaded.generator.style_mixing_prob == 0.9
    assert loaded.generator.const_channels == 48
    assert loaded.generator.channels == [24, 24, 24, 16]


def test_filter_taps_are_stated_or_usual_or_stored():
    stored = np.outer([1, 2, 4, 1], [1, 2, 4, 1]) / 64
    assert common.taps(None) == [1, 3, 3, 1]
    assert common.taps([1, 2, 4, 1], stored) == [1, 2, 4, 1]
    assert common.taps(None, stored) == stored.tolist()
    for given in ("1331", [1, -1], [[1, 2]], np.zeros(300)):
        with pytest.raises(errors.CheckpointError):
            common.taps(given)


def test_sizes_must_be_a_row():
    arrays = {"b4.x": 0, "b8.x": 0, "b32.x": 0}
    with pytest.raises(errors.CheckpointError, match="4, 8, 32"):
        common.sides(arrays, r"b(\d+)\.")
    arrays["b16.x"] = 0
    assert common.sides(arrays, r"b(\d+)\.") == [4, 8, 16, 32]
