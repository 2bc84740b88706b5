"""Recipes run their stages in order, each once, each in its own scope."""

import shutil
from pathlib import Path

import gin
import pytest

from dglgan_tf.config import gin_files
from dglgan_tf.foundation import run_directory
from dglgan_tf.runs import recipe, stage, stage_choice, training_run


@pytest.fixture
def started(monkeypatch):
    """Replaces `training_run.run`; returns the list of (folder, scope, total, dry)."""
    calls = []

    def run(run_dir, dry_run=False, siblings=None, planned=(), hosts=None):
        from dglgan_tf.runs import schedule

        if run_directory.RunDirectory(run_dir).is_done:
            return {}
        total = schedule.Schedule().total_images
        calls.append((run_dir, gin.current_scope_str(), total, dry_run, siblings))
        return {}

    monkeypatch.setattr(training_run, "run", run)
    return calls


def stages(*names, bindings=()):
    wanted = [f"compress.stages = {list(names)}", "Schedule.total_images = 1"]
    gin_files.parse([], [*wanted, *bindings])


def test_stages_run_in_order_in_their_scopes(tmp_path, started):
    stages("teacher", "student", bindings=["student/Schedule.total_images = 7"])
    done = recipe.run(str(tmp_path))
    root = str(tmp_path)
    assert started == [
        (f"{root}/teacher", "teacher", 1, False, root),
        (f"{root}/student", "student", 7, False, root),
    ]
    assert list(done) == ["teacher", "student"]


def test_a_done_stage_is_not_started_again(tmp_path, started):
    stages("teacher", "student")
    directory = run_directory.RunDirectory(tmp_path / "teacher")
    directory.prepare({})
    directory.mark_done("x")
    recipe.run(str(tmp_path))
    assert [call[1] for call in started] == ["student"]


def test_a_dry_run_goes_through_all_stages(tmp_path, started):
    stages("a", "b", "c")
    recipe.run(str(tmp_path), dry_run=True)
    assert [call[3] for call in started] == [True] * 3
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("names", [(), ("a", "a")])
def test_stages_must_be_distinct_names(tmp_path, names):
    stages(*names)
    with pytest.raises(ValueError, match="compress.stages="):
        recipe.run(str(tmp_path))


ROW = [
    "train.initialize_from = 'student'",
    "train.teachers = ['teacher']",
    "student/train.initialize_from = None",
    "student/train.teachers = []",
]
BUNDLED = run_directory.find_weights("bundled/fashion_biggan_student")


def row():
    """The structure of a published row: unscoped = the guided stage."""
    stages("teacher", "student", "guided", bindings=ROW)


def weights(folder):
    """Puts a snapshot into a run's folder."""
    Path(folder).mkdir(parents=True)
    shutil.copy(BUNDLED, Path(folder) / "network-snapshot-000001.safetensors")


def test_train_runs_the_guided_stage_or_the_named_one(tmp_path, started):
    row()
    root = str(tmp_path / "row")
    weights(f"{root}/teacher")
    weights(f"{root}/student")
    stage.train(stage_choice.stage_to_train(None), root)
    stage.train(stage_choice.stage_to_train("student"), root)
    assert started == [
        (f"{root}/guided", "guided", 1, False, root),
        (f"{root}/student", "student", 1, False, root),
    ]


def test_compress_continues_what_train_began(tmp_path, started):
    """Both put a stage into the same folder."""
    row()
    stage.train("student", str(tmp_path))
    recipe.run(str(tmp_path))
    folders = [call[0] for call in started]
    assert folders[0] == folders[2] == f"{tmp_path}/student"


def test_a_file_without_stages_is_one_training(tmp_path, started):
    gin_files.parse([], ["Schedule.total_images = 3"])
    chosen = stage_choice.stage_to_train(None)
    stage.train(chosen, "runs/x")
    stage.train(chosen, "runs/x", run_dir=str(tmp_path))
    assert started == [
        ("runs/x", "", 3, False, None),
        (f"{tmp_path}", "", 3, False, None),
    ]


@pytest.mark.parametrize(
    "names, wanted, sentence",
    [
        ((), "guided", "--stage=guided: the configuration has no stages"),
        (("a", "guided"), "b", "--stage=b must be one of a, guided"),
        (("a", "b"), None, "the stages a, b, and none is named 'guided'"),
    ],
)
def test_a_stage_that_is_not_there(names, wanted, sentence):
    gin_files.parse([], [f"compress.stages = {list(names)}"])
    with pytest.raises(ValueError, match=sentence):
        stage_choice.stage_to_train(wanted)


@pytest.mark.parametrize("dry", [False, True])
def test_weights_of_a_stage_that_did_not_run(tmp_path, started, dry):
    row()
    weights(tmp_path / "teacher")
    with pytest.raises(
        ValueError, match="needs weights of student, .*--stage.*compress"
    ):
        stage.train("guided", str(tmp_path), dry_run=dry)
    assert len(started) == dry  # a dry run has described the training by then
    stage.train("student", str(tmp_path), dry_run=dry)  # which needs none
    done = run_directory.RunDirectory(tmp_path / "guided")
    done.prepare({})
    done.mark_done("x")
    stage.train("guided", str(tmp_path))  # nothing to train: nothing is missing


def test_a_named_folder_has_the_stages_beside_it(tmp_path, started):
    row()
    weights(tmp_path / "teacher")
    weights(tmp_path / "student")
    stage.train("guided", "runs/row", run_dir=str(tmp_path / "mine"))
    assert started == [(f"{tmp_path}/mine", "guided", 1, False, str(tmp_path))]


def test_runs_of_an_earlier_version_go_on(tmp_path, started, monkeypatch):
    """There the guided run lay in `runs/ROW`, stage one in `runs/..._stage1`."""
    monkeypatch.chdir(tmp_path)
    weights("runs/biggan_cifar10_stage1")
    weights("runs/biggan_cifar10_teacher")
    run_directory.RunDirectory("runs/biggan_cifar10").prepare({})
    row()
    stage.train("guided", "runs/biggan_cifar10")
    assert started == [("runs/biggan_cifar10", "guided", 1, False, "runs")]
    with gin.config_scope("guided"):
        bound = gin.get_bindings("train")
    assert bound["initialize_from"] == "runs/biggan_cifar10_stage1"
    assert bound["teachers"] == ["runs/biggan_cifar10_teacher"]
    row()  # a stage of today is taken before one of an earlier version
    weights("runs/student")
    stage.train("guided", "runs/biggan_cifar10")
    assert gin.get_bindings("train")["initialize_from"] == "student"


def test_the_command_line_wins_over_what_a_file_says_of_one_stage():
    file = [
        *ROW,
        "compress.stages = ['student', 'guided']",
        "guided/Schedule.total_images = 5",
    ]
    given = [
        "Schedule.total_images=7",
        "Schedule.tick_images = 2",
        "student/Schedule.total_images = 8",
        "RESOLUTION = 4",
    ]
    gin_files.parse([], [*file, *given])
    assert stage_choice.for_stage(None, given) == []
    assert stage_choice.for_stage("guided", given) == ["guided/Schedule.total_images=7"]
