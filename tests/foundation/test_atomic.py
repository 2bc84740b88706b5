"""Outputs are whole or not there, at the place a path leads to, and never litter."""

import os
import signal
import stat
import subprocess
import sys
import threading

import pytest

from dglgan_tf.foundation import atomic

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@pytest.fixture
def umask():
    """Sets the process's umask for a test."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mask, expected", [(0o022, 0o644), (0o077, 0o600), (0, 0o666)])
def test_a_new_file_has_the_mode_that_the_umask_leaves(tmp_path, umask, mask, expected):
    umask(mask)
    atomic.write(tmp_path / "new", b"x")
    assert mode(tmp_path / "new") == expected
    with atomic.scratch(tmp_path, "folder") as folder:
        assert mode(folder) == 0o777 & ~mask


def test_an_existing_file_keeps_its_mode_and_another_inode_replaces_it(tmp_path, umask):
    path = tmp_path / "old"
    path.write_text("before")
    path.chmod(0o640)
    inode = path.stat().st_ino
    atomic.write(path, "after")
    assert path.read_text() == "after" and mode(path) == 0o640
    assert path.stat().st_ino != inode


def test_links_are_followed_to_their_target_s_folder(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "real.json").write_text("before")
    relative = tmp_path / "link.json"
    relative.symlink_to("disk/real.json")
    (tmp_path / "second.json").symlink_to("link.json")
    atomic.write(tmp_path / "second.json", "after")
    assert relative.is_symlink() and (tmp_path / "second.json").is_symlink()
    assert (tmp_path / "disk" / "real.json").read_text() == "after"
    (tmp_path / "dangling").symlink_to("disk/later.json")
    atomic.write(tmp_path / "dangling", "new")
    assert (tmp_path / "disk" / "later.json").read_text() == "new"
    assert sorted(os.listdir(tmp_path / "disk")) == ["later.json", "real.json"]
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        atomic.write(tmp_path / "a", "x")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_devices_are_written_to_and_stay_devices():
    before = os.stat("/dev/full"), sorted(os.listdir("/dev"))
    with pytest.raises(OSError, match="No space left"):
        atomic.write("/dev/full", b"x" * 100_000)
    atomic.write("/dev/null", b"x")
    after = os.stat("/dev/full"), sorted(os.listdir("/dev"))
    assert before[0].st_rdev == after[0].st_rdev and before[1] == after[1]
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_fifo_is_written_to(tmp_path):
    fifo, read = tmp_path / "fifo", []
    os.mkfifo(fifo)
    reader = threading.Thread(target=lambda: read.append(fifo.read_bytes()))
    reader.start()
    atomic.write(fifo, b"through")
    reader.join(30)
    assert read == [b"through"] and stat.S_ISFIFO(fifo.stat().st_mode)
    assert os.listdir(tmp_path) == ["fifo"]


def test_standard_output_that_is_a_file_keeps_what_was_printed(tmp_path):
    code = (
        "from dglgan_tf.foundation import atomic\n"
        "print('first', flush=True); atomic.write('/dev/stdout', 'second\\n')\n"
        "print('third', flush=True)"
    )
    with open(tmp_path / "out", "a") as out:
        subprocess.run(
            [sys.executable, "-c", code],
            stdout=out,
            check=True,
            cwd=ROOT,
            timeout=60,
        )
    assert (tmp_path / "out").read_text() == "first\nsecond\nthird\n"


def test_a_folder_of_that_name_is_an_error(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(IsADirectoryError):
        atomic.write(tmp_path / "out", b"x")


def test_an_error_leaves_the_old_file_and_no_other(tmp_path):
    atomic.write(tmp_path / "x", b"old")
    with pytest.raises(RuntimeError):
        with atomic.writing(tmp_path / "x") as file:
            file.write(b"half")
            raise RuntimeError
    assert (tmp_path / "x").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["x"]


def test_long_names_are_no_obstacle(tmp_path):
    name = "n" * 250
    atomic.write(tmp_path / name, b"x")
    assert os.listdir(tmp_path) == [name]


HALF = """
import sys, time
from dglgan_tf.foundation import atomic
with atomic.writing(sys.argv[1] + "/file") as file:
    with atomic.scratch(sys.argv[1], "folder") as folder:
        (folder / "inside").write_text("x")
        print("ready", flush=True)
        time.sleep(600)
"""


def test_what_a_killed_process_left_is_removed_and_a_living_one_s_is_not(tmp_path):
    started = [
        subprocess.Popen(
            [sys.executable, "-c", HALF, str(tmp_path)],
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        for _ in range(2)
    ]
    try:
        for process in started:
            assert process.stdout.readline() == b"ready\n"
        assert len(os.listdir(tmp_path)) == 4
        started[0].send_signal(signal.SIGKILL)
        started[0].wait(30)
        mine = tmp_path / f".of-somebody-else{atomic.SUFFIX}.txt"
        mine.write_text("stays")
        atomic.write(tmp_path / "next", b"x")
        left = sorted(os.listdir(tmp_path))
        assert len(left) == 4 and mine.name in left and "next" in left
        halves = {n.split(".")[1] for n in left if n.endswith(atomic.SUFFIX)}
        assert halves == {"file", "folder"}
    finally:
        for process in started:
            process.kill()
            process.wait(30)
            process.stdout.close()
    atomic.sweep(tmp_path, again=True)
    assert sorted(os.listdir(tmp_path)) == sorted([mine.name, "next"])


def test_a_scratch_folder_is_gone_unless_renamed(tmp_path):
    with atomic.scratch(tmp_path, "a") as folder:
        (folder / "x").write_text("x")
    assert os.listdir(tmp_path) == []
    with atomic.scratch(tmp_path, "a") as folder:
        (folder / "x").write_text("x")
        os.rename(folder, tmp_path / "kept")
    assert os.listdir(tmp_path / "kept") == ["x"]
