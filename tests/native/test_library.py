"""Native code is built once, asked for, and missed without harm."""

import hashlib
import os
import shutil
import stat
import subprocess
import sys
from concurrent import futures

import numpy as np
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.native import library, threads
from dglgan_tf.ops import fold

# Says what became of the library, and whether a convolution in two lanes is the same.
PROCESS = """
import os, sys, time
from dglgan_tf.compat import tf
from dglgan_tf.devices import lanes
from dglgan_tf.native import library as native
from dglgan_tf.ops import fold
lanes.start(2)
x, kernel = tf.random.normal([8, 16, 16, 32]), tf.random.normal([3, 3, 32, 32])
with native.use():
    y = fold.convolve(x, kernel)[0]
    active = native.active()
error = float(tf.reduce_max(tf.abs(y - tf.nn.conv2d(x, kernel, 1, "SAME"))))
print(native.library() is not None, active, error < 1e-4, "|", native.absence())
"""


def _process(**environment):
    done = subprocess.run(
        [sys.executable, "-c", PROCESS],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_nobody_gets_them_unasked(native_code):
    assert not library.active()
    with library.use():
        assert library.active()
        with library.use(False):
            assert not library.active()
        assert library.active()
    assert not library.active()


def test_only_where_an_operation_has_one_thread():
    with library.use():
        assert library.active() == threads.single()


def test_traced_natively_and_nothing_after(native_code):
    x, kernel = tf.ones([8, 8, 8, 32]), tf.ones([3, 3, 32, 32])

    def types(function):
        graph = tf.function(function, autograph=False).get_concrete_function(x).graph
        return {operation.type for operation in graph.get_operations()}

    def convolve(x):
        return fold.convolve(x, kernel)[0]

    assert "DglganConvolution" in types(library.traced(convolve))
    # What is exported is traced like this.
    assert "DglganConvolution" not in types(convolve)
    assert "Conv2D" in types(convolve)


@pytest.mark.slow
def test_compiled_once(native_code, tmp_path):
    log = tmp_path / "log"
    compiler = _script(
        tmp_path / "compiler",
        f'[ "$1" = --version ] || echo run >> {log}; '
        f'exec {library._compiler()} "$@" -O1',  # in half the time
    )
    cache = tmp_path / "cache"
    for _ in range(2):
        said = _process(CXX=compiler, DGLGAN_CACHE=str(cache))
        assert said == "True True True |"
    assert log.read_text().split() == ["run"]
    made = sorted(cache.iterdir(), key=lambda path: path.suffix)
    assert [path.suffix for path in made] == [".built", ".so"]
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    # One that is cut short would end the process: it is seen and made again.
    made[1].write_bytes(made[1].read_bytes()[:4096])
    said = _process(CXX=compiler, DGLGAN_CACHE=str(cache))
    assert said == "True True True |" and log.read_text().split() == ["run"] * 2


@pytest.mark.slow
def test_a_compiler_that_fails_is_missed_without_harm(tmp_path):
    compiler = _script(
        tmp_path / "compiler", "echo 'x.cc:1: error: no such thing' >&2; exit 1"
    )
    said = _process(CXX=compiler, DGLGAN_CACHE=str(tmp_path / "cache"))
    assert said == "False False True | x.cc:1: error: no such thing"
    (kept,) = (tmp_path / "cache").iterdir()
    assert kept.suffix == ".failed"
    said = _process(CXX=compiler, DGLGAN_CACHE=str(tmp_path / "cache"))
    assert "no such thing (remembered; delete " in said


@pytest.mark.slow
def test_a_damaged_library_is_missed_without_harm(tmp_path):
    compiler = _script(
        tmp_path / "compiler",
        'while [ "$1" != -o ]; do shift; done; echo damaged > "$2"',
    )
    said = _process(CXX=compiler, DGLGAN_CACHE=str(tmp_path / "cache"))
    assert said.startswith("False False True | ") and len(said) > 25
    kinds = {path.suffix for path in (tmp_path / "cache").iterdir()}
    assert kinds == {".built", ".so", ".failed"}


@pytest.mark.slow
def test_without_compiler_and_switched_off(tmp_path):
    folder = os.path.dirname(sys.executable)
    empty = {"PATH": f"{tmp_path}", "CXX": "", "DGLGAN_CACHE": str(tmp_path / "cache")}
    assert os.path.isdir(folder)
    assert "there is no C++ compiler" in _process(**empty)
    assert _process(DGLGAN_NATIVE="0").endswith("| DGLGAN_NATIVE=0")


@pytest.mark.slow
def test_two_first_starts_at_once_and_a_library_from_elsewhere(native_code, tmp_path):
    compiler = _script(tmp_path / "compiler", f'exec {library._compiler()} "$@" -O1')
    cache = tmp_path / "cache"
    given = {"CXX": compiler, "DGLGAN_CACHE": str(cache)}
    with futures.ThreadPoolExecutor() as pool:
        said = list(pool.map(lambda _: _process(**given), range(2)))
    assert said == ["True True True |"] * 2
    (made,) = cache.glob("*.so")
    other = tmp_path / "elsewhere" / "convolutions.so"
    other.parent.mkdir(mode=0o755)
    shutil.copy(made, other)
    given = {"CXX": "", "PATH": str(tmp_path), "DGLGAN_NATIVE": str(other)}
    assert _process(**given) == "True True True |"
    other.chmod(0o666)
    assert "must be 0, 1 or a library that only this user" in _process(**given)


def test_a_library_without_the_operations_is_missed(monkeypatch):
    monkeypatch.setattr(library.tf, "load_op_library", lambda path: object())
    with pytest.raises(ValueError, match="x.so has no operation dglgan_convolution"):
        library._operations_of("x.so")


def test_a_processor_without_avx2_is_told(monkeypatch):
    monkeypatch.setattr(library, "_LEVELS", (("no such thing",),))
    monkeypatch.setattr(library.platform, "machine", lambda: "x86_64")
    with pytest.raises(ValueError, match="no AVX2"):
        library._level()
    monkeypatch.setattr(library.platform, "machine", lambda: "aarch64")
    assert library._level() == []


def record(folder, content=b"code", digest=None):
    """Writes a library and its record as `_compile` does; returns the record."""
    digest = digest or hashlib.sha256(content).hexdigest()
    path = folder / f"convolutions-{digest[:32]}.so"
    path.write_bytes(content)
    path.chmod(0o600)
    kept = folder / "convolutions-key.built"
    kept.write_text(digest)
    kept.chmod(0o600)
    return kept


def test_only_a_whole_library_of_one_s_own_is_loaded(tmp_path):
    kept = record(tmp_path)
    found = library._library_of(kept)
    assert found is not None and found.read_bytes() == b"code"
    found.chmod(0o666)  # others could have written it
    assert library._library_of(kept) is None
    found.chmod(0o600)
    kept.chmod(0o620)
    assert library._library_of(kept) is None
    kept.chmod(0o600)
    moved = tmp_path / "elsewhere.so"
    found.rename(moved)
    found.symlink_to(moved)
    assert library._library_of(kept) is None
    found.unlink()
    assert library._library_of(kept) is None
    for content in (b"cod", b"", b"codf"):
        whole = hashlib.sha256(b"code").hexdigest()
        assert library._library_of(record(tmp_path, content, whole)) is None
    for digest in ("", "../../etc/passwd", "x" * 64):
        kept.write_text(digest)
        assert library._library_of(kept) is None


def test_whatever_goes_wrong_no_command_ends(monkeypatch):
    def broken():
        raise RuntimeError("anything\nat all")

    monkeypatch.setattr(library, "_built", broken)
    assert library._found.__wrapped__() == (None, "anything")


def test_second_use_in_the_process_is_the_same_library(native_code):
    assert library.library() is library.library()
    y = library.library().dglgan_convolution(
        x=tf.ones([1, 2, 2, 16]),
        kernel=tf.ones([3, 3, 16, 16]),
        way=0,
        turned=False,
        factor=1.0,
    )
    np.testing.assert_array_equal(y, np.full([1, 2, 2, 16], 64.0))  # 4 pixels of 16
