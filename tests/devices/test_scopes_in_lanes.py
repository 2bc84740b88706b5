"""Every scope of the package in the threads that trace lanes."""

import contextlib
import re

import pytest

from dglgan_tf.compat import tf
from dglgan_tf.devices import lane_exchange
from dglgan_tf.foundation import scope
from dglgan_tf.layers import conditional_norm, taps, updates
from dglgan_tf.native import library
from dglgan_tf.networks import weightless
from dglgan_tf.ops import ledger, resample

LANES = 3
# name: (opens a block with what a lane then sees, reads it there)
CARRIED = {
    "layers.conditional_norm": (lambda: conditional_norm.averaging(0.25), 0.25),
    "ops.resample": (lambda: resample.use_form("slices"), "slices"),
    "native.library": (lambda: library.use(), True),
    "networks.weightless": (lambda: weightless.weightless(), True),
    "ops.ledger": (lambda: ledger.open_ledger(), []),
}
OWN = {"layers.updates": updates.collect, "layers.taps": taps.collect}
INNER = {
    **{name: block for name, (block, _) in CARRIED.items()},
    **OWN,
    "layers.conditional_norm": lambda: conditional_norm.averaging(0.5),
    "ops.resample": lambda: resample.use_form("depthwise"),
    "native.library": lambda: library.use(False),
}


def _scope(name):
    (found,) = [s for s in scope._SCOPES if s.name == name]
    return found


def _lanes(function):
    numbers = [tf.constant(float(i)) for i in range(LANES)]
    return lane_exchange.trace_lanes(function)(*numbers)


def _meet():
    lane_exchange.all_gather(tf.constant(0.0))


def test_every_scope_of_the_table_is_tried_here():
    listed = re.findall(r"^\| `([\w.]+)`", scope.__doc__, re.MULTILINE)
    assert {*CARRIED, *OWN, "devices.lane_exchange"} == set(listed)


@pytest.mark.parametrize("name", CARRIED)
def test_blocks_around_lanes_hold_inside_them(name, native_code):
    block, expected = CARRIED[name]
    read = _scope(name).get
    outside = read()
    with block():
        assert _lanes(lambda _: (_meet(), read())[1]) == [expected] * LANES
    assert _lanes(lambda _: read()) == [outside] * LANES != [expected] * LANES


@pytest.mark.parametrize("name", [*CARRIED, *OWN])
def test_lanes_do_not_see_each_others_blocks(name, native_code):
    read = _scope(name).get

    def lane(number):
        values = [read()]
        with INNER[name]() if int(number) == 1 else contextlib.nullcontext():
            _meet()  # lane 2 begins while lane 1 is inside its block
            values.append(read())
            _meet()
        return [*values, read()]

    outside = read()
    for number, (before, inside, after) in enumerate(_lanes(lane)):
        assert before == after == outside
        if name in ("ops.resample", "native.library"):  # the block sets the default
            assert inside == outside
        else:
            assert (inside != outside) == (number == 1)
    assert read() == outside


def test_a_lane_that_sets_the_default_inside_a_block_does_so_alone(native_code):
    def lane(number):
        form, native = contextlib.nullcontext(), contextlib.nullcontext()
        if int(number) == 1:
            form, native = resample.use_form("depthwise"), library.use(False)
        with form, native:
            _meet()
            return _scope("ops.resample").get(), library.active()

    with resample.use_form("slices"), library.use():
        found = _lanes(lane)
    assert found == [("slices", True), ("depthwise", False), ("slices", True)]


def test_one_ledger_counts_all_lanes():
    with ledger.open_ledger() as rows:
        _lanes(lambda i: ledger.enter(None, "dense", 10 + int(i), [1]))
    assert [row.macs for row in rows] == [10, 11, 12]


def test_updates_are_collected_in_each_lane_for_itself():
    variable = tf.Variable(1.0)

    def lane(number):
        with updates.collect() as moved:
            for _ in range(2):
                updates.record(variable, updates.current(variable) + number, True)
                _meet()
        return [float(update.value) for update in moved]

    assert _lanes(lane) == [[1.0], [3.0], [5.0]]
    assert float(variable) == 1.0


@pytest.mark.parametrize("name", OWN)
def test_a_collector_around_the_lanes_is_an_error_inside_them(name):
    variable = tf.Variable(1.0)
    record = {
        "layers.updates": lambda: updates.record(variable, 2.0, True),
        "layers.taps": lambda: taps.record(tf.zeros([1, 4, 4, 2])),
    }[name]
    with OWN[name]() as collected:
        with pytest.raises(RuntimeError, match=f"{name} was opened around lanes"):
            _lanes(lambda _: record())
    assert not collected and float(variable) == 1.0


def test_lanes_inside_a_lane_know_theirs():
    def lane(_):
        inner = lane_exchange.trace_lanes(lambda _: lane_exchange.size())
        two = inner(tf.constant(0.0), tf.constant(1.0))
        return two, lane_exchange.size()

    assert _lanes(lane) == [([2, 2], LANES)] * LANES
