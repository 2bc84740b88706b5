"""The one command `dglgan`: `dglgan_tf/__main__.py`."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import dglgan_tf
from dglgan_tf import __main__ as dglgan

REPOSITORY = Path(__file__).resolve().parents[1]


def run(*arguments):
    """Runs `python -m dglgan_tf` where TensorFlow and numpy cannot be imported."""
    code = (
        "import runpy, sys\n"
        "sys.modules['tensorflow'] = sys.modules['numpy'] = None\n"
        "sys.argv = ['dglgan', *sys.argv[1:]]\n"
        "runpy.run_module('dglgan_tf', run_name='__main__')\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        timeout=120,
        check=False,
    )


def test_the_list_is_that_of_the_package_and_of_its_scripts():
    files = {path.stem for path in (REPOSITORY / "dglgan_tf").glob("*.py")}
    assert set(dglgan.COMMANDS) == files - {"__init__", "__main__", "api", "compat"}
    tree = ast.parse((REPOSITORY / "setup.py").read_text())
    (entries,) = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "ENTRIES"
    ]
    assert sorted(entries) == sorted(dglgan.COMMANDS)


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_it_lists_the_commands_on_a_line_each(capsys, arguments):
    assert dglgan.main(["dglgan", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in dglgan.COMMANDS:
        assert sum(line.split()[:1] == [name] for line in lines) == 1
    assert max(map(len, lines)) <= 88


def test_its_version(capsys):
    assert dglgan.main(["dglgan", "--version"]) == 0
    assert capsys.readouterr().out == f"dglgan_tf {dglgan_tf.__version__}\n"


@pytest.mark.parametrize(
    "name, words",
    [
        ("trian", "no command 'trian'; did you mean train"),
        ("convert_checkpoint", "did you mean convert"),
        ("prepare_dataset", "did you mean prepare"),
        ("--gin_file=x", "dglgan --help lists them"),
        ("x" * 5000, "dglgan --help lists them"),
        ("api", "no command 'api'"),
    ],
)
def test_a_misspelt_command_gets_the_nearest(capsys, name, words):
    assert dglgan.main(["dglgan", name]) == dglgan.USER_ERROR
    said = capsys.readouterr()
    assert words in said.err and said.err.count("\n") == 1 and len(said.err) < 300
    assert said.out == ""


def test_it_runs_a_command_with_its_flags_and_exit_code():
    shown = run("help", "train")
    assert shown.returncode == 0, shown.stderr
    assert "continues where it stopped" in shown.stdout
    assert "--gin_import" in shown.stdout
    assert run("train", "--help").stdout == shown.stdout
    refused = run("convert", "--source=x")
    assert refused.returncode == 2
    assert refused.stderr == "dglgan convert: no --dest given, see --help\n"
    listed = run()
    assert listed.returncode == 0 and "prepare" in listed.stdout, listed.stderr
