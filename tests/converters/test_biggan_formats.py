"""BigGAN's formats: inference of the configuration, round trips, refusals.

No official file of TF-Hub and StudioGAN could be had: containers of those layouts are
made from our own networks by the mapping's inverse, with names listed here by hand.
"""

import numpy as np
import pytest

from dglgan_tf.containers import reader
from dglgan_tf.containers.errors import CheckpointError, Record
from dglgan_tf.converters import mapping as m
from dglgan_tf.converters.biggan import deep_hf, pytorch, studiogan, tfhub
from dglgan_tf.networks import base, biggan, biggan_deep

FOLDERS = {
    "biggan_r32_cifar": ({"hierarchical": False, "ch": 8, "z_dim": 24}, {"wide": True}),
    "biggan_r64_attn32_hier": (
        {"hierarchical": True, "attention": [32], "z_dim": 40, "shared_dim": 24},
        {"attention": [32]},
    ),
    "biggan_r32_mybn_hier_attn16_narrowD": (
        {"bn_eps": 1e-4, "bn_unbiased": False, "z_dim": 32, "shared_dim": 34},
        {"wide": False, "attention_blocks": [0, 1, 2, 3], "ch": 6},
    ),
}


def _folder(**files):
    return Record("folder", files)


def _values(network):
    return {name: v.numpy() for name, v in base.named_variables(network).items()}


def _randomized(network, seed=0):
    rng = np.random.default_rng(seed)
    for variable in network.variables:
        variable.assign(rng.uniform(0.5, 1.5, variable.shape).astype(np.float32))
    return network


def _assert_equal(ours, theirs):
    ours, theirs = _values(ours), _values(theirs)
    assert set(ours) == set(theirs)
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)


@pytest.mark.parametrize("name", FOLDERS)
def test_official_round_trip(reference, name):
    """Names in the official order, shapes, and every array bit for bit."""
    tree = reader.read(reference / name)
    assert pytorch.detect(tree) and not studiogan.detect(tree)
    loaded = pytorch.load(tree)
    for stated, expected in zip(
        (loaded.config, loaded.config["discriminator"]), FOLDERS[name], strict=True
    ):
        assert expected.items() <= stated.items()
    networks = {
        "generator_ema": loaded.generator,
        "discriminator": loaded.discriminator,
    }
    if loaded.generator_raw is not None:
        networks["generator"] = loaded.generator_raw
    exported = pytorch.export(networks)
    assert set(exported) == {n for n in tree.state if not n.startswith("state_dict")}
    for file, arrays in exported.items():
        official = tree.state[file]
        assert list(arrays) == list(official)
        for key, array in arrays.items():
            assert array.shape == official[key].shape, key
            if not key.endswith(("sv0", "accumulation_counter")):
                np.testing.assert_array_equal(array, official[key], err_msg=key)
    again = pytorch.load(_folder(**exported), {"bn_eps": 1e-4})
    _assert_equal(loaded.generator, again.generator)
    _assert_equal(loaded.discriminator, again.discriminator)
    assert again.config["bn_eps"] == 1e-4


@pytest.mark.parametrize("file", ["G.pth", "D.pth"])
def test_one_file_alone(reference, file):
    tree = reader.read(reference / "biggan_r32_cifar" / file)
    assert pytorch.detect(tree)
    loaded = pytorch.load(tree)
    assert (loaded.generator is None) == (file == "D.pth")
    assert (loaded.discriminator is None) == (file == "G.pth")


def test_standing_sums_are_divided():
    generator = biggan.BigGANGenerator(
        32, num_classes=3, ch=1, z_dim=8, shared_dim=4, bn_unbiased=False
    )
    arrays = pytorch.export({"generator": _randomized(generator)})["G.pth"]
    for name in arrays:
        if name.endswith("accumulation_counter"):
            arrays[name] = np.array([8.0], np.float32)
        elif "stored_" in name:
            arrays[name] = arrays[name] * 8
    arrays = {f"module.{name}": array for name, array in arrays.items()}
    loaded = pytorch.load(_folder(**{"G.pth": arrays}))
    _assert_equal(generator, loaded.generator)
    assert any("standing" in note for note in loaded.report["notes"])


