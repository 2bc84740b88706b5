"""The package beside a `tf.keras` that is Keras 3, and what asks for Keras 2 there."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dglgan_tf import api, compat
from dglgan_tf.compat import keras, tf

REPOSITORY = Path(__file__).resolve().parents[1]
modern = pytest.mark.skipif(
    keras.__name__ != "tf_keras", reason="TensorFlow 2.15 has Keras 2 only"
)

STRANGER = """
import tensorflow as tf
model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
assert model(tf.ones([1, 2])).shape == (1, 1)
"""
OURS = "import dglgan_tf.compat, dglgan_tf.api\n"
# Models that docs/own_gan.md speaks of, and its data.
MODELS = """
import numpy as np
from dglgan_tf.compat import keras
layers = keras.layers
def pictured(width):
    return keras.Sequential([
        keras.Input([6]), layers.Dense(64 * width), layers.BatchNormalization(),
        layers.Reshape([8, 8, width]), layers.Conv2D(1, 3, padding="same")])
my_narrow_generator = pictured(2)
my_trained_discriminator = keras.Sequential([
    keras.Input([8, 8, 1]), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(1)])
images = np.random.RandomState(0).randint(0, 256, (40, 8, 8, 1)).astype(np.uint8)
z = np.random.RandomState(1).randn(3, 6).astype(np.float32)
"""
AFTER = """
assert pictures.shape == (3, 8, 8, 1)
small.model.save("small.keras")
again = keras.models.load_model("small.keras")
np.testing.assert_allclose(again(z), pictures, rtol=1e-5, atol=1e-6)
import os, tensorflow as tf
assert tf.keras.__version__.startswith("3"), tf.keras.__version__
assert tf.keras.layers.Dense.__module__.startswith("keras.")
assert keras.__version__.startswith("2")
assert "TF_USE_LEGACY_KERAS" not in os.environ
"""


def _python(document):
    """The Python blocks of a document, with a budget for a test."""
    text = (REPOSITORY / document).read_text()
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, re.S))
    assert "api." in code
    code = code.replace("total_images=25_600", "total_images=64")
    return code.replace("images, loss=", "images, total_images=32, batch_size=8, loss=")


def _run(code, folder, **environment):
    kept = {k: v for k, v in os.environ.items() if k != "TF_USE_LEGACY_KERAS"}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(REPOSITORY), **environment},
        capture_output=True,
        text=True,
        timeout=400,
    )


@modern
@pytest.mark.slow
@pytest.mark.parametrize("first", [STRANGER, OURS], ids=["stranger", "ours"])
def test_the_documents_run_beside_keras_3(tmp_path, first):
    parts = [first, MODELS, _python("docs/own_gan.md"), AFTER]
    if first is STRANGER:
        parts.insert(1, _python("README.md"))
    else:
        parts.append(STRANGER)
    done = _run("\n".join(parts), tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]


@modern
@pytest.mark.slow
def test_the_example_of_one_s_own_gan_runs_beside_keras_3(tmp_path):
    example = REPOSITORY / "examples" / "own_gan.py"
    code = (
        f"{STRANGER}\nimport runpy, sys\n"
        "sys.argv = ['own_gan', '--teacher_images=64', '--student_images=64']\n"
        "try:\n"
        f"    runpy.run_path({str(example)!r}, run_name='__main__')\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "assert tf.keras.__version__.startswith('3')\n"
    )
    done = _run(code, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "parameters; " in done.stdout and (tmp_path / "own_gan.png").is_file()


@pytest.mark.slow
@modern
def test_only_what_needs_keras_2_asks_for_it(tmp_path):
    code = STRANGER + (
        "from dglgan_tf import api, compat\n"
        "for call in (compat.tensorflow_addons, lambda: api.adapt(model)):\n"
        "    try:\n        call()\n"
        "    except ValueError as error:\n        print(error)\n"
    )
    done = _run(code, tmp_path)
    addons, adapt = done.stdout.splitlines()
    assert re.search("is Keras 3.*: set TF_USE_LEGACY_KERAS=1 in the", addons)
    assert re.search("is no model of tf_keras: .*dglgan_tf.compat import keras", adapt)


@modern
def test_commands_ask_for_keras_2_themselves_unless_told_otherwise(tmp_path):
    code = (
        "import os, sys; sys.argv = ['x']\n"
        "from dglgan_tf.cli import entry\n"
        "entry.run_entry(lambda _: print(os.environ['TF_USE_LEGACY_KERAS']))"
    )
    assert _run(code, tmp_path).stdout.split() == ["1"]
    told = _run(code, tmp_path, TF_USE_LEGACY_KERAS="0")
    assert told.stdout.split() == ["0"]


def test_a_model_of_something_else_is_no_model():
    with pytest.raises(ValueError, match="adapt.*is no model of"):
        api.adapt(tf.Module())


@pytest.mark.slow
def test_nothing_uses_the_keras_of_tensorflow():
    folders = ["dglgan_tf", "benchmarks", "examples", "experiments", "proofs", "tests"]
    files = [path for name in folders for path in (REPOSITORY / name).rglob("*.py")]
    assert len(files) > 300
    for path in files:
        if path == Path(compat.__file__):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                assert ast.unparse(node) != "tf.keras", f"{path}:{node.lineno}"
            if isinstance(node, ast.ImportFrom) and node.module:
                assert not node.module.startswith("tensorflow.keras"), path
