"""Scopes: blocks, threads, and the table that lists every use."""

import ast
import contextlib
import re
import threading
from pathlib import Path

import pytest

from dglgan_tf.foundation import scope

PACKAGE = Path(scope.__file__).resolve().parents[1]


@pytest.fixture
def make(monkeypatch):
    """Makes scopes that are forgotten after the test."""
    monkeypatch.setattr(scope, "_SCOPES", [])
    return scope.Scope


def _in_a_thread(function):
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join(timeout=60)
    return found[0]


def test_the_innermost_block_counts_and_ends_with_an_error_too(make):
    depth = make("tests.depth", default=0)
    assert depth.get() == 0
    with depth.set_to(1) as value:
        assert (value, depth.get()) == (1, 1)
        with contextlib.suppress(KeyError), depth.set_to(2):
            assert depth.get() == 2
            raise KeyError
        assert depth.get() == 1
    assert depth.get() == 0


def test_a_thread_begins_outside_of_all_blocks_unless_they_are_carried(make):
    depth = make("tests.depth", default=0)
    with depth.set_to(1):
        assert _in_a_thread(depth.get) == 0
        carried = scope.carry(depth.get)
        with depth.set_to(2):
            assert _in_a_thread(carried) == 1  # the moment of `carry` counts
    assert _in_a_thread(carried) == 1


def test_what_one_call_opens_no_other_call_sees(make):
    depth = make("tests.depth", default=0)
    inside, seen = threading.Event(), threading.Event()

    def open_and_wait(first):
        if first:
            with depth.set_to(5):
                inside.set()
                assert seen.wait(60)
                return depth.get()
        assert inside.wait(60)
        value = depth.get()
        seen.set()
        return value

    with depth.set_to(1):
        carried, found = scope.carry(open_and_wait), {}
        threads = [
            threading.Thread(target=lambda f=f: found.update({f: carried(f)}))
            for f in (True, False)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert depth.get() == 1
    assert found == {True: 5, False: 1}


def test_a_collector_around_lanes_takes_nothing_from_them(make):
    rows = make("tests.rows", own=True)

    def own():
        with rows.set_to([]) as mine:
            rows.get().append(1)
        return mine

    assert _in_a_thread(scope.carry(rows.get)) is None  # no block, no error
    with rows.set_to([]) as around:
        with pytest.raises(RuntimeError, match="tests.rows was opened around lanes"):
            scope.carry(rows.get)()
        assert _in_a_thread(scope.carry(own)) == [1]
        assert rows.get() is around == []


def _made():
    """Names of the scopes that the package's files make, by module."""
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "scope.Scope":
                yield module, ast.literal_eval(node.args[0])


def test_the_table_lists_every_scope_of_the_package_by_its_module():
    listed = re.findall(r"^\| `([\w.]+)`", scope.__doc__, re.MULTILINE)
    assert sorted(listed) == sorted(name for _, name in _made())
    for module, name in _made():
        assert module == name


def test_nobody_writes_a_scope_by_hand():
    for path in PACKAGE.rglob("*.py"):
        if path != Path(scope.__file__):
            for word in ("threading.local", "contextvars"):
                assert word not in path.read_text(), path