def test_synchronized_norm_names():
    generator = biggan.BigGANGenerator(32, num_classes=3, ch=1, z_dim=8, shared_dim=4)
    _randomized(generator)
    arrays = pytorch.export({"generator": generator})["G.pth"]
    renamed = {
        n.replace("stored_mean", "bn.running_mean").replace(
            "stored_var", "bn.running_var"
        ): a
        for n, a in arrays.items()
    }
    renamed["output_layer.0.bn.num_batches_tracked"] = np.array(7)
    _assert_equal(generator, pytorch.load(renamed).generator)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"num_channels": 1}, "images of 1 channel"),
        ({"num_classes": 0}, "without classes"),
        ({"channels": [4, 5, 4, 4]}, "no multiples of ch"),
        ({"output_bn_eps": 1e-4}, "output_bn_eps"),
    ],
)
def test_export_refuses(changes, message):
    arguments = {"resolution": 32, "num_classes": 3, "ch": 1, "z_dim": 8}
    generator = biggan.BigGANGenerator(**arguments | changes)
    with pytest.raises(CheckpointError, match=message):
        pytorch.export({"generator": generator})


def test_export_refuses_partial_attention():
    discriminator = biggan.BigGANDiscriminator(
        32, num_classes=3, ch=2, attention_blocks=[1]
    )
    with pytest.raises(CheckpointError, match="some blocks"):
        pytorch.export({"discriminator": discriminator})


@pytest.mark.parametrize("damage", ["missing", "unused", "shape", "blocks"])
def test_damaged_files_are_refused(damage):
    generator = biggan.BigGANGenerator(32, num_classes=3, ch=1, z_dim=8, shared_dim=4)
    arrays = pytorch.export({"generator": generator})["G.pth"]
    if damage == "missing":
        del arrays["blocks.1.0.conv2.bias"]
    elif damage == "unused":
        arrays["blocks.1.0.conv9.bias"] = np.zeros(3, np.float32)
    elif damage == "shape":
        arrays["blocks.1.0.conv2.bias"] = np.zeros(3, np.float32)
    else:
        arrays["blocks.9.0.conv1.weight"] = np.zeros([1, 1, 3, 3], np.float32)
    with pytest.raises(CheckpointError):
        pytorch.load(arrays)


@pytest.mark.parametrize("config", [{"resolution": 48}, {"ch": "wide"}, {"depth": 3}])
def test_wrong_overrides_are_refused(config):
    generator = biggan.BigGANGenerator(32, num_classes=3, ch=1, z_dim=8, shared_dim=4)
    arrays = pytorch.export({"generator": generator})["G.pth"]
    with pytest.raises(CheckpointError):
        pytorch.load(arrays, config)


def test_deep_round_trip(reference):
    tree = reader.read(reference / "biggan_deep_hf_r32")
    assert deep_hf.detect(tree) and not pytorch.detect(tree)
    loaded = deep_hf.load(tree)
    exported = deep_hf.export({"generator": loaded.generator})
    assert exported["config.json"] == tree.state["config.json"]
    official = tree.state["pytorch_model.bin"]
    ours = exported["pytorch_model.bin"]
    assert set(ours) == set(official)
    for key, array in ours.items():
        np.testing.assert_array_equal(array, official[key], err_msg=key)
    # A state dict alone says where blocks upsample only in the published order.
    plan = {"plan": loaded.config["plan"], "resolution": 32}
    alone = deep_hf.load(dict(official), plan | {"attention": [16]})
    _assert_equal(loaded.generator, alone.generator)


