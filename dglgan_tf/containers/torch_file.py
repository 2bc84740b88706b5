"""Reads files of `torch.save` as NumPy arrays, without PyTorch and without code.

A torch file is a pickle that refers to raw storages, either in a zip archive (since
PyTorch 1.6) or one after another in a single file (before). A pickle can name any
function of any installed package; the reader here knows a fixed list of names, each a
harmless function of this file, and refuses every other before it is looked up.
"""

import collections
import pickle
import struct
import sys
import zipfile
from pathlib import Path

import numpy as np

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "<b1",
}


class _StorageType:
    """Stands for `torch.FloatStorage` and the like."""

    def __init__(self, name: str):
        self.dtype = np.dtype(_DTYPES[name])


class Inert:
    """Stands for an object of a class that is known but not needed; does nothing."""

    def __init__(self, *args, **kwargs):
        del args, kwargs
        self.state = None

    def __setstate__(self, state):
        self.state = state


class _LazyTensor:
    """A tensor whose storage is read later (the order of single-file archives)."""

    def __init__(self, storage, offset, size, stride):
        self.storage, self.offset = storage, offset
        self.size, self.stride = tuple(size), tuple(stride)


def _rebuild_tensor(storage, offset, size, stride, *unused):
    del unused
    return _LazyTensor(storage, offset, size, stride)


def _rebuild_parameter(data, *unused):
    del unused
    return data


_FUNCTIONS = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    ("torch", "Size"): tuple,
}


class _Storage:
    """One storage named by the pickle; its bytes arrive with `array`."""

    def __init__(self, kind: _StorageType, key: str, count: int):
        self.dtype, self.key, self.count = kind.dtype, key, int(count)
        self.array: np.ndarray | None = None


class _Unpickler(pickle.Unpickler):
    """Admits the names above and `inert` ones; everything else is an error."""

    def __init__(self, file, path, inert, storages):
        super().__init__(file, encoding="latin1")
        self._path, self._inert, self._storages = path, inert, storages

    def find_class(self, module, name):
        """Returns the stand-in of a known name; any other is an error."""
        if (module, name) in _FUNCTIONS:
            return _FUNCTIONS[module, name]
        if module == "torch" and name in _DTYPES:
            return _StorageType(name)
        if (module, name) in self._inert:
            return Inert
        raise ValueError(
            f"{self._path} asks for {module}.{name}, which a file of weights does not "
            "need: it was not run. Save the plain state dict and give that file."
        )

    def persistent_load(self, pid):
        """Returns the storage that a persistent id names; its bytes come later."""
        kind, key, count = pid[1], str(pid[2]), pid[4]
        if len(pid) > 5 and pid[5] is not None:
            raise ValueError(
                f"{self._path} holds storage views of PyTorch before 0.4: "
                "load and save it once with a newer PyTorch."
            )
        if key not in self._storages:
            self._storages[key] = _Storage(kind, key, count)
        return self._storages[key]


def read(path, inert: frozenset[tuple[str, str]] = frozenset()):
    """Returns what `torch.save` wrote, tensors as NumPy arrays.

    Args:
      path: a `.pth`, `.pt` or `.ckpt` file, of the zip or the single-file kind.
      inert: (module, name) of further classes that the file may hold; their objects
        become `Inert`, with the pickled attributes in `state`.

    Returns:
      dicts, lists, tuples, numbers, strings and arrays (own memory, C order).

    Raises:
      ValueError: no such file, not a torch file, a TorchScript archive, a broken file,
        or one that asks for any other class or function.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no file at {path}: give the path of a torch file")
    try:
        if zipfile.is_zipfile(path):
            return _read_zip(path, inert)
        return _read_single(path, inert)
    except (
        pickle.UnpicklingError,
        zipfile.BadZipFile,
        EOFError,
        struct.error,
        OSError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        UnicodeDecodeError,
        OverflowError,
        MemoryError,
    ) as error:
        raise ValueError(
            f"{path} is not a readable torch file ({type(error).__name__}: {error}): "
            "it is another kind of file or was cut short"
        ) from error


def _read_zip(path, inert):
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        roots = [name for name in names if name.rsplit("/", 1)[-1] == "data.pkl"]
        if not roots:
            raise ValueError(f"{path} is a zip archive but not one of torch.save")
        folder = roots[0][: -len("data.pkl")]
        if any(name.startswith(f"{folder}code/") for name in names):
            raise ValueError(
                f"{path} is a TorchScript archive, which is a program: give a file "
                "of plain weights (a state dict written by torch.save) instead"
            )
        storages: dict[str, _Storage] = {}
        with archive.open(roots[0]) as file:
            found = _Unpickler(file, path, inert, storages).load()
        big = f"{folder}byteorder"
        order = archive.read(big) if big in names else b"little"
        for storage in storages.values():
            data = archive.read(f"{folder}data/{storage.key}")
            storage.array = _from_bytes(data, storage, order == b"big", path)
    return _resolve(found, path)


def _read_single(path, inert):
    storages: dict[str, _Storage] = {}
    with open(path, "rb") as file:
        for wanted in (_LEGACY_MAGIC, _LEGACY_PROTOCOL):
            if _Unpickler(file, path, frozenset(), {}).load() != wanted:
                raise ValueError(f"{path} is not a file of torch.save")
        system = _Unpickler(file, path, frozenset(), {}).load()
        found = _Unpickler(file, path, inert, storages).load()
        for key in _Unpickler(file, path, frozenset(), {}).load():
            (count,) = struct.unpack("<q", file.read(8))
            storage = storages[str(key)]
            if count < storage.count:
                raise ValueError(f"{path} is broken: storage {key} is too short")
            data = file.read(count * storage.dtype.itemsize)
            swap = not system.get("little_endian", True)
            storage.array = _from_bytes(data, storage, swap, path)
    return _resolve(found, path)


def _from_bytes(data, storage, big_endian, path):
    size = storage.count * storage.dtype.itemsize
    if len(data) < size:
        raise ValueError(f"{path} was cut short: storage {storage.key} is incomplete")
    dtype = storage.dtype.newbyteorder(">") if big_endian else storage.dtype
    array = np.frombuffer(data[:size], dtype)
    if dtype.byteorder == ">" or sys.byteorder == "big":
        array = array.astype(storage.dtype.newbyteorder("="))
    return array


def _resolve(value, path):
    """Puts arrays in the place of the tensors read from the pickle."""
    if isinstance(value, _LazyTensor):
        return _array(value, path)
    if isinstance(value, dict):
        return {key: _resolve(item, path) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_resolve(item, path) for item in value)
    return value


def _array(tensor, path):
    flat = tensor.storage.array
    size, stride, offset = tensor.size, tensor.stride, tensor.offset
    if flat is None or len(size) != len(stride) or min((offset, *size, *stride)) < 0:
        raise ValueError(f"{path} is broken: a tensor has no valid storage")
    if 0 in size:
        return np.zeros(size, flat.dtype)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if last >= flat.size:
        raise ValueError(f"{path} is broken: a tensor reaches beyond its storage")
    view = np.lib.stride_tricks.as_strided(
        flat[offset:], size, [step * flat.itemsize for step in stride]
    )
    return np.array(view, order="C")
