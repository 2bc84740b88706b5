"""The one place that knows TensorFlow, Keras and optional-package versions.

The package is written against the Keras 2 API: TensorFlow's own Keras on 2.15,
`tf_keras` on 2.16 and later. Everything else imports `tf` and `keras` from here, and
nothing uses `tf.keras`, which may be Keras 3 and stays what it is. Only
tensorflow-addons needs it to be Keras 2 (`tensorflow_addons`); commands see to that.
"""

import contextlib
import functools
import importlib
import importlib.metadata
import os
import sys
import types
import warnings


def _version(package: str) -> tuple[int, ...]:
    """Returns (major, minor) of an installed package without importing it."""
    text = importlib.metadata.version(package)
    return tuple(int(part) for part in text.split(".")[:2])


def _tensorflow_version() -> tuple[int, ...]:
    for name in ("tensorflow", "tensorflow-cpu", "tf-nightly"):
        try:
            return _version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    raise ImportError(
        "TensorFlow is not installed: install the package's requirements, "
        "for instance `pip install dglgan_tf`."
    )


@contextlib.contextmanager
def _quiet():
    """Drops what TensorFlow's libraries print while they load, unless it was asked for.

    Nothing is changed where TensorFlow is loaded already.

    These lines ignore TF_CPP_MIN_LOG_LEVEL, since logging is not set up yet. Errors
    are exceptions and arrive.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ or "tensorflow" in sys.modules:
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


with _quiet():
    import tensorflow as tf

    if _tensorflow_version() < (2, 16):
        keras = tf.keras
    else:
        import tf_keras as keras
    keras.layers  # noqa: B018 - TensorFlow 2.15 loads Keras here
    tf.config.list_physical_devices()  # looks for drivers, and says so


def tensorflow_addons():
    """Returns the `tensorflow_addons` module.

    Raises:
      ImportError: with what to install, where it is missing (Python 3.12 and later).
      ValueError: `tf.keras`, which it extends, is Keras 3 in this process.
    """
    if keras.__name__ == "tf_keras":
        version = getattr(tf.keras, "__version__", "2")  # Keras 2 may not say it
        if not version.startswith("2"):
            raise ValueError(
                f"`tf.keras` is Keras {version} here, and "
                "tensorflow-addons needs Keras 2: set TF_USE_LEGACY_KERAS=1 in the "
                "environment before Python starts."
            )
        _register_moved_keras_modules()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module("tensorflow_addons")
        except ImportError as error:
            raise ImportError(
                "tensorflow-addons is not available here (it supports Python up to "
                f"3.11): {error}. Choose an optimizer of Keras instead, or install "
                "tensorflow-addons==0.23.0 under Python 3.10 or 3.11."
            ) from error


def _register_moved_keras_modules() -> None:
    """tensorflow-addons looks for `keras.src.engine`, which tf_keras renamed."""
    import keras.src  # the Keras 3 package, present beside TensorFlow >= 2.16
    from tf_keras.src import engine
    from tf_keras.src.engine import keras_tensor

    keras.src.engine = engine
    sys.modules.setdefault("keras.src.engine", engine)
    sys.modules.setdefault("keras.src.engine.keras_tensor", keras_tensor)


def keras_cv() -> types.ModuleType:
    """Returns the `keras_cv` module.

    Raises:
      ImportError: with what to install, where it is missing.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module("keras_cv")
    except ImportError as error:
        raise ImportError(
            f"keras-cv is not available here: {error}. Install keras-cv>=0.9,<0.10 "
            "or leave keras-cv augmentation out of the configuration."
        ) from error


def set_heartbeat(seconds: float) -> None:
    """Sets after how long without a sign of life TensorFlow gives up a host.

    Its own ten seconds pass on a busy host that is well. Call it before
    MultiWorkerMirroredStrategy is made, which has no argument for it.
    """
    from tensorflow.python.eager import context

    found = context.context()
    found.configure_coordination_service = functools.partial(
        found.configure_coordination_service,
        heartbeat_timeout_in_ms=int(1000 * seconds),
        shutdown_barrier_timeout_in_ms=int(1000 * seconds),
    )
