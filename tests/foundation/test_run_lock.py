"""One writer for a run directory; whoever died does not keep it."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from dglgan_tf.foundation import run_directory, run_lock

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HOLD = """
import sys, time
from dglgan_tf.foundation import run_directory
with run_directory.RunDirectory(sys.argv[1]).locked():
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def other(tmp_path):
    """Another process that holds tmp_path/run."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout.readline() == b"ready\n"
    yield process
    process.kill()
    process.wait(30)
    process.stdout.close()


def test_a_second_process_is_told_who_and_since_when(tmp_path, other):
    directory = run_directory.RunDirectory(tmp_path / "run")
    with pytest.raises(ValueError) as caught:
        with directory.locked():
            raise AssertionError("two processes hold it")
    said = str(caught.value)
    assert f"is in use by process {other.pid} on {os.uname().nodename} since 20" in said
    assert directory.snapshots() == [] and directory.check() is False  # readers pass
    other.send_signal(signal.SIGKILL)
    other.wait(30)
    started = time.monotonic()
    with directory.locked():
        assert (
            json.loads((tmp_path / "run" / ".lock").read_text())["pid"] == os.getpid()
        )
    assert time.monotonic() - started < 2
    assert os.listdir(tmp_path / "run") == []


def test_a_folder_that_was_made_for_nothing_is_removed(tmp_path):
    directory = run_directory.RunDirectory(tmp_path / "a" / "b")
    with pytest.raises(RuntimeError), directory.locked():
        assert os.listdir(tmp_path / "a" / "b") == [".lock"]
        raise RuntimeError
    assert os.listdir(tmp_path) == []
    with directory.locked():
        directory.prepare({"seed": 1})
    assert os.listdir(directory.path) == [run_directory.MARKER]


def test_the_same_process_holds_it_once(tmp_path):
    directory = run_directory.RunDirectory(tmp_path)
    with directory.locked():
        with pytest.raises(ValueError, match=f"process {os.getpid()} on"):
            with directory.locked():
                pass
    with directory.locked():
        pass


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(run_lock, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(run_lock, "WATCH_SECONDS", 0.5)


RECORD = {"host": "node7", "pid": 1, "since": "2001-02-03 04:05:06", "boot": "other"}


@pytest.mark.parametrize("text", [json.dumps(RECORD), "{", "[1]", "\x00" * 9, ""])
def test_a_lock_that_another_host_left_is_recognised(tmp_path, quick, text):
    (tmp_path / ".lock").write_text(text)
    with run_directory.RunDirectory(tmp_path).locked():
        pass
    assert os.listdir(tmp_path) == []


def test_a_living_holder_is_seen_where_there_are_no_locks(tmp_path, quick, monkeypatch):
    monkeypatch.setattr(run_lock, "_lock", lambda handle: None)
    directory = run_directory.RunDirectory(tmp_path)
    with directory.locked():
        record = {**json.loads((tmp_path / ".lock").read_text()), **RECORD}
        (tmp_path / ".lock").write_text(json.dumps(record))
        with pytest.raises(ValueError, match="process 1 on node7 since 2001-02-03 04"):
            with directory.locked():
                pass


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "\xff", "null", "7" * 4000])
def test_what_stands_in_a_held_lock_file_does_not_matter(tmp_path, other, text):
    (tmp_path / "run" / ".lock").write_text(text)
    with pytest.raises(ValueError, match="is in use by process . on another host"):
        with run_directory.RunDirectory(tmp_path / "run").locked():
            pass
