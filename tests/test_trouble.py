"""A run on real files that break under it: a full disk, damaged images."""

import ctypes
import os

import numpy as np
import pytest
from PIL import Image
from support import tiny_runs
from support import tiny_training as tiny

from dglgan_tf.cli import entry
from dglgan_tf.data import sources
from dglgan_tf.runs import loop

TOYS = tiny.toy()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of half a megabyte in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", str(folder).encode(), b"tmpfs", 0, b"size=512k"):
        pytest.skip("mounting needs more rights; test_loop simulates a full disk")
    yield folder
    libc.umount2(str(folder).encode(), 2)


def run(folder, source, total=24, **options):
    tiny_runs.bind(
        tiny.goal(), total, tiny.sgd, Schedule__snapshot_every_images=8,
        Schedule__keep_snapshots=1, **options,
    )  # fmt: skip
    return tiny_runs.run(folder, TOYS, source)


@pytest.mark.slow
def test_a_file_system_that_fills_up_and_has_room_again(small_disk, tmp_path, capsys):
    source, filler = tiny_runs.synthetic(tiny.SIDE, 0), small_disk / "filler"
    run(tmp_path / "whole", source)
    run(small_disk / "run", source, total=8)
    (small_disk / "run" / "DONE").unlink()  # it goes on to a later total
    room = os.statvfs(small_disk)
    filler.write_bytes(b"x" * (room.f_bavail * room.f_frsize - 8192))

    def main(argv):
        run(small_disk / "run", source)

    assert entry._guarded(main, ["x"]) == entry.USER_ERROR
    said = capsys.readouterr().err.strip().split("\n")[-1]
    assert "No space left on device" in said
    assert tiny_runs.newest(small_disk / "run")[1]["images"] in (8, 16)  # readable
    filler.unlink()
    run(small_disk / "run", source)
    left = tiny_runs.newest(tmp_path / "whole")
    right = tiny_runs.newest(small_disk / "run")
    assert left[1] == right[1]
    assert all(np.array_equal(v, right[0][n]) for n, v in left[0].items())
    assert tiny_runs.records(tmp_path / "whole") == tiny_runs.records(
        small_disk / "run"
    )


@pytest.mark.slow
def test_a_torn_image_is_left_out_and_counted(tmp_path, monkeypatch):
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(32):
        pixels = np.full([tiny.SIDE, tiny.SIDE], index * 7, np.uint8)
        Image.fromarray(pixels).save(folder / f"{index:02d}.png")
    begin = loop.run

    def then_torn(*arguments):
        (folder / "05.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
        return begin(*arguments)

    monkeypatch.setattr(loop, "run", then_torn)

    def source():
        return sources.open_source(str(folder))

    run(tmp_path / "run", source, total=24, Schedule__max_bad_batches=2)
    said = (tmp_path / "run" / "log.txt").read_text()
    assert said.count("a batch of data is damaged and left out") == 1
    _, counters = tiny_runs.newest(tmp_path / "run")
    assert counters["images"] == 24 and counters["reals"] == 32
