"""Finding and parsing gin files: strict, in order, and nothing of theirs runs."""

import sys

import gin
import pytest

from dglgan_tf.config import gin_files
from dglgan_tf.foundation import sentences


def test_gin_files_are_found_by_path_and_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.gin").write_text("")
    assert gin_files.find_gin_file("mine.gin") == "mine.gin"
    named = {gin_files.find_gin_file(n) for n in ("biggan128", "gin/biggan128.gin")}
    assert len(named) == 1 and named.pop().endswith("gin/biggan128.gin")


def test_a_missing_gin_file_names_close_matches(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ValueError, match="no gin file 'fashion_bigan.gin'.*did you mean"
    ):
        gin_files.parse(["fashion_bigan.gin"], [])


@pytest.mark.parametrize(
    "binding, sentence",
    [
        ("Trainer.batch_siz = 3", "configuration: .*batch_siz"),
        ("Traner.batch_size = 3", "configuration: .*Traner"),
        ("Trainer.batch_size = ", "configuration: "),
        ("Objective.d_loss = @d_hing", "configuration: .*d_hing"),
        ("d_hinge.real_logits = 1", "configuration: .*real_logits"),
    ],
)
def test_unknown_names_and_values_are_errors(binding, sentence):
    with pytest.raises(ValueError, match=sentence) as raised:
        gin_files.parse([], [binding])
    assert "\n" not in sentences.sentence(raised.value)


def test_later_bindings_win_over_files(tmp_path):
    path = tmp_path / "a.gin"
    path.write_text("Schedule.total_images = 5\nSchedule.tick_images = 6\n")
    gin_files.parse([str(path)], ["Schedule.tick_images = 7"])
    assert gin.query_parameter("Schedule.total_images") == 5
    assert gin.query_parameter("Schedule.tick_images") == 7


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    """Writes a module with a configurable into the folder that the command runs in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    (tmp_path / "my_losses.py").write_text(
        "import gin\n\n@gin.configurable(module='mine')\n"
        "def softened(real_logits, fake_logits, factor: float = 1.0):\n"
        "    return factor * (fake_logits - real_logits)\n"
    )
    yield "my_losses"
    sys.modules.pop("my_losses", None)


def test_a_module_of_ones_own_is_imported_by_the_flag_alone(own_module):
    binding = ["Objective.d_loss = @mine.softened", "softened.factor = 2.0"]
    with pytest.raises(ValueError, match="softened"):
        gin_files.parse([], binding)
    gin_files.parse([], binding, [own_module])
    assert gin.query_parameter("softened.factor") == 2.0
    with pytest.raises(ValueError, match="factr"):  # as strict as for ours
        gin_files.parse([], ["softened.factr = 2.0"], [own_module])


@pytest.mark.parametrize(
    "name, words",
    [
        ("no_such_module_here", "cannot be imported: No module named"),
        ("", "must be the name of a Python module"),
        ("./mine.py", "must be the name of a Python module"),
    ],
)
def test_a_module_that_is_not_there_is_said(name, words):
    with pytest.raises(ValueError, match=f"^--gin_import={name} {words}"):
        gin_files.parse([], [], [name])


def test_reading_needs_no_known_names_and_binds_nothing(tmp_path):
    (tmp_path / "a.gin").write_text("Nobody.knows = @this()\n")
    before = gin.config_str()
    read = gin_files.read([str(tmp_path / "a.gin")], ["x = 1"])
    assert gin.config_str() == before
    with pytest.raises(ValueError, match="Nobody|this"):
        gin_files.bind(read)


def test_what_was_read_is_what_is_parsed(tmp_path):
    """A file that changes in between, or is a pipe, is read once."""
    path = tmp_path / "a.gin"
    path.write_text("include 'data/embedded.gin'\nSchedule.total_images = 5\n")
    read = gin_files.read([str(path)])
    path.write_text("import os\nSchedule.total_images = 6\n")
    gin_files.bind(read)
    assert gin.query_parameter("Schedule.total_images") == 5
    assert gin.query_parameter("train.source").selector == "embedded"
