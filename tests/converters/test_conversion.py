"""Fixtures load through one function and agree; the command proves and reports."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import made_files

from dglgan_tf.containers import errors, reader
from dglgan_tf.converters import conversion, loading
from dglgan_tf.converters.biggan import pytorch
from dglgan_tf.converters.parity import check, common

REPOSITORY = Path(__file__).resolve().parents[2]
TOOL = REPOSITORY / "tools" / "convert_checkpoint.py"
STYLEGAN2 = (
    "sg2ada_cond_r32_map2.pkl",
    "sg2ada_cond_r32_map8_dmap2.pkl",
    "sg2ada_uncond_r32_Gresnet_Dskip.pkl",
    "sg2ada_uncond_r32_asymfir_clamp.pkl",
    "sg2ada_uncond_r32_cifarlike_Dorig.pkl",
    "sg2ada_uncond_r32_map8.pkl",
    "sg2tf1_Gresnet_Dskip_r32.pkl",
    "sg2tf1_cond_r32.pkl",
    "sg2tf1_configf_like_r32.pkl",
    "sg2tf1_default_mbstd_r32_map2.pkl",
    "sg2tf1_dglgan_fraction2_r32.pkl",
    "sg2ros_converted_r32.pt",
    "sg2ros_trained_r64_cm1.pt",
)
# The other two folders: `converted` below, and the tests of the networks.
BIGGAN = ("biggan_r64_attn32_hier", "biggan_deep_hf_r32")
# Activations inside a block, which no function of ours returns.
INSIDE = {
    "gfeat_convs.0",
    "gfeat_convs.2",
    "gfeat_convs.4",
    "gfeat_convs.6",
    "gfeat_layer3",
}


def expected_file(path: Path) -> Path:
    return path / "expected.npz" if path.is_dir() else path.with_suffix(".npz")


def agree(path: Path, jit: bool):
    loaded = loading.load_checkpoint(path)
    rows, left_out = check.check(loaded, check.load_reference(expected_file(path)), jit)
    assert [str(row) for row in rows if not row.passed] == []
    assert set(left_out) <= INSIDE, left_out
    return loaded, rows


@pytest.mark.slow
@pytest.mark.parametrize("name", STYLEGAN2 + BIGGAN)
def test_reference_outputs(reference, name):
    """Every stored output of every fixture, in graph mode."""
    loaded, rows = agree(reference / name, jit=False)
    assert loaded.family == {"sg": "stylegan2", "bi": "biggan"}[name[:2]] + (
        "_deep" if "deep" in name else ""
    )
    assert len(rows) >= (19 if loaded.discriminator is not None else 4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ("sg2tf1_dglgan_fraction2_r32.pkl", BIGGAN[1]))
def test_reference_outputs_under_jit(reference, name):
    """The same under XLA, looser."""
    agree(reference / name, jit=True)


def test_parity_sees_errors(reference):
    """A shifted bias fails, and so does a NaN."""
    path = reference / BIGGAN[1]
    arrays = check.load_reference(expected_file(path))
    right = {"img_t1": arrays["out_img_t1"]}
    assert check.compare("img_t1", right["img_t1"], arrays, 2e-5).passed
    assert not check.compare("img_t1", right["img_t1"] + 1e-4, arrays, 2e-5).passed
    wrong = np.array(right["img_t1"])
    wrong[0, 0, 0, 0] = np.nan
    assert not check.compare("img_t1", wrong, arrays, 2e-5).passed
    assert not check.compare("img_t1", wrong[:, :2], arrays, 2e-5).passed


def test_layouts_of_references():
    """References are NCHW, networks NHWC; features are found by a file's names."""
    nchw = np.arange(24.0).reshape(1, 2, 3, 4)
    nhwc = common.to_nhwc(nchw)
    assert nhwc[0, 2, 1, 1] == nchw[0, 1, 2, 1]
    np.testing.assert_array_equal(common.to_nchw(nhwc), nchw)


@pytest.fixture(scope="module")
def converted(reference, tmp_path_factory):
    """One conversion through the package: (folder, lines, verdict)."""
    dest = tmp_path_factory.mktemp("converted")
    source = reference / "biggan_r32_cifar"
    lines = []
    verdict = conversion.convert(
        source,
        dest,
        reference=expected_file(source),
        to="biggan_pytorch",
        say=lines.append,
    )
    return dest, lines, verdict


def test_conversion_reports(converted, reference):
    """What the command says, writes and hands on."""
    dest, lines, verdict = converted
    assert verdict
    text = "\n".join(lines)
    source = reference / "biggan_r32_cifar"
    assert loading.hashes(source)["G_ema.pth"] in text
    for words in (
        "format         BigGAN-PyTorch",
        "generator.resolution = 32",
        "discriminator  in this file",
        "G_optim.pth",
        "state_dict.pth was read for its settings only",
        "parity         all",
        "train.teachers",
    ):
        assert words in text, words
    report = json.loads((dest / "report.json").read_text())
    assert report["shapes"]["generator"]["linear/kernel"] == [24, 512]
    assert all(row["passed"] for row in report["parity"].values())
    assert (dest / "contact_sheet.png").read_bytes()[:4] == b"\x89PNG"
    assert (dest / "biggan_pytorch" / "G_ema.pth").is_file()