def test_deep_export_refuses_running_moments():
    generator = biggan_deep.BigGANDeepGenerator(32, num_classes=3, ch=2)
    with pytest.raises(CheckpointError, match="running moments"):
        deep_hf.export({"generator": generator})


TFHUB_NAMES = {
    "linear/w": (5, 4),
    "Generator/G_Z/G_linear/w": (2, 16 * 32),
    "Generator/G_Z/G_linear/u0": (1, 16 * 32),
    "Generator/GBlock/conv0/w": (3, 3, 32, 32),
    "Generator/GBlock/HyperBN/gamma/w": (6, 32),
    "Generator/GBlock/CrossReplicaBN_1/accumulated_mean": (32,),
    "Generator/GBlock_3/HyperBN_1/beta/u0": (1, 4),
    "Generator/GBlock_3/conv_sc/b": (4,),
    "Generator/attention/o_conv/w": (1, 1, 4, 8),
    "Generator/attention/gamma": (),
    "Generator/ScaledCrossReplicaBN/gamma": (4,),
    "Generator/ScaledCrossReplicaBNbn/accumulated_var": (4,),
    "Generator/conv_2d/w": (3, 3, 4, 3),
}


def _tfhub():
    """A network and the variables that TF-Hub would hold of it."""
    generator = biggan.BigGANGenerator(
        64,
        num_classes=5,
        ch=2,
        z_dim=10,
        shared_dim=4,
        channels=[32, 32, 16, 8, 4],
        attention=[32],
        bn_eps=1e-4,
        output_bn_eps=1e-4,
        sn_eps=1e-4,
        bn_unbiased=False,
    )
    _randomized(generator)
    entries = tfhub.generator_entries(generator.get_config())
    arrays = m.invert(entries, m.arrays_of(generator))
    return generator, {n: a[None] if n.endswith("u0") else a for n, a in arrays.items()}


def test_tfhub_variables():
    generator, arrays = _tfhub()
    for name, shape in TFHUB_NAMES.items():
        assert arrays[name].shape == shape, name
    condition = generator.blocks[0].norm1.gain.kernel.numpy()
    stored = arrays["Generator/GBlock/HyperBN/gamma/w"]  # latent first
    np.testing.assert_array_equal(stored[:2], condition[4:])
    held = {}
    for name, array in arrays.items():
        if name.endswith(("accumulated_mean", "accumulated_var")):
            held[f"module/{name}"] = array * 4
            stem = name.rsplit("/", 1)[0]
            held[f"module/{stem}/accumulation_counter"] = np.float32(4)
        elif name.endswith("u0"):
            held[f"module/{name}"] = array
        else:
            held[f"module/{name}"] = array * 0
            held[f"module/{name}/ema_b999900"] = array
    tree = Record("tf_variables", held)
    assert tfhub.detect(tree) and not pytorch.detect(tree)
    loaded = tfhub.load(tree)
    _assert_equal(generator, loaded.generator)
    assert loaded.discriminator is None


def test_tfhub_deep_is_refused():
    tree = Record(
        "tf_variables", {"module/Generator/GenZ/G_linear/w": np.zeros([2, 2])}
    )
    assert tfhub.detect(tree)
    with pytest.raises(CheckpointError, match="pytorch-pretrained-BigGAN"):
        tfhub.load(tree)


STUDIOGAN_G = {
    "shared.weight": (5, 4),
    "linear0.weight_orig": (16 * 32, 2),
    "linear0.weight_v": (2,),
    "blocks.0.0.bn1.gain.weight_orig": (32, 6),
    "blocks.0.0.bn1.bn.running_mean": (32,),
    "blocks.0.0.conv2d0.weight_orig": (32, 32, 1, 1),
    "blocks.1.0.conv2d1.weight_v": (32 * 9,),
    "blocks.3.0.conv1x1_attn.weight_orig": (8, 4, 1, 1),
    "blocks.3.0.sigma": (1,),
    "blocks.4.0.conv2d2.bias": (4,),
    "bn4.weight": (4,),
    "conv2d5.weight_orig": (3, 4, 3, 3),
}
STUDIOGAN_D = {
    "blocks.0.0.conv2d0.weight_orig": (8, 3, 1, 1),
    "blocks.1.0.conv1x1_theta.weight_orig": (1, 8, 1, 1),
    "blocks.4.0.conv2d2.weight_u": (8,),
    "linear1.weight_orig": (1, 8),
    "embedding.weight_orig": (5, 8),
    "embedding.weight_u": (5,),
    "embedding.weight_v": (8,),
}


