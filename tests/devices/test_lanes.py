"""Lanes: how many suit, who opens them, and that parts make the same whole."""

import subprocess
import sys

import numpy as np
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.devices import lanes
from dglgan_tf.native import library, threads

# Opens two lanes, computes, and says what became of it.
PROCESS = """
import threading
from dglgan_tf.compat import tf
from dglgan_tf.devices import lanes
from dglgan_tf.native import library as native
from dglgan_tf.native import threads
threads.cores = lambda: 3
native.library()  # asked for before the threads are set
opened = lanes.start(lanes.suitable([8]) if native.library() else 2)
x = tf.random.normal([8, 64, 64, 8])
kernel = tf.random.normal([3, 3, 8, 8])
convolve = lambda x: tf.nn.conv2d(x, kernel, 1, "SAME")
whole = convolve(x)
spread = tf.function(lanes.spread(convolve))
graph = spread.get_concrete_function(x).graph
convolutions = sum(op.type == "Conv2D" for op in graph.get_operations())
error = float(tf.reduce_max(tf.abs(spread(x) - whole)))
threads = tf.config.threading.get_intra_op_parallelism_threads()
print(opened, lanes.count(), lanes.start(3), threads, convolutions, error < 1e-5)
"""


@pytest.fixture
def two_lanes(monkeypatch):
    monkeypatch.setattr(lanes, "count", lambda: 2)


@pytest.fixture
def four_cores(monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: 4)


@pytest.mark.parametrize(
    "batches, group, alone, with_native",
    [
        ([16], 4, 4, 4),
        ([16, 32], 4, 4, 4),
        ([16, 24], 4, 1, 1),  # 24 leaves six for each lane: a group and a half
        ([24], 4, 1, 3),
        ([12, 24], 4, 1, 3),
        ([12], 3, 4, 4),
        ([4], 1, 4, 4),
        ([6], 1, 1, 3),
        ([2], 1, 1, 1),  # two lanes would leave half of the cores idle
        ([16], None, 1, 1),
    ],
)
def test_one_lane_a_core_or_most_of_them(
    monkeypatch, four_cores, batches, group, alone, with_native
):
    monkeypatch.setattr(library, "library", lambda: None)
    assert lanes.suitable(batches, group) == alone
    monkeypatch.setattr(library, "library", object)
    assert lanes.suitable(batches, group) == with_native


def test_the_users_threads_are_left_alone(monkeypatch, four_cores):
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "2")
    assert lanes.suitable([16]) == 1


def test_a_gpu_has_no_lanes(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["GPU:0"])
    assert threads.cores() == 1 and not threads.single()


def test_too_late_means_one_lane():
    assert lanes.start(1) == 1
    assert lanes.start(2) == 1  # TensorFlow runs: see conftest
    assert lanes.count() == 1


@pytest.mark.slow
def test_a_process_opens_lanes_once():
    done = subprocess.run(
        [sys.executable, "-c", PROCESS],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.split() == ["2", "2", "1", "1", "2", "True"]


def test_parts_make_the_whole(two_lanes):
    x, labels = tf.random.normal([6, 3]), tf.range(6)
    seen = []

    def function(x, labels, absent):
        assert absent is None
        seen.append(x.shape[0])
        return {"sum": x + tf.cast(labels[:, None], tf.float32), "labels": labels}

    found = lanes.spread(function)(x, labels, None)
    assert seen == [3, 3]
    np.testing.assert_array_equal(found["sum"], x + np.arange(6.0)[:, None])
    np.testing.assert_array_equal(found["labels"], range(6))


def test_what_lanes_do_not_divide_stays_whole(two_lanes):
    seen = []
    spread = lanes.spread(lambda x: seen.append(x.shape[0]) or x)
    spread(tf.zeros([5, 2]))
    tf.function(spread).get_concrete_function(tf.TensorSpec([None, 2]))
    assert seen == [5, None]
    assert (lanes.fitting(4), lanes.fitting(3), lanes.fitting(None)) == (2, 1, 1)
