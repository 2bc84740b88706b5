"""The C++ code by itself: warnings, TensorFlow's declarations, sanitizers."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from dglgan_tf.compat import tf
from dglgan_tf.native import library

CHECKS = Path(__file__).resolve().parents[2] / "proofs/native_code.cc"
STRICT = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-Wno-psabi"]
FOUND = [name for name in ("g++", "clang++") if shutil.which(name)]


@pytest.fixture(params=["g++", pytest.param("clang++", marks=pytest.mark.proof)])
def compile_with(request):
    """Runs a compiler; g++ is there in CI surely."""
    if request.param not in FOUND:
        must = os.environ.get("CI") and request.param == "g++"
        (pytest.fail if must else pytest.skip)(f"no {request.param} here")

    def run(*arguments):
        done = subprocess.run(
            [request.param, *arguments], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr[-3000:]

    return run


@pytest.mark.slow
def test_no_warning_and_declarations_are_tensorflow_s(compile_with):
    """A declaration that differs from that of the header would not compile."""
    # The header's own warnings are not ours.
    include = ["-isystem", tf.sysconfig.get_include()]
    source = str(library.SOURCES / "tensorflow.cc")
    compile_with(*STRICT, *include, "-fsyntax-only", source)
    header = ["-include", "tensorflow/c/kernels.h"]
    compile_with(*STRICT, *include, *header, "-fsyntax-only", source)


@pytest.mark.slow
def test_sanitizers_see_nothing_and_sums_agree(compile_with, tmp_path):
    program = tmp_path / "checks"
    compile_with(
        *STRICT, *library._level(), "-O1", "-g", "-fsanitize=address,undefined",
        "-fno-sanitize-recover=all", f"-I{library.SOURCES}", str(CHECKS),
        "-o", str(program),
    )  # fmt: skip
    done = subprocess.run([program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert done.stdout.strip() == "0 failures"