def _studiogan():
    common = {"num_classes": 5, "sn_eps": 1e-6, "stored_vectors": True}
    generator = biggan.BigGANGenerator(
        64,
        z_dim=10,
        shared_dim=4,
        channels=[32, 32, 16, 8, 4],
        ch=4,
        attention=[32],
        bn_eps=1e-4,
        output_bn_eps=1e-4,
        **common,
    )
    discriminator = biggan.BigGANDiscriminator(
        32, channels=[8] * 4, ch=2, attention_blocks=[0], **common
    )
    return _randomized(generator), _randomized(discriminator)


def _numbers(blocks, attention):
    """Names by which the numbering of blocks and attention is recognised."""
    names = {f"blocks.{n}.0.conv2d1.weight_orig": n for n in blocks}
    return names | {f"blocks.{n}.0.conv1x1_theta.weight_orig": n for n in attention}


def test_studiogan_state_dicts():
    generator, discriminator = _studiogan()
    numbering = {
        name: np.zeros([widths[1], widths[0], 3, 3], np.float32)
        for name, widths in zip(
            _numbers([0, 1, 2, 4], []),
            [(32, 32), (32, 16), (16, 8), (8, 4)],
            strict=True,
        )
    } | {n: np.zeros([1]) for n in _numbers([], [3])}
    entries = studiogan.generator_entries(generator.get_config(), numbering)
    g = m.invert(entries, m.arrays_of(generator))
    numbering = {n: np.zeros([1]) for n in _numbers([0, 2, 3, 4], [1])}
    entries = studiogan.discriminator_entries(discriminator.get_config(), numbering)
    d = m.invert(entries, m.arrays_of(discriminator))
    for arrays, names in ((g, STUDIOGAN_G), (d, STUDIOGAN_D)):
        for name, shape in names.items():
            assert arrays[name].shape == shape, name
    g["bn4.num_batches_tracked"] = np.array(3)
    tree = _folder(
        **{
            "model=G_ema-best.pth": {"state_dict": g, "step": 7},
            "model=D-best.pth": {
                "state_dict": {f"module.{n}": a for n, a in d.items()}
            },
        }
    )
    assert studiogan.detect(tree) and not pytorch.detect(tree)
    loaded = studiogan.load(tree)
    _assert_equal(generator, loaded.generator)
    _assert_equal(discriminator, loaded.discriminator)


def test_stored_vectors_are_used_as_they_are():
    """sigma = u W v in inference; training makes a power step."""
    _, discriminator = _studiogan()
    layer = discriminator.blocks[2].conv1
    matrix = layer.kernel.numpy().reshape(-1, 8).T.astype(np.float64)
    expected = layer.u.numpy() @ matrix @ layer.v.numpy()
    np.testing.assert_allclose(layer.sigma(), expected, rtol=1e-5)
    u = layer.u.numpy()
    layer.sigma(training=True)
    v = u @ matrix / np.linalg.norm(u @ matrix)
    np.testing.assert_allclose(layer.v, v, atol=1e-5)
    assert np.abs(layer.u.numpy() - u).max() > 0.1


def test_other_trees_are_not_detected():
    for tree in (None, {}, {"a": np.zeros(1)}, [1], Record("folder", {"a": 1})):
        for module in (pytorch, deep_hf, tfhub, studiogan):
            assert not module.detect(tree)
