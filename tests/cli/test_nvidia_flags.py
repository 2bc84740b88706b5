"""NVIDIA's flags: what they bind, what wins, what is refused, and a real run."""

import gin
import numpy as np
import pytest
from absl import flags
from PIL import Image
from support import commands

from dglgan_tf.cli import nvidia_flags, presets
from dglgan_tf.compat import tf
from dglgan_tf.config import bindings, gin_files
from dglgan_tf.foundation import run_directory
from dglgan_tf.networks import base, stylegan2, weightless
from dglgan_tf.runs import registry

FILES = ["families/stylegan2.gin"]


def given(*arguments):
    """Returns the flags of a command line of `train`."""
    values = flags.FlagValues()
    nvidia_flags.define_flags(values)
    flags.DEFINE_multi_string("gin_file", [], "Gin files.", flag_values=values)
    values(["train", *arguments])
    return values


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of two classes, sizes that differ, none square."""
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.RandomState(0)
    for index in range(12):
        kind = folder / ("cat" if index % 2 else "dog")
        kind.mkdir(exist_ok=True)
        pixels = random.randint(0, 255, [20 + index, 30, 3], np.uint8)
        Image.fromarray(pixels).save(kind / f"{index}.png")
    return folder


@pytest.mark.parametrize(
    "resolution, batch, gamma, rate, base",
    [
        # stylegan2-ada-pytorch, `auto`, one GPU: batch min(4096/res, 32),
        # gamma 0.0002 res^2 / batch.
        # The widths below 256 px are ours: 64 channels at full size.
        (32, 32, 0.0064, 0.0025, 2048),
        (64, 32, 0.0256, 0.0025, 4096),
        (256, 16, 0.8192, 0.0025, 16384),
        (512, 8, 6.5536, 0.0025, 32768),
        (1024, 4, 52.4288, 0.002, 32768),
    ],
)
def test_automatic_follows_the_resolution(resolution, batch, gamma, rate, base):
    found = presets.automatic(resolution)
    assert found.batch == batch
    assert found.gamma == pytest.approx(gamma, rel=1e-12)
    assert (found.learning_rate, found.channel_base) == (rate, base)
    assert found.ema_kimg == pytest.approx(batch * 10 / 32)


def test_auto_is_in_proportion_to_the_images():
    """At 32 px its generator had 19.9 million parameters."""
    found = {}
    for resolution in (32, 64, 128, 256):
        preset = presets.automatic(resolution)
        with weightless.weightless():
            made = stylegan2.StyleGAN2Generator(
                resolution=resolution,
                channel_base=preset.channel_base,
                mapping_layers=preset.mapping_layers,
            )
        found[resolution] = base.count_parameters(made) / 1e6
    assert found[32] < 8 and found[256] == pytest.approx(23.19, abs=0.01)
    assert list(found.values()) == sorted(found.values())


@pytest.mark.parametrize(
    "pipe, wanted",
    [
        ("blit", [1, 0, 0, 0, 0, 0]),
        ("geom", [0, 1, 0, 0, 0, 0]),
        ("bg", [1, 1, 0, 0, 0, 0]),
        ("bgc", [1, 1, 1, 0, 0, 0]),
        ("bgcfn", [1, 1, 1, 1, 1, 0]),
        ("bgcfnc", [1, 1, 1, 1, 1, 1]),
    ],
)
def test_augpipe_names_the_parts_of_ada(pipe, wanted):
    values = given(f"--gin_file={FILES[0]}", "--data=x", f"--augpipe={pipe}")
    gin_files.parse(*nvidia_flags.from_flags(values))
    parts = ("blit", "geometry", "color", "bands", "noise", "cutout")
    assert [gin.query_parameter(f"ada.augment.{n}") for n in parts] == wanted


def test_gpus_on_a_machine_without_one_is_a_note_and_the_cpu():
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("there is a GPU")
    registry.register()
    values = given(f"--gin_file={FILES[0]}", "--data=x", "--gpus=1")
    gin_files.parse(*nvidia_flags.from_flags(values))
    assert bindings.value("train", "devices", 0) is None


def test_gamma_and_half_life_follow_the_batch_that_is_given():
    found = presets.automatic(128, batch=8)
    assert (found.batch, found.gamma) == (8, pytest.approx(0.0002 * 128**2 / 8))
    assert (found.ema_kimg, found.group) == (2.5, 4)
    assert nvidia_flags.group_of(8 // 4, found.group) == 2


def test_flags_win_over_files():
    values = given(
        *(f"--gin_file={name}" for name in FILES),
        "--data=photos", "--batch=24", "--kimg=0.5", "--gamma=7", "--mirror=1",
        "--resume_from=runs/old", "--subset=10", "--snap=2", "--seed=4",
        "--teacher=a,b",
        "--aug=ada", "--target=0.7", "--freezed=2", "--fit=pad", "--metrics=kid1k",
    )  # fmt: skip
    files, bindings = nvidia_flags.from_flags(values)
    assert files == FILES
    gin_files.parse(files, bindings)
    wanted = {
        "open_source.name": "photos",
        "subset.max_images": 10,
        "Trainer.batch_size": 24,
        "Schedule.total_images": 500,
        "Objective.r1_gamma": 7.0,  # the file says 10
        "make_dataset.mirror": True,
        "train.initialize_from": "runs/old",
        "Schedule.snapshot_every_images": 8000,
        "train.seed": 4,
        "train.teachers": ["a", "b"],
        "Augmentation.target": 0.7,
        "Trainer.freeze_d_blocks": 2,
        "Conversion.transform": "pad",
        "Evaluation.metrics": ["kid1k"],
    }
    for name, value in wanted.items():
        assert gin.query_parameter(name) == value, name


@pytest.mark.parametrize(
    "name",
    ["Bob's photos (2)", 'say "x"', "a=b, [x] *", "new\nline\\n", "\udc94L", "%x"],
)
def test_names_of_any_characters_reach_gin(name):
    values = given(f"--gin_file={FILES[0]}", f"--data={name}", f"--resume_from={name}")
    files, bindings = nvidia_flags.from_flags(values)
    gin_files.parse(files, bindings)
    assert gin.query_parameter("open_source.name") == name
    assert gin.query_parameter("train.initialize_from") == name


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], "no --gin_file given, nor --data"),
        (["--data=nowhere"], "nowhere: there is no such file"),
        (["--data={}"], "give --fit=crop, pad or stretch"),
        (["--data={}", "--fit=crop", "--resolution=24"], "a power of two"),
        (["--data={}", "--kimg=0"], "--kimg=0 must be positive"),
        (["--data={}", "--aug=noaug", "--target=0.5"], "--target goes with --aug=ada"),
        (["--data={}", "--aug=noaug", "--augpipe=bg"], "--augpipe goes with"),
        (["--data={}", "--fit=crop", "--cfg=biggan", "--gamma=1"], "--gamma belongs"),
        (["--data={}", "--fit=crop", "--cfg=biggan", "--width=7"], "must divide 64"),
        (["--data={}", "--gin_file=a.gin", "--cfg=auto"], "both say what to train"),
        (["--data={}", "--gin_file=a.gin", "--width=2"], "--width belongs to a preset"),
    ],
)
def test_refusals(pictures, arguments, words):
    values = given(*(text.format(pictures) for text in arguments))
    with pytest.raises(ValueError, match=words):
        nvidia_flags.from_flags(values)


def test_classes_are_asked_for(pictures, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    (flat / "a.png").write_bytes((pictures / "dog" / "0.png").read_bytes())
    values = given(f"--data={flat}", "--fit=crop", "--cond=1")
    with pytest.raises(ValueError, match="has no classes; put images into sub-folders"):
        nvidia_flags.from_flags(values)


@pytest.mark.slow
@pytest.mark.parametrize(
    "cfg", ["auto", pytest.param("biggan", marks=pytest.mark.proof)]
)
def test_trains_on_a_folder(pictures, tmp_path, cfg):
    """The public path, with networks made small by gin."""
    tiny = {
        "auto": [
            "CHANNEL_BASE=64", "StyleGAN2Generator.channel_max=8",
            "StyleGAN2Discriminator.channel_max=8", "StyleGAN2Generator.z_dim=8",
            "StyleGAN2Generator.w_dim=8",
        ],
        "biggan": ["CH=1", "BigGANGenerator.z_dim=20", "BigGANGenerator.shared_dim=4"],
    }[cfg]  # fmt: skip
    train = commands.Command("dglgan_tf/train.py")
    code, _, said = train(
        f"--data={pictures}", f"--outdir={tmp_path}", f"--cfg={cfg}", "--batch=4",
        "--kimg=0.008", "--fit=crop", "--resolution=32" if cfg == "biggan" else
        "--resolution=16", "--mirror=1", "--aug=noaug",
        *(f"--gin_param={text}" for text in tiny),
    )  # fmt: skip
    assert code == 0, said
    run = run_directory.RunDirectory(tmp_path / f"{pictures.name}-{cfg}")
    assert run.is_done and run.latest_snapshot() is not None
    assert gin.query_parameter("Trainer.batch_size") == 4
