"""Ours to theirs and back: the same bits, the official names and shapes."""

import numpy as np
import pytest

from dglgan_tf.containers import errors, reader
from dglgan_tf.converters import exporting, loading
from dglgan_tf.converters.stylegan2 import nvidia
from dglgan_tf.networks import base, stylegan2

ROUND_TRIPS = (
    ("sg2ada_cond_r32_map8_dmap2.pkl", "ada", "x.pt"),
    ("sg2ada_uncond_r32_asymfir_clamp.pkl", "ada", "x.pt"),
    ("sg2ros_converted_r32.pt", "rosinality", "x.pt"),
    ("sg2ros_trained_r64_cm1.pt", "rosinality", "x.pt"),
    ("sg2tf1_dglgan_fraction2_r32.pkl", "tf1", "x.pkl"),
    ("sg2tf1_cond_r32.pkl", "tf1", "x.pkl"),
    ("sg2ros_converted_r32.pt", "tf1", "x.pkl"),
    ("biggan_r64_attn32_hier", "biggan_pytorch", "folder"),
    ("biggan_r32_mybn_hier_attn16_narrowD", "biggan_pytorch", "folder"),
)


def official_tables(path) -> dict:
    """Returns {network: {name: shape}} of a file in its own layout."""
    tree = reader.read(path)
    if isinstance(tree, tuple):
        tables = {n.state["name"]: nvidia.tf1_variables(n) for n in tree}
    elif isinstance(tree, errors.Record):
        tables = tree.state
    else:
        tables = {
            key: nvidia.state_dict(value) if nvidia.is_module(value) else value
            for key, value in tree.items()
        }
    return {
        key: {name: np.shape(array) for name, array in table.items()}
        for key, table in tables.items()
        if isinstance(table, dict)
        and table
        and all(isinstance(a, (np.ndarray, np.generic)) for a in table.values())
    }


@pytest.mark.parametrize("name, to, file", ROUND_TRIPS)
def test_round_trip(reference, tmp_path, name, to, file):
    """Every variable has the same bits after export and import."""
    first = loading.load_checkpoint(reference / name)
    exporting.export_checkpoint(first, tmp_path / file, to)
    again = loading.load_checkpoint(tmp_path / file)
    for role in ("generator", "generator_raw", "discriminator"):
        ours, back = getattr(first, role), getattr(again, role)
        assert (ours is None) == (back is None), role
        if ours is None:
            continue
        before, after = base.named_variables(ours), base.named_variables(back)
        assert list(before) == list(after)
        for path in before:
            np.testing.assert_array_equal(
                before[path].numpy(), after[path].numpy(), err_msg=path
            )


@pytest.mark.parametrize(
    "name, to, file",
    [r for r in ROUND_TRIPS if r[1] in r[0]]
    + [r for r in ROUND_TRIPS if r[1] in ("rosinality", "biggan_pytorch")],
)
def test_official_names_and_shapes(reference, tmp_path, name, to, file):
    """The export's tables are those of the official file."""
    source = reference / name
    exporting.export_checkpoint(loading.load_checkpoint(source), tmp_path / file, to)
    expected, found = official_tables(source), official_tables(tmp_path / file)
    expected.pop("state_dict.pth", None)
    if set(expected) == {"G_ema.pth", "D.pth"}:  # the only generator is G there
        expected["G.pth"] = expected.pop("G_ema.pth")
    assert set(found) == set(expected)
    for key in found:
        assert found[key] == expected[key], key


SMALL = {"resolution": 16, "z_dim": 8, "w_dim": 8, "mapping_layers": 2}


def test_what_a_layout_cannot_hold(tmp_path):
    """Students with channels_fraction and grey images are refused in a sentence."""
    narrow = stylegan2.StyleGAN2Generator(
        **SMALL, channel_base=256, channel_max=16, channels_fraction=2
    )
    grey = stylegan2.StyleGAN2Generator(
        **SMALL, channel_base=256, channel_max=16, num_channels=1
    )
    labels = stylegan2.StyleGAN2Generator(
        **SMALL,
        channel_base=256,
        channel_max=16,
        num_classes=3,
        label_method="concatenation",
    )
    cases = (
        (narrow, "ada", "use the tf1 layout"),
        (narrow, "rosinality", "use the tf1 layout"),
        (grey, "rosinality", "num_channels=1"),
        (labels, "ada", "label concatenation"),
        (labels, "rosinality", "num_classes=3"),
        (narrow, "biggan_pytorch", "BigGAN only"),
        (narrow, "onnx", "must be one of"),
    )
    for network, to, words in cases:
        with pytest.raises(errors.CheckpointError, match=words):
            exporting.export_checkpoint({"generator": network}, tmp_path / "x", to)
    assert list(tmp_path.iterdir()) == []
    exporting.export_checkpoint({"generator": narrow}, tmp_path / "x.pkl", "tf1")
    back = loading.load_checkpoint(tmp_path / "x.pkl").generator
    z = np.random.RandomState(1).randn(2, 8).astype(np.float32)
    np.testing.assert_array_equal(narrow(z), back(z))
