"""What a run does with a step that cannot be used."""

import types

import pytest
from support import tiny_training as tiny

from dglgan_tf.runs import recovery, schedule


def test_the_next_smaller_part_is_named(logical_devices):
    train = tiny.make(tiny.toy(), logical_devices[:2], tiny.goal(), d_microbatches=2)
    said = str(recovery.out_of_memory(train))
    assert "parts of 4 images" in said and "max_microbatch=2," in said


def test_without_a_snapshot_there_is_no_way_back(logical_devices):
    train = tiny.make(tiny.toy(), logical_devices[:1], tiny.goal())
    watched = types.SimpleNamespace(
        progress=types.SimpleNamespace(first_bad={"d": 0}),
        snapshots=types.SimpleNamespace(latest=lambda: None),
    )
    plan = schedule.Schedule(8, max_skipped=2)
    with pytest.raises(FloatingPointError, match="max_skipped=2 .*in d: the grad"):
        recovery.roll_back(train, plan, watched)
