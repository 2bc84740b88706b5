"""What cannot work is said in one sentence, before anything is written."""

import json

import numpy as np
import pytest
from PIL import Image
from support import tiny_runs
from support import tiny_training as tiny

from dglgan_tf.cli import entry
from dglgan_tf.data import base as data_base
from dglgan_tf.data import stored
from dglgan_tf.foundation import run_directory
from dglgan_tf.losses import adversarial
from dglgan_tf.networks import base, biggan, files, stylegan2
from dglgan_tf.runs import initial_weights, run_options

TOYS = tiny.toy(num_classes=3)
SOURCE = tiny_runs.synthetic(tiny.SIDE, 3)
SIZES = {"resolution": 32, "num_channels": 1, "num_classes": 3, "ch": 2}


@pytest.fixture
def fails(capsys):
    """Returns a function that runs `train` and returns its last sentence."""

    def attempt(folder, pair=TOYS, source=SOURCE, bindings=None, goal=None, **options):
        tiny_runs.bind(goal or tiny.goal(), 16, tiny.sgd, **(bindings or {}))
        main = lambda argv: tiny_runs.run(folder, pair, source, **options)  # noqa: E731
        assert entry._guarded(main, ["x"]) == entry.USER_ERROR
        shown = capsys.readouterr().err
        assert "Traceback" not in shown
        return shown.strip().split("\n")[-1]

    return attempt


@pytest.fixture(scope="module")
def teachers(tmp_path_factory):
    """Files: a BigGAN pair of 3 classes, a generator alone, a StyleGAN2 judge."""
    folder = tmp_path_factory.mktemp("teachers")
    generator, discriminator = (make() for make in tiny.biggan_pair())
    pair = {"generator": generator, "discriminator": discriminator}
    files.save_networks(folder / "pair.safetensors", pair)
    files.save_networks(folder / "alone.safetensors", {"generator": generator})
    judge = tiny.stylegan2_pair()[1]()
    files.save_networks(folder / "other.safetensors", {"discriminator": judge})
    (folder / "text.safetensors").write_text("not weights")
    return folder


@pytest.mark.parametrize(
    "bindings, sentence",
    [
        ({"Trainer__batch_size": 6, "Trainer__g_microbatches": 4}, "'g'=6 must be a"),
        ({"Trainer__jit": "maybe"}, "Trainer.jit='maybe' must be"),
        ({"Schedule__tick_images": 0}, "Schedule.tick_images=0 must be"),
        ({"Trainer__d_steps": "two"}, "Trainer.d_steps='two' must be an integer"),
    ],
)
def test_bad_options(tmp_path, fails, bindings, sentence):
    assert sentence in fails(tmp_path / "run", bindings=bindings)
    assert not (tmp_path / "run").exists()


def test_missing_data(tmp_path, fails):
    said = fails(tmp_path / "run", source=lambda: stored.images(str(tmp_path / "none")))
    assert str(tmp_path / "none") in said and "no such file or folder" in said
    assert not (tmp_path / "run").exists()


def test_data_of_another_resolution_class_count_and_labels(tmp_path, fails):
    said = fails(tmp_path / "run", source=tiny_runs.synthetic(8, 3))
    assert "images are 8x8, but resolution=4 is asked for" in said
    said = fails(tmp_path / "run", source=tiny_runs.synthetic(tiny.SIDE, 5))
    assert "has 5 classes, but the model has num_classes=3" in said
    said = fails(tmp_path / "run", source=tiny_runs.synthetic(tiny.SIDE, 0))
    assert "has no labels" in said

    def out_of_range():
        images = np.zeros([4, tiny.SIDE, tiny.SIDE, 1], np.uint8)
        return data_base.ArraySource(images, [0, 1, 2, 3], ["a", "b", "c"], "mine")

    said = fails(tmp_path / "run", source=out_of_range)
    assert "mine" in said and "3" in said
    assert not (tmp_path / "run").exists()


def test_an_unreadable_image_is_named(tmp_path, fails):
    for name in "abc":
        (tmp_path / "data" / name).mkdir(parents=True)
        pixels = np.zeros([tiny.SIDE, tiny.SIDE], np.uint8)
        Image.fromarray(pixels).save(tmp_path / "data" / name / "good.png")
    bad = tmp_path / "data" / "b" / "bad.png"
    bad.write_bytes((tmp_path / "data" / "a" / "good.png").read_bytes()[:40])
    said = fails(tmp_path / "run", source=lambda: stored.images(str(tmp_path / "data")))
    assert "bad.png" in said


@pytest.mark.parametrize(
    "name, sentence",
    [
        ("alone", "has no discriminator (it holds ['generator'])"),
        ("other", "has resolution=16, the generator has resolution=32"),
        ("text", "is not a readable safetensors file"),
        ("none", "no weights at"),
    ],
)
def test_teachers_that_cannot_guide(tmp_path, fails, teachers, name, sentence):
    said = fails(
        tmp_path / "run",
        tiny.biggan_pair(),
        tiny_runs.synthetic(32, 3),
        teachers=[str(teachers / f"{name}.safetensors")],
    )
    assert sentence in said
    assert not (tmp_path / "run").exists()


def test_a_teacher_of_other_classes(tmp_path, fails, teachers):
    sizes = {**SIZES, "num_classes": 4}
    pair = (
        lambda: biggan.BigGANGenerator(**sizes, z_dim=8, shared_dim=4),
        lambda: biggan.BigGANDiscriminator(**sizes),
    )
    said = fails(
        tmp_path / "run", pair, tiny_runs.synthetic(32, 4),
        teachers=[str(teachers / "pair.safetensors")],
    )  # fmt: skip
    assert "has num_classes=3, the generator has num_classes=4" in said


