"""The wheel works outside a clone: gin files, bundled data, console scripts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel built and installed alone into a folder; nothing of the clone's."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(REPOSITORY)],
        check=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=600,
    )
    (wheel,) = folder.glob("*.whl")
    target = folder / "site"
    subprocess.run(
        [*pip, "install", "--no-deps", "--target", str(target), str(wheel)],
        check=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=600,
    )
    return target


def _call(installed, *command):
    environment = {**os.environ, "PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"}
    return subprocess.run(
        [sys.executable, *command],
        cwd=installed.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_gin_files_are_found_by_name(installed):
    found = _call(
        installed,
        "-m",
        "dglgan_tf.compress",
        "--gin_file=gin/fashion_biggan.gin",
        "--gin_param=train.source = @embedded",
        "--dry_run",
    )
    assert found.returncode == 0, found.stderr
    assert "student G" in found.stdout and "MACs" in found.stdout


def test_embedded_and_bundled_data_travel(installed):
    code = (
        "import dglgan_tf, pathlib\n"
        "from dglgan_tf.foundation import run_directory\n"
        "from dglgan_tf.data import sources\n"
        "print(pathlib.Path(dglgan_tf.__file__).parent)\n"
        "print(sources.embedded().num_examples)\n"
        "print(run_directory.find_weights('bundled/fashion_biggan_teacher').name)\n"
    )
    found = _call(installed, "-c", code)
    assert found.returncode == 0, found.stderr
    place, count, name = found.stdout.split()
    assert Path(place) == installed / "dglgan_tf"
    assert (count, name) == ("10000", "fashion_biggan_teacher.safetensors")


@pytest.mark.parametrize(
    "name",
    [
        "-train", "-compress", "-sample", "-export", "-evaluate", "-design", "-explore",
        "-demo", "-convert", "-prepare", "",
    ],
)  # fmt: skip
def test_console_scripts_exist_and_answer(installed, name):
    given = ["--help"] if name else ["convert", "--help"]
    found = _call(installed, str(installed / "bin" / f"dglgan{name}"), *given)
    assert "flags:" in found.stdout and "--" in found.stdout, found.stderr
