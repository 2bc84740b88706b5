"""Private memory as benchmarks count it: what is written to, and pages of a file."""

import mmap
import os
import sys

import numpy as np
import pytest

from benchmarks import memory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's smaps")
MB = 2**20


def test_the_peak_is_of_what_was_held_inside_the_blocks():
    before = memory.now()
    peak = memory.Peak(seconds=0.001)
    for size in (64, 16):
        with peak:
            held = mmap.mmap(-1, size * MB, mmap.MAP_PRIVATE)
            np.frombuffer(held, np.uint8)[:] = 1
            inside = memory.now()
        held.close()
        after = memory.now()
        for name in memory.FIGURES:
            assert inside[name] - before[name] == pytest.approx(size, abs=4)
            assert after[name] - before[name] == pytest.approx(0, abs=4)
    for name, size in peak.result().items():
        assert size - before[name] == pytest.approx(64, abs=6)


def test_pages_of_a_file_are_private_but_not_written(tmp_path):
    path = tmp_path / "library"
    with open(path, "wb") as file:
        file.write(os.urandom(32 * MB))
        os.fsync(file.fileno())  # what is not on the disk yet counts as changed
    before = memory.now()
    with open(path, "rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ)
    assert np.frombuffer(mapped, np.uint8).sum() > 0
    after = memory.now()
    grown = {name: after[name] - before[name] for name in memory.FIGURES}
    assert grown["private_peak_mb"] == pytest.approx(32, abs=4)
    assert grown["written_peak_mb"] == pytest.approx(0, abs=4)
