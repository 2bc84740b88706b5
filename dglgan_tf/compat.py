"""The one place that knows TensorFlow, Keras and optional-package versions.

The package is written against the Keras 2 API: TensorFlow's own Keras on 2.15,
`tf_keras` on 2.16 and later. Everything else imports `tf` and `keras` from here.
"""

import contextlib
import ctypes
import functools
import importlib
import importlib.metadata
import importlib.util
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


def _select_keras_2() -> None:
    """Makes `tf.keras` mean Keras 2, or says why it cannot."""
    if _tensorflow_version() < (2, 16):
        return
    wanted = os.environ.get("TF_USE_LEGACY_KERAS")
    if "tensorflow" in sys.modules and wanted not in ("1", "true", "True"):
        raise ImportError(
            "TensorFlow was imported before dglgan_tf and chose Keras 3, while "
            "dglgan_tf needs Keras 2: import dglgan_tf.compat first or set "
            "TF_USE_LEGACY_KERAS=1 in the environment."
        )
    os.environ["TF_USE_LEGACY_KERAS"] = "1"


@contextlib.contextmanager
def _quiet():
    """Drops what TensorFlow's libraries print while they load, unless it was asked for.

    These lines ignore TF_CPP_MIN_LOG_LEVEL, since logging is not set up yet. Errors
    are exceptions and arrive.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
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


class _Later(types.ModuleType):
    """Stands for a module, or one inside it, that is loaded when it is used."""

    def __getattr__(self, name):
        if name.startswith("__"):  # who looks through all modules asks for these
            raise AttributeError(name)
        if sys.modules.get(self.__name__.split(".")[0]) is self._top:
            return self._inside(name)
        return getattr(importlib.import_module(self.__name__), name)

    def _inside(self, name):
        module = _Later(f"{self.__name__}.{name}")
        module._top = self._top
        return module


@contextlib.contextmanager
def _later(*names):
    """Inside the block, imports of these packages load nothing yet.

    Keras imports packages that it needs for data frames, HDF5 files and rotations of
    images, if they are installed: 0.4 s and 97 MB where a training uses none of them.
    What Keras keeps is a stand-in that loads the package when it is used; everybody
    else imports the package as ever. One that is loaded already stays.
    """
    hidden = {}
    for name in names:
        if name not in sys.modules and importlib.util.find_spec(name) is not None:
            hidden[name] = sys.modules[name] = _Later(name)
            hidden[name]._top = hidden[name]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def _mappings():
    """Yields (head, {quantity: kB}) of what this process maps, in words of Linux."""
    with open("/proc/self/smaps") as lines:
        for line in lines:
            words = line.split()
            if "-" in words[0]:
                head, sizes = words, {}
            elif words[0] == "VmFlags:":  # the last line of a mapping
                yield head, sizes
            else:
                sizes[words[0].rstrip(":")] = int(words[1])


def _drop_unchanged_pages(folder: str) -> None:
    """Gives back the pages of a folder's libraries that loading alone has touched.

    Relocation tables, initializers and the like: 300 MB of the resident memory that
    TensorFlow's import leaves behind, of which training reads some 60 again. They
    equal the files, from where they return when they are used. Linux; elsewhere
    nothing happens.
    """
    changed, drop = ("Anonymous", "Private_Dirty", "Shared_Dirty"), 4  # MADV_DONTNEED
    with contextlib.suppress(OSError, AttributeError, ValueError):
        release = ctypes.CDLL(None).madvise
        for (span, permissions, *_, path), sizes in list(_mappings()):
            if "w" in permissions or not path.startswith(folder):
                continue
            if not any(sizes.get(name, 1) for name in changed):
                first, end = (int(part, 16) for part in span.split("-"))
                release(ctypes.c_void_p(first), ctypes.c_size_t(end - first), drop)


_select_keras_2()
with _quiet(), _later("h5py", "pandas", "scipy"):
    import tensorflow as tf

    if _tensorflow_version() < (2, 16):
        keras = tf.keras
    else:
        import tf_keras as keras
    keras.layers  # noqa: B018 - TensorFlow 2.15 loads Keras here

    tf.config.list_physical_devices()  # looks for drivers, and says so
    _drop_unchanged_pages(os.path.dirname(tf.__file__))


def tensorflow_addons():
    """Returns the `tensorflow_addons` module.

    Raises:
      ImportError: with what to install, where it is missing (Python 3.12 and later).
    """
    if keras.__name__ == "tf_keras":
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
