"""Conversions that were killed, damaged or started twice."""

import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dglgan_tf.data import plan, prepare, sources, work_folder

ROOT = Path(__file__).resolve().parents[2]
COUNT, CHUNK = 12, 4


class _Stop(BaseException):
    """As a kill: nothing catches it."""


def _found(seed=0):
    return sources.synthetic(COUNT, 8, num_classes=3, seed=seed)


def _prepare(out, form="folder", **arguments):
    found = arguments.pop("found", None) or _found()
    return prepare.prepare(found, out, form, chunk_images=CHUNK, **arguments)


@pytest.fixture
def interrupted(tmp_path):
    """A conversion that stopped after two of three chunks: (destination, work)."""

    def progress(iterable, total, text):
        if text == "converting":
            yield from itertools.islice(iterable, 2)
            raise _Stop
        yield from iterable

    out = tmp_path / "out"
    with pytest.raises(_Stop):
        _prepare(out, progress=progress)
    work = tmp_path / "out.partial"
    assert sorted(path.name for path in work.glob("chunk-*")) == [
        "chunk-000000",
        "chunk-000001",
    ]
    return out, work


def _complete(out, work):
    manifest = _prepare(out)
    assert manifest["num_examples"] == COUNT and not work.exists()
    source = sources.open_source(str(out))
    np.testing.assert_array_equal(
        source.images(range(COUNT)), _found().images(range(COUNT))
    )
    assert sorted(out.parent.iterdir()) == [out]


def _flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["conversion.json", "chunk-000000", "chunk-000001"])
@pytest.mark.parametrize(
    "damage",
    [
        _flip,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-7]),
        lambda path: path.write_bytes(path.read_bytes()[:20]),
        lambda path: path.write_bytes(b"[" * 100_000),
        lambda path: path.unlink(),
    ],
)
def test_a_damaged_file_is_made_again(interrupted, name, damage):
    out, work = interrupted
    damage(work / name)
    if name == "conversion.json" and damage is _flip:
        try:
            _complete(out, work)
        except ValueError as error:  # a flipped letter may be another conversion
            assert "out.partial is of another conversion" in str(error)
        return
    _complete(out, work)


def test_chunks_of_another_conversion_are_not_taken(interrupted, tmp_path):
    out, work = interrupted
    other = tmp_path / "other"
    with pytest.raises(ValueError, match="out.partial is of another conversion"):
        _prepare(out, found=_found(seed=1))
    with pytest.raises(ValueError, match="is of another conversion"):
        _prepare(out, settings=plan.Settings(height=4, width=4))
    shutil.copytree(work, tmp_path / "other.partial")
    (tmp_path / "other.partial/conversion.json").unlink()
    manifest = _prepare(other, found=_found(seed=1))
    source = sources.open_source(str(other))
    assert manifest["num_examples"] == COUNT
    np.testing.assert_array_equal(
        source.images(range(COUNT)), _found(seed=1).images(range(COUNT))
    )


@pytest.mark.parametrize("where", ["rename", "rmtree", "close"])
def test_a_kill_at_the_end_is_repaired(tmp_path, monkeypatch, where):
    out, work = tmp_path / "out", tmp_path / "out.partial"
    place = {
        "rename": (os, "rename"),
        "rmtree": (work_folder.shutil, "rmtree"),
        "close": (prepare.writers.ImageWriter, "close"),
    }[where]

    def stop(*arguments, **more):
        raise _Stop

    with monkeypatch.context() as patch:
        patch.setattr(*place, stop)
        with pytest.raises(_Stop):
            _prepare(out)
    assert work.is_dir() and out.exists() == (where == "rmtree")
    _complete(out, work)
    with pytest.raises(ValueError, match="out exists already"):
        _prepare(out)


