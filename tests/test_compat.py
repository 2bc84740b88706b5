"""What Keras imports without need is loaded when it is used, and works then."""

import json
import subprocess
import sys

import pytest

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