def test_own_checkpoint_is_loaded_back(converted, reference):
    """The result has the bits of the source, and so has the export."""
    dest = converted[0]
    first = loading.load_checkpoint(reference / "biggan_r32_cifar")
    for path in (dest, dest / "networks.safetensors", dest / "biggan_pytorch"):
        again = loading.load_checkpoint(path)
        for role in ("generator", "generator_raw", "discriminator"):
            a, b = getattr(first, role), getattr(again, role)
            assert a.get_config() == b.get_config()
            for x, y in zip(a.variables, b.variables, strict=True):
                np.testing.assert_array_equal(x.numpy(), y.numpy())
    with pytest.raises(errors.CheckpointError, match="states its configuration"):
        loading.load_checkpoint(dest, {"z_dim": 3})


def test_failed_parity_is_a_verdict(reference, tmp_path):
    """A reference of other weights: the table says so and the verdict is False."""
    source = reference / "biggan_r32_cifar" / "G_ema.pth"
    arrays = check.load_reference(expected_file(source.parent))
    right = {name: arrays[name] for name in ("in_z", "in_y", "out_gfeat_block0")}
    np.savez(tmp_path / "other.npz", out_img=arrays["out_img"] * 1.01, **right)
    lines = []
    assert not conversion.convert(
        source, tmp_path / "d", reference=tmp_path / "other.npz", say=lines.append
    )
    assert any(line.startswith("PARITY FAILED  1 of") for line in lines)
    assert any("NONE in this file" in line for line in lines)


def test_refusals(reference, tmp_path):
    """Sources, overrides and references that do not suit, one sentence each."""
    foreign = {"layer1.0.conv1.weight": np.zeros((4, 4, 3, 3)), "fc.bias": np.ones(3)}
    (tmp_path / "resnet.pth").write_bytes(made_files.torch_zip(foreign))
    (tmp_path / "list.pkl").write_bytes(made_files.pickled([1, 2, "three"]))
    (tmp_path / "empty").mkdir()
    several = tmp_path / "several"
    several.mkdir()
    for name in "ab":
        (several / f"{name}.safetensors").write_bytes(b"x")
    big = reference / "biggan_deep_hf_r32"
    cases = (
        (tmp_path / "resnet.pth", None, "looks like a ResNet classifier"),
        (tmp_path / "list.pkl", None, "looks like a pickled list"),
        (tmp_path / "nothing", None, "no file or folder"),
        (tmp_path / "empty", None, "holds neither"),
        (several, None, "name one of them"),
        (several / "a.safetensors", None, "not a readable safetensors"),
        (reference / "biggan_r32_cifar" / "G_optim.pth", None, "state of an optimiser"),
        (big, [1], "must be a dict"),
    )
    for path, config, words in cases:
        with pytest.raises(errors.CheckpointError, match=words) as caught:
            loading.load_checkpoint(path, config)
        assert "\n" not in str(caught.value)
    for name in ("resnet.pth", "nothing"):
        with pytest.raises(errors.CheckpointError, match=r"\.npz|no reference outputs"):
            check.load_reference(tmp_path / name)
    with pytest.raises(errors.CheckpointError, match="is a file: name a folder"):
        conversion.convert(big, tmp_path / "list.pkl")
    assert not (tmp_path / "d").exists()


def test_numbered_copies_are_left_alone(reference, tmp_path):
    """`G_copy0.pth` and `G_best0.pth` beside `G.pth` are ignored and named."""
    for name in ("G_ema", "G_ema_copy0", "G_ema_best0", "D", "D_optim"):
        source = reference / "biggan_r32_cifar" / f"{name.split('_copy')[0]}.pth"
        data = b"damaged" if name[-1] == "0" else source.read_bytes()
        (tmp_path / f"{name}.pth").write_bytes(data)
    loaded = loading.load_checkpoint(tmp_path)
    assert loaded.generator_raw is None and loaded.discriminator is not None
    assert loaded.report["ignored"] == [
        "D_optim.pth",
        "G_ema_best0.pth",
        "G_ema_copy0.pth",
    ]


def test_what_only_training_needs_is_ignored(reference):
    """Alignment convolutions of DGL-GAN's students, optimisers in one file."""
    tree = dict(reader.read(reference / "biggan_r32_cifar" / "G.pth"))
    tree["trans_convs.0.weight"] = np.zeros((8, 8, 1, 1), np.float32)
    tree["trans_convs.0.bias"] = np.zeros(8, np.float32)
    assert pytorch.load(tree).generator.resolution == 32
    loaded = loading.load_checkpoint(reference / "sg2ros_trained_r64_cm1.pt")
    assert {"g_optim", "d_optim", "args"} <= set(loaded.report["ignored"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "command, name",
    [
        ([TOOL], "convert_checkpoint"),
        (["-m", "dglgan_tf", "convert"], "dglgan convert"),
    ],
)
def test_command_line(tmp_path, command, name):
    """A hostile file: exit code 2, one sentence, nothing written."""
    bad = tmp_path / "bad.pkl"
    bad.write_bytes(b"\x80\x04cos\nsystem\n\x8c\x09touch ran\x85R.")
    run = subprocess.run(
        [sys.executable, *command, f"--source={bad}", f"--dest={tmp_path / 'out'}"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin"},
        timeout=300,
    )
    assert run.returncode == 2, run.stderr
    sentences = [s for s in run.stderr.splitlines() if name in s]
    assert len(sentences) == 1 and "os.system" in sentences[0]
    assert "Traceback" not in run.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["bad.pkl"]
