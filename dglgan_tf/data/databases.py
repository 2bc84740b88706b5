"""Images in HDF5 files (BigGAN-PyTorch) and LMDB databases (LSUN).

The packages h5py and lmdb are imported only when such a source is opened.
"""

import functools
import hashlib
import importlib
import threading
from pathlib import Path

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.data import base

_IN_MEMORY_BYTES = 4 << 30


def optional(module: str, purpose: str):
    """Imports an optional package, or says in one sentence what to install."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ValueError(
            f"{purpose} needs the package {module}, which is not installed: "
            f"pip install {module}."
        ) from error


def open_hdf5(path: Path, max_memory_bytes: int = _IN_MEMORY_BYTES) -> base.Source:
    """Opens an HDF5 file of BigGAN-PyTorch.

    Args:
      path: file with `imgs` [N, C, H, W] uint8 and, if there are any, `labels` [N].
      max_memory_bytes: files of at most so many bytes of pixels are read whole.
    """
    h5py = optional("h5py", f"{path}: reading HDF5")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ValueError(f"{path}: not a readable HDF5 file ({error}).") from error
    if "imgs" not in file or file["imgs"].ndim != 4 or file["imgs"].dtype != np.uint8:
        file.close()
        raise ValueError(f"{path}: no uint8 array `imgs` [N, channels, height, width].")
    labels = file["labels"][:] if "labels" in file else None
    class_names = file.attrs.get("class_names")
    if class_names is not None:
        class_names = [str(name) for name in class_names]
    elif labels is not None and len(labels):
        class_names = [str(c) for c in range(int(np.max(labels)) + 1)]
    if file["imgs"].size <= max_memory_bytes:
        with file:
            pixels = file["imgs"][:].transpose(0, 2, 3, 1)
        return base.ArraySource(pixels, labels, class_names, path.stem)
    return HDF5Source(file["imgs"], labels, class_names, path.stem)


class HDF5Source(base.Source):
    """Images of an HDF5 file that is too large for memory.

    Args:
      dataset: h5py dataset [N, C, H, W] uint8.
      labels: [N] classes or None.
      class_names: one per class or None.
      name: short name.
    """

    def __init__(self, dataset, labels, class_names, name: str):
        count, channels, height, width = dataset.shape
        if labels is None:
            labels, class_names = np.zeros(count, np.int32), []
        super().__init__(name, labels, class_names, height, width, channels)
        self._dataset = dataset
        self._lock = threading.Lock()  # h5py reads one at a time anyway

    def fetch(self, indices: tf.Tensor) -> tf.Tensor:
        """Reads images: [N] int64 to [N, height, width, num_channels] uint8."""
        shape = (indices.shape[0], self.height, self.width, self.num_channels)
        return tf.ensure_shape(
            tf.numpy_function(self.images, [indices], tf.uint8), shape
        )

    def images(self, indices) -> np.ndarray:
        """Reads images: [N] integers to [N, height, width, num_channels] uint8."""
        # HDF5 wants increasing positions, each once.
        unique, inverse = np.unique(
            np.asarray(indices).reshape(-1), return_inverse=True
        )
        with self._lock:
            pixels = self._dataset[unique]
        return np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)[inverse])

    def content_digest(self) -> bytes:
        """Returns a hash of the first and last images."""
        ends = self.images([0, self.num_examples - 1])
        return hashlib.sha256(repr(self._dataset.shape).encode() + ends).digest()


@functools.cache
def _open_lmdb(lmdb, folder: str):
    """Opens a database once: LMDB refuses a second time in the same process."""
    try:
        return lmdb.open(folder, readonly=True, lock=False, readahead=False)
    except lmdb.Error as error:
        raise ValueError(f"{folder}: not an LMDB database ({error}).") from error


class LmdbReader:
    """Encoded images in one or several LMDB databases; a `readers.Reader`.

    Args:
      folders: databases (folders with data.mdb); with more than one, each is a class
        and its name comes before the keys.
    """

    paths = None

    def __init__(self, folders: list[Path]):
        lmdb = optional("lmdb", f"{folders[0]}: reading LMDB")
        self.names, self.sizes, self._keys = [], [], []
        self._databases = []
        for number, folder in enumerate(folders):
            database = _open_lmdb(lmdb, str(folder.resolve()))
            self._databases.append(database)
            prefix = f"{class_name(folder)}/" if len(folders) > 1 else ""
            with database.begin(buffers=True) as transaction:
                for key, value in transaction.cursor():
                    key = bytes(key)
                    self.names.append(prefix + key.decode("ascii", "backslashreplace"))
                    self.sizes.append(len(value))
                    self._keys.append((number, key))
        if not self.names:
            raise ValueError(f"{folders[0]}: no images.")

    def read(self, index: int) -> bytes:
        """Returns one encoded image (LSUN stores WebP)."""
        number, key = self._keys[index]
        with self._databases[number].begin() as transaction:
            return transaction.get(key)

    def extra(self, name: str) -> bytes | None:
        """Returns None: a database has no companion files."""
        del name
        return None


def lmdb_folders(path: Path) -> list[Path]:
    """Returns the LMDB databases at or directly below a path, in order of names."""
    if (path / "data.mdb").is_file():
        return [path]
    return sorted(found.parent for found in path.glob("*/data.mdb"))


def class_name(folder: Path) -> str:
    """Returns the category in an LSUN folder name such as church_outdoor_train_lmdb."""
    name = folder.name.removesuffix("_lmdb")
    return name.removesuffix("_train").removesuffix("_val")
