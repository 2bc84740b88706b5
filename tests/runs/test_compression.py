"""A teacher's file, images and a budget become a recipe that runs by gin alone."""

import json
import shutil

import gin
import numpy as np
import pytest
from PIL import Image

from dglgan_tf import api
from dglgan_tf.compat import tf
from dglgan_tf.config import gin_files
from dglgan_tf.cost import macs
from dglgan_tf.deploy import exported
from dglgan_tf.foundation import run_directory
from dglgan_tf.networks import biggan_deep, files
from dglgan_tf.runs import compression, recipe

TEACHER = "bundled/fashion_biggan_teacher"


_designs: dict = {}


@pytest.fixture
def near(monkeypatch):
    """Leaves out the measurement of the teacher; solves for each budget once."""
    monkeypatch.setattr(compression, "check_distance", lambda *_: None)
    real = compression.design

    def design(wish, teacher, asked):
        key = teacher.generator["class"], tuple(asked), wish.keep
        if key not in _designs:
            _designs[key] = real(wish, teacher, asked)
        return _designs[key]

    monkeypatch.setattr(compression, "design", design)


def wish(**changes):
    given = {"teacher": TEACHER, "data": "embedded", "budget": "50%", "kimg": 0.064}
    return compression.Wish(**{**given, **changes})


def prepare(tmp_path, said=None, **options):
    said = [] if said is None else said
    changes = {
        k: options.pop(k) for k in list(options) if k not in ("dry_run", "force")
    }
    return compression.prepare(
        wish(**changes), tmp_path / "c", tmp_path / "cache", say=said.append, **options
    )


def test_the_recipe_is_what_was_asked_for(tmp_path, near):
    said = []
    path = prepare(tmp_path, said, budget="50%,12%params", kimg=3.2)
    assert path == tmp_path / "c" / "recipe.gin"
    text = "\n".join(said)
    assert "stage s50 (50%): 3,200 images" in text
    assert "stage s12params_control: the same without guidance" in text
    gin_files.parse([str(path)], [])
    assert gin.query_parameter("compress.stages") == [
        "s50", "s50_control", "s12params", "s12params_control",
    ]  # fmt: skip
    assert gin.query_parameter("Schedule.total_images") == 3200
    with gin.config_scope("s50"):
        kind = gin.query_parameter("s50/train.generator").scoped_configurable_fn
        student = kind()
    whole = files.load_generator(run_directory.find_weights(TEACHER))[0]
    share = macs.count(student).macs / macs.count(whole).macs
    assert 0.45 < share <= 0.5
    assert gin.query_parameter("s50/train.teachers")
    with pytest.raises(ValueError):
        gin.query_parameter("s50_control/train.teachers")
    kept = (tmp_path / "c/teacher/networks.safetensors").read_bytes()
    assert kept == run_directory.find_weights(TEACHER).read_bytes()


def test_the_same_again_keeps_the_recipe_and_another_is_refused(tmp_path, near):
    path = prepare(tmp_path)
    path.write_text(path.read_text() + "# mine\n")
    assert prepare(tmp_path) == path and path.read_text().endswith("# mine\n")
    with pytest.raises(ValueError, match="begun with budget='50%'; give the same"):
        prepare(tmp_path, budget="25%")
    (tmp_path / "c/compression.json").write_text("[]")
    with pytest.raises(ValueError, match="compression.json holds no JSON of the right"):
        prepare(tmp_path)
    shutil.rmtree(tmp_path / "c")
    (tmp_path / "c").mkdir()
    (tmp_path / "c/other").touch()
    with pytest.raises(ValueError, match="not empty and holds no compression"):
        prepare(tmp_path)


