"""Native convolutions for CPUs: built once, loaded where they can be, never needed.

`code/` holds convolutions with half the multiplications of TensorFlow's own and the
same numbers up to rounding (`native.convolutions`). A C++ compiler makes a library of
it in seconds, which lies in the cache folder for the next start. Without a compiler,
on a GPU, under XLA and in whatever is exported, TensorFlow's convolutions do the work.

They are chosen while a function is traced, inside `with native.use():`, and compute on
one thread: they belong to lanes (`devices.lanes`), where each operation has one.
DGLGAN_NATIVE=0 in the environment goes without them, DGLGAN_CACHE names the folder.
"""

import contextlib
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from absl import logging

from dglgan_tf.compat import tf
from dglgan_tf.foundation import atomic, cache_folder, scope
from dglgan_tf.native import threads

SOURCES = Path(__file__).parent / "code"
_FLAGS = ("-O3", "-std=c++17", "-ffp-contract=fast", "-Wno-psabi", "-shared", "-fPIC")
_SECONDS = 120  # for the compiler
# What a processor must know for each level, as Linux calls it.
_LEVELS = {
    "x86-64-v4": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
    "x86-64-v3": {"avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe"},
}
_ACTIVE = scope.Scope("native.library", default=False)


@contextlib.contextmanager
def use(wanted: bool = True):
    """Inside the block, convolutions that suit are traced as native ones.

    Args:
      wanted: False leaves them to TensorFlow.
    """
    with _ACTIVE.set_to(wanted and threads.single() and library() is not None):
        yield


def active() -> bool:
    """Whether convolutions that are traced here become native ones."""
    return _ACTIVE.get()


def traced(function):
    """Returns the function whose convolutions are traced as native ones."""

    @functools.wraps(function)
    def run(*arguments):
        with use():
            return function(*arguments)

    return run


def library():
    """Returns the loaded operations, or None where they cannot be had; host."""
    return _found()[0]


def absence() -> str:
    """Returns why there is no library, in words; empty where there is one."""
    return _found()[1]


@functools.cache
def _found():
    if os.environ.get("DGLGAN_NATIVE") == "0":
        return None, "DGLGAN_NATIVE=0"
    try:
        return _loaded(_built()), ""
    except (OSError, ValueError, subprocess.SubprocessError, tf.errors.OpError) as e:
        reason = _sentence(e)
    logging.info("TensorFlow's own convolutions are used: %s", reason)
    return None, reason


def _loaded(path):
    try:
        return tf.load_op_library(str(path))
    except tf.errors.OpError:
        path.unlink(missing_ok=True)  # damaged: the next start makes another one
        raise


def _sentence(error) -> str:
    """Returns what an error says; a compiler's first complaint."""
    said = getattr(error, "stderr", None)
    lines = [line for line in (said or "").splitlines() if "error" in line]
    return lines[0] if lines else str(error).split("\n")[0]


def _built() -> Path:
    """Returns the library's file, compiled unless the cache has it.

    Raises:
      ValueError: no compiler, or a processor without AVX2.
    """
    compiler = _compiler()
    if compiler is None:
        raise ValueError("there is no C++ compiler (g++ or clang++)")
    flags = [*_FLAGS, *_level()]
    files = sorted(SOURCES.iterdir())
    parts = [compiler, *flags, tf.__version__, *(f.read_text() for f in files)]
    digest = hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]
    folder = cache_folder.find(os.environ.get("DGLGAN_CACHE"))
    place = folder / f"convolutions-{digest}.so"
    if not place.exists():
        logging.info("Compiling the convolutions for this processor (once)")
        _compile(compiler, flags, place)
    return place


def _compile(compiler, flags, place):
    folder, framework = tf.sysconfig.get_lib(), "libtensorflow_framework"
    with tempfile.TemporaryDirectory() as temporary:
        made = Path(temporary) / "convolutions.so"
        linked = [str(path) for path in Path(folder).glob(f"{framework}*")][:1]
        subprocess.run(
            [compiler, *flags, f"-I{tf.sysconfig.get_include()}",
             str(SOURCES / "tensorflow.cc"), "-o", str(made), *linked],
            check=True, capture_output=True, text=True, timeout=_SECONDS,
        )  # fmt: skip
        with atomic.writing(place) as file:
            file.write(made.read_bytes())


def _compiler() -> str | None:
    for name in (os.environ.get("CXX"), "g++", "clang++"):
        if name and shutil.which(name):
            return shutil.which(name)
    return None


def _level() -> list[str]:
    """Returns the compiler's option for what this processor knows."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return []
    with open("/proc/cpuinfo") as lines:
        known = next((set(x.split()) for x in lines if x.startswith("flags")), set())
    for level, needed in _LEVELS.items():
        if needed <= known:
            return [f"-march={level}"]
    raise ValueError("this processor has no AVX2")
