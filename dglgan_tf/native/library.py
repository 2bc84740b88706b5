"""Native convolutions for CPUs: built once, loaded where they can be, never needed.

`code/` holds convolutions with half the multiplications of TensorFlow's own and the
same numbers up to rounding (`native.convolutions`). A C++ compiler makes a library of
it in seconds, which lies in the cache folder for the next start. Without a compiler,
on a GPU, under XLA and in whatever is exported, TensorFlow's convolutions do the work.
Only a library that this user compiled, whole and where nobody else can write, is run.

They are chosen while a function is traced, inside `with native.use():`, and compute on
one thread: they belong to lanes (`devices.lanes`), where each operation has one.
DGLGAN_NATIVE=0 in the environment goes without them, DGLGAN_NATIVE=FILE takes a library
that was built before, DGLGAN_CACHE names the folder.
"""

import contextlib
import functools
import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from absl import logging

from dglgan_tf.compat import tf
from dglgan_tf.foundation import atomic, cache_folder, scope
from dglgan_tf.native import threads

SOURCES = Path(__file__).parent / "code"
_FLAGS = ("-O3", "-std=c++17", "-ffp-contract=fast", "-Wno-psabi", "-shared", "-fPIC")
_SECONDS = 120  # for the compiler
_PATIENCE_SECONDS = 7 * 24 * 3600  # before a failure is tried again
# What a processor must know for each level, as Linux calls it; the best comes first.
_AVX2 = ("avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe")
_AVX512 = ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", *_AVX2)
_LEVELS = (_AVX512, _AVX2)
_OPTION_OF = {"bmi1": "bmi", "abm": "lzcnt"}  # where compilers call it otherwise
_OPERATIONS = ("dglgan_convolution", "dglgan_kernel_gradient", "dglgan_filter")
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
    wanted = os.environ.get("DGLGAN_NATIVE") or "1"
    if wanted == "0":
        return None, "DGLGAN_NATIVE=0"
    try:
        return (_loaded(_built()) if wanted == "1" else _given(Path(wanted))), ""
    except Exception as error:  # a command never ends for want of native code
        reason = _sentence(error)
    logging.info("TensorFlow's own convolutions are used: %s", reason)
    return None, reason


def _loaded(record: Path):
    """Loads the library that a record names, which was hashed a moment ago."""
    try:
        return _operations_of(_library_of(record))
    except (tf.errors.OpError, ValueError) as error:
        _remember(record, _sentence(error))
        raise


def _given(path: Path):
    """Loads the library that DGLGAN_NATIVE names, which was built elsewhere.

    Raises:
      ValueError: no such file, or one that others than this user and root can write.
    """
    if not cache_folder.is_trusted_file(path):
        raise ValueError(
            f"DGLGAN_NATIVE={path} must be 0, 1 or a library that only this user or "
            "root can write"
        )
    return _operations_of(path)


def _operations_of(path: Path):
    """Loads a library and looks for its operations."""
    found = tf.load_op_library(str(path))
    missing = [name for name in _OPERATIONS if not hasattr(found, name)]
    if missing:
        raise ValueError(f"{path} has no operation {missing[0]}")
    return found


def _sentence(error) -> str:
    """Returns what an error says; a compiler's first complaint."""
    said = getattr(error, "stderr", None)
    lines = [line for line in (said or "").splitlines() if "error" in line]
    return lines[0] if lines else str(error).split("\n")[0]


def _built() -> Path:
    """Returns the record of a whole library of this user, compiled if need be.

    Raises:
      ValueError: no compiler, a processor without AVX2, or a compiler that failed not
        long ago.
    """
    compiler = _compiler()
    if compiler is None:
        raise ValueError("there is no C++ compiler (g++ or clang++)")
    flags = [*_FLAGS, *_level()]
    folder = cache_folder.private(cache_folder.find(os.environ.get("DGLGAN_CACHE")))
    record = folder / f"convolutions-{_key(compiler, flags)}.built"
    if _library_of(record) is None:
        _check_failures(record)
        logging.info("Compiling the convolutions for this processor (once)")
        try:
            _compile(compiler, flags, record)
        except subprocess.SubprocessError as error:
            _remember(record, _sentence(error))
            raise
    return record


def _key(compiler, flags) -> str:
    """Returns a hash of everything that decides what is compiled."""
    version = subprocess.run(
        [compiler, "--version"], capture_output=True, text=True, timeout=_SECONDS
    ).stdout
    parts = [compiler, version, *flags, tf.__version__, *platform.libc_ver()]
    parts += [path.read_text() for path in sorted(SOURCES.iterdir())]
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]


def _library_of(record: Path) -> Path | None:
    """Returns the library that a record names, if its bytes are those compiled.

    A library that is cut short would end the process when it is loaded.
    """
    if not cache_folder.is_own_file(record):
        return None
    digest = record.read_text(errors="replace").strip()
    if not re.fullmatch("[0-9a-f]{64}", digest):
        return None
    path = record.with_name(f"convolutions-{digest[:32]}.so")
    if not cache_folder.is_own_file(path):
        return None
    held = hashlib.sha256(path.read_bytes()).hexdigest()
    return path if held == digest else None


def _failure_of(record: Path) -> Path:
    return record.with_suffix(".failed")


def _remember(record, reason):
    """Keeps why there is no library, so that not every start tries again."""
    with contextlib.suppress(OSError):
        atomic.write(_failure_of(record), reason + "\n")


def _check_failures(record):
    """Raises ValueError where the same compiler failed in the last days."""
    path = _failure_of(record)
    if cache_folder.is_own_file(path):
        if time.time() - path.stat().st_mtime < _PATIENCE_SECONDS:
            said = path.read_text(errors="replace").strip()[:500]
            raise ValueError(f"{said} (remembered; delete {path} to try again)")


def _compile(compiler, flags, record):
    folder, framework = tf.sysconfig.get_lib(), "libtensorflow_framework"
    with tempfile.TemporaryDirectory() as temporary:
        made = Path(temporary) / "convolutions.so"
        linked = [str(path) for path in Path(folder).glob(f"{framework}*")][:1]
        subprocess.run(
            [compiler, *flags, f"-I{tf.sysconfig.get_include()}",
             str(SOURCES / "tensorflow.cc"), "-o", str(made), *linked],
            check=True, capture_output=True, text=True, timeout=_SECONDS,
        )  # fmt: skip
        content = made.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    path = record.with_name(f"convolutions-{digest[:32]}.so")
    for place, data in ((path, content), (record, digest.encode())):
        atomic.write(place, data)
        place.chmod(0o600)


def _compiler() -> str | None:
    for name in (os.environ.get("CXX"), "g++", "clang++"):
        if name and shutil.which(name):
            return shutil.which(name)
    return None


def _level() -> list[str]:
    """Returns the compiler's options for what this processor knows.

    One by one: the names of whole levels are known to compilers of 2021 and later only.
    """
    if platform.machine() not in ("x86_64", "AMD64"):
        return []
    with open("/proc/cpuinfo") as lines:
        known = next((set(x.split()) for x in lines if x.startswith("flags")), set())
    for needed in _LEVELS:
        if known.issuperset(needed):
            return [f"-m{_OPTION_OF.get(name, name)}" for name in needed]
    raise ValueError("this processor has no AVX2")