@pytest.mark.parametrize("left", [("conversion.json", "lock"), ("lock",), ()])
def test_a_kill_while_tidying_up_is_repaired(tmp_path, monkeypatch, left):
    out, work = tmp_path / "out", tmp_path / "out.partial"
    remove = work_folder.WorkFolder.remove

    def stop(self):
        for path in self.path.iterdir():
            if path.name not in left:
                path.unlink()
        raise _Stop

    with monkeypatch.context() as patch:
        patch.setattr(work_folder.WorkFolder, "remove", stop)
        with pytest.raises(_Stop):
            _prepare(out)
    assert work_folder.WorkFolder.remove is remove and out.exists() and work.is_dir()
    if "conversion.json" in left:
        _complete(out, work)
    else:
        with pytest.raises(ValueError, match="out exists already"):
            _prepare(out)
    assert list(tmp_path.iterdir()) == [out]
    assert sources.open_source(str(out)).num_examples == COUNT


def test_what_tells_the_conversion_is_removed_last(interrupted, monkeypatch):
    out, work = interrupted
    seen = []
    unlink = Path.unlink

    def watch(path, *arguments, **more):
        seen.append((path.name, (work / "conversion.json").exists()))
        unlink(path, *arguments, **more)

    monkeypatch.setattr(Path, "unlink", watch)
    _prepare(out)
    chunks = [exists for name, exists in seen if name.startswith("chunk-")]
    assert chunks == [True] * 3


def test_a_damage_that_comes_while_writing_is_named(interrupted, monkeypatch):
    out, work = interrupted
    process = prepare._process

    def damaging(*arguments):
        count = process(*arguments)
        _flip(work / "chunk-000001")
        return count

    with monkeypatch.context() as patch:
        patch.setattr(prepare, "_process", damaging)
        with pytest.raises(
            ValueError, match="chunk-000001 is damaged: run the command"
        ):
            _prepare(out)
    _complete(out, work)


def test_two_processes_on_one_destination(interrupted):
    out, work = interrupted
    code = (
        "import fcntl, sys, time\n"
        f"file = open({str(work / 'lock')!r}, 'a+')\n"
        "fcntl.flock(file, fcntl.LOCK_EX)\n"
        "file.truncate(0); file.write('process 7 on host since noon'); file.flush()\n"
        "print('held', flush=True); sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout.readline() == b"held\n"
    try:
        told = r"out.partial is being written by another process \(process 7 on host"
        with pytest.raises(ValueError, match=told):
            _prepare(out)
    finally:
        holder.kill()  # the lock of a dead process holds nobody up
        holder.communicate(timeout=30)
    _complete(out, work)


def test_the_faster_of_two_wins(tmp_path):
    out = tmp_path / "out"
    work = work_folder.WorkFolder(tmp_path / "out.partial", {"a": 1})
    with work.held():
        with pytest.raises(ValueError, match="is being written by another process"):
            with work_folder.WorkFolder(tmp_path / "out.partial", {"a": 1}).held():
                pass
        out.mkdir()
        work.remove()
    assert not work.was_finished()
    with pytest.raises(ValueError, match="out exists already"):
        _prepare(out)


def test_destinations_that_cannot_be(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    for name, message in (
        ("", "give the name of a file or folder"),
        ("file/out", "file is a file"),
        ("file", "file exists already"),
    ):
        with pytest.raises(ValueError, match=message):
            _prepare(Path(name))
    (tmp_path / "out.partial").write_text("x")
    with pytest.raises(ValueError, match="out.partial is in the way"):
        _prepare(tmp_path / "out")
    assert (tmp_path / "out.partial").read_text() == "x"


def test_the_result_does_not_replace_what_came_meanwhile(tmp_path, monkeypatch):
    out = tmp_path / "out"
    assemble = prepare._assemble

    def late(*arguments):
        out.mkdir()
        (out / "mine").write_text("x")
        assemble(*arguments)

    monkeypatch.setattr(prepare, "_assemble", late)
    with pytest.raises(ValueError, match="out cannot take its name"):
        _prepare(out)
    assert (out / "mine").read_text() == "x"
