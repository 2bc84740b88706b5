"""Recipes run their stages in order, each once, each in its own scope."""

import gin
import pytest

from dglgan_tf.runs import training_run, recipe
from dglgan_tf.config import gin_files
from dglgan_tf.foundation import run_directory


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
