"""Code is run from folders of this user alone; there is a cache for everybody."""

import os
import stat
import subprocess
import sys

import pytest

from dglgan_tf.foundation import cache_folder

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SAY = """
from dglgan_tf.foundation import cache_folder
import os, sys
folder = cache_folder.find(os.environ.get("DGLGAN_CACHE"))
assert os.access(folder, os.W_OK)
print(cache_folder.private(folder))
"""


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Another folder for temporary files."""
    place = tmp_path / "tmp"
    place.mkdir()
    place.chmod(0o1777)
    monkeypatch.setattr(cache_folder.tempfile, "gettempdir", lambda: str(place))
    monkeypatch.setattr(cache_folder.tempfile, "tempdir", str(place))
    cache_folder.temporary.cache_clear()
    yield place
    cache_folder.temporary.cache_clear()


def test_a_folder_that_is_made_is_private(tmp_path, temporary):
    folder = cache_folder.find(str(tmp_path / "a" / "cache"))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert cache_folder.private(folder) == folder


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777, 0o1777])
def test_where_others_write_no_code_is_run(tmp_path, temporary, mode):
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(mode)
    assert cache_folder.find(str(folder)) == folder  # for what is not run
    found = cache_folder.private(folder)
    assert found == temporary / f"dglgan_tf-{os.geteuid()}"
    assert stat.S_IMODE(found.stat().st_mode) == 0o700


def test_a_parent_where_others_write_is_no_better(tmp_path, temporary):
    folder = tmp_path / "open" / "cache"
    folder.mkdir(parents=True)
    folder.chmod(0o700)
    (tmp_path / "open").chmod(0o777)
    assert cache_folder.private(folder).parent == temporary
    (tmp_path / "open").chmod(0o1777)  # as /tmp: nobody moves what is mine
    assert cache_folder.private(folder) == folder


def test_a_folder_of_another_user_is_not_taken(tmp_path, temporary, monkeypatch):
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    monkeypatch.setattr(cache_folder.os, "geteuid", lambda: os.getuid() + 1)
    assert not cache_folder.is_private(folder)
    assert cache_folder.private(folder).parent == temporary


def test_a_name_that_somebody_took_is_left_to_them(tmp_path, temporary):
    taken = temporary / f"dglgan_tf-{os.geteuid()}"
    (tmp_path / "theirs").mkdir()
    taken.symlink_to(tmp_path / "theirs")
    found = cache_folder.temporary()
    assert found != taken and found.is_dir() and not found.is_symlink()
    assert os.listdir(tmp_path / "theirs") == []


@pytest.mark.parametrize(
    "environment",
    [
        {"HOME": "/nowhere/at/all"},
        {"HOME": "/dev/null"},
        {"HOME": "/proc"},
        {"DGLGAN_CACHE": "", "HOME": "/proc"},
        {"DGLGAN_CACHE": "~nobody-of-this-name/x"},
        {"DGLGAN_CACHE": "/dev/null/x"},
        {},
    ],
)
def test_there_is_a_cache_for_whoever_has_no_home(tmp_path, environment):
    kept = {k: v for k, v in os.environ.items() if k not in ("HOME", "DGLGAN_CACHE")}
    done = subprocess.run(
        [sys.executable, "-c", SAY],
        env={**kept, "HOME": str(tmp_path), "TMPDIR": str(tmp_path), **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root takes another user's number")
def test_a_user_without_a_name_has_a_cache(tmp_path):
    tmp_path.chmod(0o777)
    # What is imported first may lie where that user cannot read.
    code = "import os, pwd, random\nfrom dglgan_tf.foundation import cache_folder\n"
    code += "os.setuid(4242)\n" + SAY
    kept = {k: v for k, v in os.environ.items() if k not in ("HOME", "DGLGAN_CACHE")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, "TMPDIR": "/tmp", "PYTHONPATH": ROOT},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "dglgan_tf-" in done.stdout
    os.rmdir(done.stdout.strip())