def test_a_student_pair_that_does_not_fit(tmp_path, fails):
    said = fails(tmp_path / "run", (TOYS[0], lambda: tiny.Quadratic(3, resolution=8)))
    assert "discriminator has resolution=8, the generator has resolution=4" in said


def test_initial_weights_of_another_width(tmp_path, fails, teachers):
    sizes = {**SIZES, "ch": 4}
    pair = (
        lambda: biggan.BigGANGenerator(**sizes, z_dim=8, shared_dim=4),
        lambda: biggan.BigGANDiscriminator(**sizes),
    )
    said = fails(
        tmp_path / "run", pair, tiny_runs.synthetic(32, 3),
        initialize_from=str(teachers / "pair.safetensors"),
    )  # fmt: skip
    assert "its widths are others (ch 2, here 4)" in said and "train.prune" in said
    assert "pair.safetensors" in said
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_no_run_stops_before_anything_is_built(tmp_path, fails):
    (tmp_path / "thesis.tex").write_text("x")

    def unused():
        raise AssertionError("built")

    said = fails(tmp_path, (unused, unused), unused)
    assert "is not empty and holds no run" in said
    said = fails(tmp_path / "thesis.tex", (unused, unused), unused)
    assert "is a file: name a folder" in said


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of two steps that wants to go on."""
    import gin

    folder = tmp_path_factory.mktemp("finished") / "run"
    tiny_runs.bind(tiny.goal(r1_gamma=1.0), 16, tiny.sgd)
    tiny_runs.run(folder, TOYS, SOURCE)
    gin.clear_config()
    (folder / "DONE").unlink()
    return folder


@pytest.mark.slow
def test_a_run_leaves_what_users_look_for(finished):
    names = {path.name for path in finished.iterdir()}
    assert {
        "training_options.json", "config.gin", "operative_config.gin", "log.txt",
        "stats.jsonl", "reals.png", "fakes_init.png", "fakes000000.png",
        "network-snapshot-000000.safetensors",
    } <= names  # fmt: skip
    assert any(name.startswith("events.out.tfevents") for name in names)
    facts = run_options.facts(finished)
    assert facts["objective"]["r1_gamma"] == 1.0 and facts["seed"] == 1
    record = json.loads((finished / "stats.jsonl").read_text().splitlines()[-1])
    assert record["images"] == 16 and "timing/sec_per_kimg" in record
    log = (finished / "log.txt").read_text()
    assert "tick 0" in log and "kimg 0.0" in log and "sec/kimg" in log
    assert not list(finished.glob(".*"))


@pytest.mark.slow
def test_another_objective_stops_a_resume(finished, fails):
    said = fails(finished, goal=tiny.goal(r1_gamma=2.0))
    assert "Objective.r1_gamma was 1.0 and is 2.0 since" in said
    said = fails(finished, goal=tiny.goal(r1_gamma=1.0, d_loss=adversarial.d_hinge))
    assert "Objective.d_loss was 'd_logistic' and is 'd_hinge'" in said


@pytest.mark.slow
def test_other_networks_stop_a_resume(finished, fails):
    other = (lambda: tiny.Linear(z_dim=4, num_classes=3), TOYS[1])
    said = fails(finished, other, goal=tiny.goal(r1_gamma=1.0))
    assert "Linear.z_dim was 3 and is 4" in said and "new run directory" in said


def test_initialize_takes_the_generator_where_there_is_no_average(teachers):
    from dglgan_tf.training import state

    make_g, make_d = tiny.biggan_pair()
    networks = state.Networks(make_g(), make_d(), make_g())
    initial_weights.initialize(
        networks, dict.fromkeys(initial_weights.ROLES, teachers / "pair.safetensors")
    )
    stored_weights = files.read_tensors(teachers / "pair.safetensors", "generator/")
    for network in (networks.generator, networks.generator_ema):
        for name, variable in base.named_variables(network).items():
            np.testing.assert_array_equal(variable, stored_weights[name], err_msg=name)
    with pytest.raises(ValueError, match="holds .* and no discriminator"):
        initial_weights.initialize(
            networks, {"discriminator": teachers / "alone.safetensors"}
        )


def test_a_done_run_is_left_alone(tmp_path):
    tiny_runs.bind(tiny.goal(), 16, tiny.sgd)
    directory = run_directory.RunDirectory(tmp_path)
    directory.prepare({})
    directory.mark_done("16 images")
    with pytest.raises(ValueError, match="done after 16 images, but holds no snapshot"):
        tiny_runs.run(tmp_path, (None, None), None)
    directory.snapshot_path(16).touch()
    before = sorted(path.name for path in tmp_path.iterdir())
    assert tiny_runs.run(tmp_path, (None, None), None) == {}
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_dry_run_describes_and_writes_nothing(tmp_path, capsys):
    tiny_runs.bind(tiny.goal(r1_gamma=1.0), 1600, tiny.sgd)
    sizes = {"resolution": 16, "num_channels": 1, "channel_max": 16}
    wide = lambda: stylegan2.StyleGAN2Discriminator(**sizes)  # noqa: E731
    tiny_runs.run(
        tmp_path / "run", tiny.stylegan2_pair(), tiny_runs.synthetic(16, 0),
        dry_run=True, teacher_networks=[wide],
    )  # fmt: skip
    shown = capsys.readouterr().out
    assert "200 steps of 8 images, phases g, d, d_reg" in shown
    assert "Schedule.total_images = 1600" in shown
    assert "teacher D" in shown and "student G" in shown
    assert not (tmp_path / "run").exists()
