"""Images in HDF5 files (BigGAN-PyTorch) and LMDB databases (LSUN).

The packages h5py and lmdb are imported only when such a source is opened.
"""

import functools
import hashlib
import importlib
import re
import threading
from collections import Counter
from pathlib import Path

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.data import base, class_numbers

_IN_MEMORY_BYTES = 4 << 30
_NO_IMAGES = frozenset((b"length", b"num-samples", b"__len__", b"__keys__"))
_SIZED_KEY = re.compile(rb"([0-9]{1,6})-[0-9]{1,12}")


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
    try:
        labels, class_names = _hdf5_classes(path, file)
    except BaseException:
        file.close()
        raise
    if file["imgs"].size <= max_memory_bytes:
        with file:
            pixels = file["imgs"][:].transpose(0, 2, 3, 1)
        return base.ArraySource(pixels, labels, class_names, path.stem)
    return HDF5Source(file["imgs"], labels, class_names, path.stem)


def _hdf5_classes(path: Path, file) -> tuple[np.ndarray | None, list[str] | None]:
    """Checks the arrays of an HDF5 file; returns labels and class names."""
    arrays = {name: file[name] for name in ("imgs", "labels") if name in file}
    images, labels = arrays.get("imgs"), arrays.get("labels")
    if getattr(images, "ndim", 0) != 4 or images.dtype != np.uint8:
        raise ValueError(f"{path}: no uint8 array `imgs` [N, channels, height, width].")
    if labels is not None and (
        getattr(labels, "shape", None) != images.shape[:1]
        or labels.dtype.kind not in "iu"
    ):
        raise ValueError(
            f"{path}: `labels` must be {images.shape[0]} integers, one for each image."
        )
    for name, array in arrays.items():
        stored = array.id.get_storage_size()
        # No filter of HDF5 packs more than about a thousand bytes into one.
        if array.nbytes > stored * (1100 if array.compression else 1):
            raise ValueError(
                f"{path}: `{name}` claims {array.nbytes:,} bytes, but the file holds "
                f"{stored:,}: it is damaged, or was never filled."
            )
    class_names = file.attrs.get("class_names")
    if class_names is not None:
        class_names = [str(name) for name in class_names]
    if labels is None or not len(labels):
        return (None if labels is None else labels[:]), class_names
    return class_numbers.numbered(labels[:], class_names, str(path))


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

    Keys that other programs keep beside the images (`length`, `num-samples`) are left
    alone. A database of rosinality's `prepare_data.py` holds every image in several
    sizes under keys such as 256-00001; one size is read.

    Args:
      folders: databases (folders with data.mdb); with more than one, each is a class
        and its name comes before the keys.
      size: which of several sizes; None, or one that is not there, is the largest.
    """

    paths = None

    def __init__(self, folders: list[Path], size: int | None = None):
        lmdb = optional("lmdb", f"{folders[0]}: reading LMDB")
        self.names, self.sizes, self._keys, self.notes = [], [], [], []
        self._folders, self._databases = folders, []
        for number, folder in enumerate(folders):
            database = _open_lmdb(lmdb, str(folder.resolve()))
            self._databases.append(database)
            prefix = f"{class_name(folder)}/" if len(folders) > 1 else ""
            try:
                lengths = _lengths(database)
            except lmdb.Error as error:
                raise ValueError(f"{folder}: damaged database ({error}).") from error
            for key in self._chosen(folder, list(lengths), size):
                self.names.append(prefix + key.decode("ascii", "backslashreplace"))
                self.sizes.append(lengths[key])
                self._keys.append((number, key))
        if not self.names:
            raise ValueError(f"{folders[0]}: no images.")

    def of_size(self, size: int | None) -> "LmdbReader":
        """Returns a reader of another of the stored sizes, where there are several."""
        return LmdbReader(self._folders, size) if self.notes and size else self

    def _chosen(self, folder: Path, keys: list[bytes], size: int | None) -> list[bytes]:
        """Returns the keys of images, of one size where there are several."""
        if not any(key in _NO_IMAGES for key in keys):
            return keys
        keys = [key for key in keys if key not in _NO_IMAGES]
        counts = Counter(_stored_size(key) for key in keys)
        if None in counts or not counts:
            return keys
        chosen = size if size in counts else max(counts)
        if len(counts) > 1:
            self.notes.append(
                f"{folder.name} holds every image in {len(counts)} sizes "
                f"({', '.join(map(str, sorted(counts)))}), as rosinality's "
                f"prepare_data.py writes them: {chosen} is read"
            )
        return [key for key in keys if _stored_size(key) == chosen]

    def read(self, index: int) -> bytes:
        """Returns one encoded image (LSUN stores WebP)."""
        number, key = self._keys[index]
        with self._databases[number].begin() as transaction:
            return transaction.get(key)

    def extra(self, name: str) -> bytes | None:
        """Returns None: a database has no companion files."""
        del name
        return None


def _lengths(database) -> dict[bytes, int]:
    with database.begin(buffers=True) as transaction:
        return {bytes(key): len(value) for key, value in transaction.cursor()}


def _stored_size(key: bytes) -> int | None:
    match = _SIZED_KEY.fullmatch(key)
    return int(match[1]) if match else None


def lmdb_folders(path: Path) -> list[Path]:
    """Returns the LMDB databases at or directly below a path, in order of names."""
    if (path / "data.mdb").is_file():
        return [path]
    return sorted(found.parent for found in path.glob("*/data.mdb"))


def class_name(folder: Path) -> str:
    """Returns the category in an LSUN folder name such as church_outdoor_train_lmdb."""
    name = folder.name.removesuffix("_lmdb")
    return name.removesuffix("_train").removesuffix("_val")
