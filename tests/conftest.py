"""Shared fixtures: reference files, seeds, a clean gin state, logical devices."""

import os
from pathlib import Path

import pytest

# As commands do, for tensorflow-addons; test_compat.py has processes without it.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
REPOSITORY = Path(__file__).resolve().parents[1]


def reference_folder() -> Path:
    """Folder of the reference checkpoints (`DGLGAN_FIXTURES` overrides it)."""
    default = REPOSITORY.parent / "shared" / "fixtures"
    return Path(os.environ.get("DGLGAN_FIXTURES", default))


@pytest.fixture(scope="session")
def reference() -> Path:
    """The reference folder; a failure in CI, a skip elsewhere, where it is missing."""
    folder = reference_folder()
    if (folder / "README.md").is_file():
        return folder
    message = (
        f"no reference files in {folder}: set DGLGAN_FIXTURES to the folder that "
        "holds them"
    )
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def logical_devices():
    """Four logical CPU devices, which stand in for GPUs."""
    from dglgan_tf.compat import tf

    return [device.name for device in tf.config.list_logical_devices("CPU")]


def _eager():
    """A few steps of tiny networks cost less than their trace."""
    from dglgan_tf.compat import tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


eager = pytest.fixture(_eager, name="eager")
eager_module = pytest.fixture(_eager, name="eager_module", scope="module")


@pytest.fixture
def native_code(monkeypatch):
    """Lets `library.use` work as in lanes; needs a C++ compiler, in CI surely."""
    from dglgan_tf.native import library, threads

    if library.library() is None:
        end = pytest.fail if os.environ.get("CI") else pytest.skip
        end(f"no native convolutions: {library.absence()}")
    monkeypatch.setattr(threads, "single", lambda: True)


@pytest.fixture(params=["tensorflow", "native"])
def convolutions(request):
    """Runs a test with TensorFlow's convolutions, and with the native ones."""
    from dglgan_tf.native import library

    if request.param == "native":
        request.getfixturevalue("native_code")
    with library.use(request.param == "native"):
        yield request.param


def pytest_configure(config):
    """Splits the CPU before TensorFlow starts; nothing else can do it later."""
    del config
    from dglgan_tf.compat import tf

    # Workers share the cores: one thread an operation in each, a third less time.
    # TensorFlow reads the variable once; commands under test do not see it.
    name = "TF_NUM_INTRAOP_THREADS"
    given = os.environ.get(name)
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.environ[name] = "1"
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * 4
    )
    # TensorFlow runs from here on: no command under test sets the process's threads.
    tf.config.list_logical_devices()
    os.environ.pop(name, None)
    if given is not None:
        os.environ[name] = given
    from dglgan_tf.runs import registry

    registry.register()  # as every command does before it parses gin files


def pytest_collection_modifyitems(config, items):
    """Leaves out the long proofs unless `-m` asks for them."""
    if "proof" in config.option.markexpr:
        return
    left_out = [item for item in items if item.get_closest_marker("proof")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(autouse=True)
def _clean_state():
    """Seeds Python, NumPy and TensorFlow; undoes what a test set for the process."""
    import logging

    import gin
    from tensorflow.python.framework import config as tf_config

    from dglgan_tf.compat import keras

    level = logging.getLogger("absl").level
    keras.utils.set_random_seed(0)
    yield
    gin.clear_config()
    tf_config.disable_op_determinism()
    logging.getLogger("absl").setLevel(level)
