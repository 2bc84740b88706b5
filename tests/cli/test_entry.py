"""What every command does alike: sentences, exit codes, help."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dglgan_tf.cli import entry

REPOSITORY = Path(__file__).resolve().parents[2]


def command(*arguments, folder, first_on_path=REPOSITORY):
    """Runs `python -m dglgan_tf.train` in a folder."""
    path = os.pathsep.join([str(first_on_path), str(REPOSITORY)])
    return subprocess.run(
        [sys.executable, "-m", "dglgan_tf.train", *arguments],
        env={**os.environ, "PYTHONPATH": path},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture
def blocked(tmp_path):
    """A folder whose `tensorflow` cannot be imported."""
    (tmp_path / "tensorflow.py").write_text("raise SystemExit('imported tensorflow')")
    return tmp_path


def test_help_needs_no_tensorflow_and_lists_all_flags(blocked):
    done = command("--help", folder=blocked, first_on_path=blocked)
    assert done.returncode == 0, done.stderr
    for flag in ("--gin_file", "--gin_param", "--run_dir", "--[no]dry_run"):
        assert flag in done.stdout
    assert "continues where it stopped" in done.stdout


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (
            ["--gin_fil=x"],
            "unknown flag --gin_fil; did you mean --gin_file",
        ),
        (
            ["biggan128.gin"],
            "unexpected argument 'biggan128.gin': options start with --",
        ),
        ([], "no --gin_file given"),
        (["--gin_file=bigan128"], "did you mean biggan128.gin"),
    ],
)
def test_mistakes_on_the_command_line_end_at_once(blocked, arguments, sentence):
    done = command(*arguments, folder=blocked, first_on_path=blocked)
    assert done.returncode == 2
    assert sentence in done.stderr and "Traceback" not in done.stderr
    assert done.stderr.startswith("train.py: ") and done.stderr.count("\n") == 1
    assert sorted(os.listdir(blocked)) == ["tensorflow.py"]


def test_a_missing_value_is_the_users_to_mend(capsys):
    from dglgan_tf.runs import schedule

    assert entry._guarded(lambda argv: schedule.Schedule(), ["x"]) == entry.USER_ERROR
    assert "total_images" in capsys.readouterr().err


def raising(error):
    def main(argv):
        raise error

    return main


@pytest.mark.parametrize(
    "error, code, text",
    [
        (ValueError("a=1 must\n  be 2"), 2, "a=1 must be 2"),
        (FileNotFoundError(2, "No such file", "x"), 2, "No such file: 'x'"),
        (FloatingPointError("not finite"), 3, "not finite"),
        (KeyboardInterrupt(), 130, "stopped"),
    ],
)
def test_errors_become_a_sentence_and_a_code(capsys, error, code, text):
    assert entry._guarded(raising(error), ["x"]) == code
    shown = capsys.readouterr().err
    assert text in shown and shown.count("\n") == 1 and "Traceback" not in shown


def test_a_reader_that_has_enough_ends_the_command_quietly():
    code = (
        "from dglgan_tf.cli import entry\n"
        "def main(argv):\n"
        "    for i in range(100_000): print('line', i)\n"
        "entry.run_entry(main)\n"
    )
    shell = f'"{sys.executable}" -c "$CODE" | head -n 1; echo ${{PIPESTATUS[0]}}'
    done = subprocess.run(
        ["bash", "-c", shell], check=False, capture_output=True, text=True,
        env={**os.environ, "CODE": code}, cwd=REPOSITORY, timeout=120,
    )  # fmt: skip
    assert done.stdout == "line 0\n0\n" and done.stderr == ""


@pytest.mark.parametrize("error", [RuntimeError("x"), TypeError("x"), KeyError("x")])
def test_defects_keep_their_traceback(error):
    with pytest.raises(type(error)):
        entry._guarded(raising(error), ["x"])


def test_an_error_inside_tf_data_is_named(capsys):
    from dglgan_tf.compat import tf

    def broken(index):
        raise ValueError(f"image {index}.png cannot be read: replace it")

    def main(argv):
        for _ in tf.data.Dataset.range(3).map(
            lambda i: tf.numpy_function(broken, [i], tf.int64)
        ):
            pass

    assert entry._guarded(main, ["x"]) == entry.USER_ERROR
    shown = capsys.readouterr().err
    assert "image 0.png cannot be read: replace it" in shown
    assert "Traceback" not in shown and shown.count("\n") == 1


def test_an_error_of_tensorflow_itself_is_a_defect():
    from dglgan_tf.compat import tf

    with pytest.raises(tf.errors.InvalidArgumentError):
        entry._guarded(lambda argv: tf.reshape([1, 2], [3]), ["x"])


@pytest.mark.slow
def test_an_unknown_gin_name_through_the_command(tmp_path):
    done = command(
        "--gin_file=biggan128", "--gin_param=Trainer.batch_siz=3", folder=tmp_path
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr
    last = done.stderr.strip().split("\n")[-1]
    assert last.startswith("train.py: configuration: ") and "batch_siz" in last
    assert not list(tmp_path.iterdir())
