"""What a stranger's gin file may do: name what the package knows, and nothing else."""

import pytest

from dglgan_tf.config import gin_files, gin_reading
from dglgan_tf.foundation import run_directory

RUNS_CODE = {
    "an import": "import stranger",
    "an import under another name": "import stranger as harmless",
    "an import from": "from stranger import payload",
    "a module of ours": "import dglgan_tf.train",
    "dynamic registration": (
        "from __gin__ import dynamic_registration\nimport subprocess\n"
        "train.source = @subprocess.getoutput\nsubprocess.getoutput.cmd = 'touch ran'"
    ),
    "dynamic registration, imported": "import __gin__.dynamic_registration",
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a module that leaves a trace where it is imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "stranger.py").write_text("open('ran', 'w').close()\npayload = print\n")
    yield tmp_path
    assert not (tmp_path / "ran").exists()


def refuse(names, bindings=(), words="configuration: "):
    """Parses; returns the sentence of the refusal."""
    with pytest.raises(ValueError, match=words) as raised:
        gin_files.parse(names, list(bindings))
    text = str(raised.value)
    assert text.startswith("configuration: ") and "\n" not in text and len(text) < 600
    return text


@pytest.mark.parametrize("kind", RUNS_CODE)
def test_nothing_of_a_file_runs(place, kind):
    (place / "a.gin").write_text("x = 1\n" + RUNS_CODE[kind] + "\n")
    said = refuse(["a.gin"], words="is refused")
    assert "a.gin, line 2: " in said and "--gin_import=MODULE" in said


@pytest.mark.parametrize("kind", RUNS_CODE)
def test_nor_of_an_included_file_nor_of_a_binding(place, kind):
    (place / "inner.gin").write_text(RUNS_CODE[kind] + "\n")
    (place / "outer.gin").write_text("include 'inner.gin'\n")
    assert "inner.gin, line 1: " in refuse(["outer.gin"], words="is refused")
    refuse([], [RUNS_CODE[kind]], "is refused")
    refuse([], ["include 'outer.gin'"], "is refused")


@pytest.mark.parametrize(
    "line",
    [
        "train.source = @subprocess.getoutput",
        "train.source = @os.system()",
        "train.source = @stranger.payload",
        "subprocess.getoutput.cmd = 'touch ran'",
        "builtins.eval.source = 'open(1)'",
    ],
)
def test_unknown_modules_are_refused(place, line):
    refuse([], [line])


@pytest.mark.parametrize("length", [1, 2, 3, 25])
def test_files_that_include_each_other_end_in_a_short_sentence(place, length):
    for index in range(length):
        text = f"include '{(index + 1) % length}.gin'\n"
        (place / f"{index}.gin").write_text(text)
    said = refuse(["0.gin"], words="0.gin includes itself")
    assert said.endswith(f"remove the line include '0.gin' from {length - 1}.gin")
    assert len(said) < 150


def test_a_loop_under_two_names_is_one_too(place):
    (place / "a.gin").write_text(f"include '{place}/./b.gin'\n")
    (place / "b.gin").symlink_to("a.gin")
    refuse(["a.gin"], words="includes itself")


def test_includes_that_multiply_end(place):
    for index in range(25):  # 2**25 files, were they all read
        (place / f"{index}.gin").write_text(f"include '{index + 1}.gin'\n" * 2)
    (place / "25.gin").write_text("")
    refuse(["0.gin"], words="one included file too many")


def test_includes_that_go_deep_end(place):
    for index in range(gin_reading.MOST_DEPTH + 1):
        (place / f"{index}.gin").write_text(f"include '{index + 1}.gin'\n")
    refuse(["0.gin"], words="one included file too many")


@pytest.mark.parametrize(
    "content, words",
    [
        (b"\xff\xfe\x00", "no text in UTF-8"),
        (b"x = 1\0", "zero bytes"),
        (b"# " + b"x" * gin_reading.MOST_BYTES, "more than 1048576 bytes"),
        (b"x = " + b"[" * 3000, "configuration: "),
        (b"x = " + b"9" * 5000, "configuration: "),
        (b"Schedule.total_images = ", "configuration: "),
    ],
)
def test_files_that_are_no_gin_files(place, content, words):
    (place / "a.gin").write_bytes(content)
    refuse(["a.gin"], words=words)


def test_a_missing_included_file_names_close_matches(place):
    (place / "a.gin").write_text("include 'toy/fashion_bigan.gin'\n")
    refuse(["a.gin"], words="did you mean .*toy/fashion_biggan.gin")


def test_a_byte_order_mark_and_line_ends_of_windows_pass(place):
    (place / "a.gin").write_bytes(b"\xef\xbb\xbfSchedule.total_images = 5\r\n")
    gin_files.parse(["a.gin"], [])


STUDENT = "train.generator = @student/BigGANGenerator"


@pytest.mark.parametrize(
    "lines, words",
    [
        (["nonsense/Schedule.total_images = 3"], "nobody uses the scope 'nonsense'"),
        ([STUDENT, "studnt/BigGANGenerator.ch = 3"], "did you mean student"),
        (
            ["compress.stages = ['guided']", "guidd/train.seed = 3"],
            "nor a stage of that name in compress.stages; did you mean guided",
        ),
        (["ALL = ['guided']", "compress.stages = %ALL", "all/train.seed = 3"], "'all'"),
        (["train.generator = @a/b/BigGANGenerator", "b/BigGANGenerator.ch = 3"], "'b'"),
        (["a/Schedule:\n  total_images = 3"], "a/Schedule.total_images"),
    ],
)
def test_a_scope_that_nobody_uses_is_said(lines, words):
    refuse([], lines, words)


@pytest.mark.parametrize(
    "lines",
    [
        [STUDENT, "student/BigGANGenerator.ch = 3"],
        ["train.generator = @a/b/BigGANGenerator", "a/BigGANGenerator.ch = 3"],
        ["train.teacher_networks = [@t/BigGANGenerator]", "t/BigGANGenerator.ch = 3"],
        ["compress.stages = ['guided']", "guided/train.seed = 3"],
        ["ALL = ['guided']", "compress.stages = %ALL", "guided/train.seed = 3"],
        ["A = 'guided'", "compress.stages = [%A]", "guided/train.seed = 3"],
        # What a later line replaces was meant to be used: nothing is misspelt.
        [
            STUDENT,
            "student/BigGANGenerator.ch = 3",
            "train.generator = @BigGANGenerator",
        ],
        ["compress.stages = ['a', 'b']", "a/train.seed = 3", "compress.stages = ['b']"],
        ["a/NAME = 3", "Schedule.total_images = %a/NAME"],
    ],
)
def test_scopes_that_are_used_pass(lines):
    gin_files.parse([], lines)


def test_what_a_run_wrote_about_itself_parses(tmp_path):
    """Its overridden references are gone, their bindings are not."""
    path = tmp_path / "config.gin"
    path.write_text("g/adam.learning_rate = 0.1\nTrainer.g_optimizer = @sgd\n")
    refuse([str(path)], words="nobody uses the scope 'g'")
    (tmp_path / run_directory.MARKER).write_text("{}")
    gin_files.parse([str(path)], [])