def test_a_dry_run_writes_nothing(tmp_path, near):
    said = []
    assert prepare(tmp_path, said, dry_run=True) is None
    assert any(line.startswith("stage s50") for line in said)
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"budget": "400G"}, "not below the teacher's own cost"),
        ({"budget": "1k"}, "even widths .* cost"),
        ({"budget": "12%,12.001%"}, "lead to the same student"),
        ({"keep": (99,)}, "keep=.* must be from 0"),
        ({"data": "synthetic"}, "images of 3 channels, the teacher draws 1"),
        ({"data": "nowhere"}, "nowhere"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_written(
    tmp_path, near, changes, words
):
    with pytest.raises(ValueError, match=words):
        prepare(tmp_path, **changes)
    assert not (tmp_path / "c").exists()


def pictures(folder, side, classes, mode="L"):
    for number in range(3 * classes):
        place = folder / str(number % classes) / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.RandomState(number).randint(0, 256, [side, side], np.uint8)
        Image.fromarray(pixels).convert(mode).save(place)
    return str(folder)


def test_images_that_are_not_the_teacher_s(tmp_path, near):
    small = pictures(tmp_path / "small", 16, 10)
    with pytest.raises(ValueError, match="16x16 images, the teacher draws 32x32"):
        prepare(tmp_path, data=small)
    few = pictures(tmp_path / "few", 32, 3)
    with pytest.raises(ValueError, match="has 3 classes, the teacher 10"):
        prepare(tmp_path, data=few)
    path = prepare(tmp_path, data=small, fit="stretch")
    assert "Conversion.resolution = 32" in path.read_text()


def test_a_teacher_far_from_the_images_is_told(tmp_path, monkeypatch):
    class Judge:
        def subject(self, name):
            return name

        def evaluate(self, subject, progress=None):
            return [{"value": 0.7}]

        def close(self):
            pass

    monkeypatch.setattr(compression.judge, "open_judge", lambda *_, **__: Judge())
    with pytest.raises(ValueError, match="is 0.7, above 0.4.*--force"):
        prepare(tmp_path)
    assert not (tmp_path / "c").exists()
    assert prepare(tmp_path, force=True).is_file()


def test_a_teacher_without_discriminator_gets_one_first(tmp_path, near):
    alone = files.load_networks(run_directory.find_weights(TEACHER), ["generator_ema"])
    files.save_networks(tmp_path / "g.safetensors", alone)
    said = []
    path = prepare(tmp_path, said, teacher=str(tmp_path / "g.safetensors"))
    assert any(line.startswith("stage fitted") for line in said)
    gin_files.parse([str(path)], [])
    stages = gin.query_parameter("compress.stages")
    assert stages == ["fitted", "s50", "s50_control"]
    assert gin.query_parameter("s50/train.teachers") == ["fitted"]
    deep = biggan_deep.BigGANDeepGenerator(
        resolution=32, num_channels=1, num_classes=10, ch=4, z_dim=8, shared_dim=4
    )
    files.save_networks(tmp_path / "deep.safetensors", {"generator_ema": deep})
    with pytest.raises(ValueError, match="is a BigGANDeepGenerator: students are made"):
        prepare(tmp_path / "deep", teacher=str(tmp_path / "deep.safetensors"))


class Ended:
    """A command that ended well."""

    returncode, stdout = 0, ("done\n",)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


@pytest.mark.slow
def test_python_says_what_the_command_refuses(tmp_path):
    with pytest.raises(ValueError, match="no teacher at 'nowhere'"):
        api.compress("nowhere", "embedded", "25%", outdir=str(tmp_path), kimg=1)
    assert not any(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Even though the")  # tf.data stays a graph
@pytest.mark.parametrize("family", ["biggan", "stylegan2"])
def test_from_a_teacher_to_a_judged_student(tmp_path, near, monkeypatch, family):
    """All stages, BigGAN with fitting; metrics and formats have tests of their own."""
    weights = run_directory.find_weights(f"bundled/fashion_{family}_teacher")
    held = ["generator_ema"] + ["discriminator"] * (family == "stylegan2")
    files.save_networks(tmp_path / "g.safetensors", files.load_networks(weights, held))
    path = prepare(tmp_path, teacher=str(tmp_path / "g.safetensors"), budget="12%")
    changes = [
        "Trainer.batch_size = 8",
        "Schedule.total_images = 8",
        "Schedule.tick_images = 8",
        "diversity_aware.images = 16",
        "Comparison.metrics = []",
        "Comparison.formats = ['saved_model']",
        "Comparison.latency_rounds = 2",
    ]
    gin_files.parse([str(path)], [*changes, "compress.compare = None"])
    tf.config.run_functions_eagerly(True)  # steps cost less than a trace
    try:
        recipe.run(str(tmp_path / "c"))
    finally:
        tf.config.run_functions_eagerly(False)
    gin_files.parse([str(path)], changes)
    done = recipe.run(str(tmp_path / "c"))
    first = ["fitted"] if family == "biggan" else []
    assert list(done) == [*first, "s12", "s12_control"]
    assert all(directory.is_done for directory in done.values())
    table = (tmp_path / "c/comparison.txt").read_text()
    assert "guided 12%" in table and "control 12%" in table
    folder = tmp_path / "c/export/guided_12/saved_model"
    made = exported.load(folder).images(range(2))
    assert made.shape == (2, 32, 32, 1) and np.isfinite(made).all()
    options = json.loads((tmp_path / "c/s12/training_options.json").read_text())
    assert options["teachers"]
    student = files.load_generator(done["s12"].latest_snapshot())[0]
    shutil.move(tmp_path / "c", tmp_path / "g-embedded")
    monkeypatch.setattr(api.subprocess, "Popen", lambda *_, **__: Ended())
    found = api.compress(str(tmp_path / "g.safetensors"), "embedded", "12%", tmp_path)
    assert found.students["12%"].get_config() == student.get_config()
    rows = [row["network"] for row in found.scores]
    assert rows == ["teacher", "guided 12%", "control 12%"]
    assert (found.exports["12%"] / "saved_model").is_dir()
    costs = [macs.count(g).macs for g in (student, files.load_generator(weights)[0])]
    assert 0.1 < costs[0] / costs[1] <= 0.12
