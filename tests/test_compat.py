"""What Keras imports without need is loaded when it is used, and works then."""

import ctypes
import json
import mmap
import os
import subprocess
import sys

import numpy as np
import pytest

from dglgan_tf import compat

# Prints which packages are loaded: at first, and after Keras needed each of them.
PROCESS = """
import importlib.util, json, sys, tempfile
from dglgan_tf.compat import keras
import numpy as np
names = ("h5py", "pandas", "scipy")
said = [[name for name in names if name in sys.modules]]
model = keras.Sequential([keras.layers.Dense(2, input_shape=(3,))])
with tempfile.TemporaryDirectory() as folder:
    model.save_weights(f"{folder}/x.h5")
    kept = model.get_weights()
    model.set_weights([np.zeros_like(w) for w in kept])
    model.load_weights(f"{folder}/x.h5")
assert (model.get_weights()[0] == kept[0]).all()
said.append([name for name in names if name in sys.modules])
image = np.eye(8)[..., None]
turned = keras.preprocessing.image.apply_affine_transform(
    image, theta=90, row_axis=0, col_axis=1, channel_axis=2)
assert np.allclose(turned, image[::-1]), turned[..., 0]
if importlib.util.find_spec("pandas"):
    import pandas
    table = pandas.DataFrame(np.eye(3, dtype="float32"))
    assert np.allclose(model.predict(table, verbose=0), kept[0], atol=1e-6)
said.append([name for name in names if name in sys.modules])
print(json.dumps(said))
"""


@pytest.mark.slow
def test_optional_packages_of_keras_are_loaded_late():
    done = subprocess.run(
        [sys.executable, "-c", PROCESS],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    first, then, last = json.loads(done.stdout.splitlines()[-1])
    assert first == []
    assert "h5py" in then and "scipy" not in then
    assert "scipy" in last


def test_who_imported_a_package_before_keeps_it():
    code = "import scipy; from dglgan_tf.compat import tf; import sys; "
    code += "assert sys.modules['scipy'] is scipy; scipy.linalg.inv([[1.0]])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def _resident(path):
    """kB of a file's mappings that are in memory."""
    return [s["Rss"] for (*_, name), s in compat._mappings() if name == str(path)]


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's smaps")
def test_pages_that_equal_their_file_are_given_back_and_return(tmp_path):
    path = tmp_path / "library"
    content = np.arange(2**16, dtype=np.uint32)
    with open(path, "wb") as file:
        file.write(content.tobytes())
        file.flush()
        os.fsync(file.fileno())  # what is not on the disk yet counts as changed
    with open(path, "rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ)
    values = np.frombuffer(mapped, np.uint32)
    assert values.sum() == content.sum() and _resident(path) == [256]
    compat._drop_unchanged_pages(str(tmp_path))
    assert _resident(path) == [0]
    np.testing.assert_array_equal(values, content)


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's smaps")
def test_pages_that_were_changed_stay(tmp_path):
    """As relocated ones are: written to, then made read-only."""
    path = tmp_path / "library"
    path.write_bytes(bytes(2**16))
    with open(path, "rb") as file:
        protection = mmap.PROT_READ | mmap.PROT_WRITE
        mapped = mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE, protection)
    values = np.frombuffer(mapped, np.uint8)
    values[5000] = 7
    start = ctypes.c_void_p(values.ctypes.data)
    assert ctypes.CDLL(None).mprotect(start, ctypes.c_size_t(2**16), 1) == 0
    compat._drop_unchanged_pages(str(tmp_path))
    assert values[5000] == 7
