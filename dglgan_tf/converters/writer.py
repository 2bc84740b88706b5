"""Writes plain trees as `torch.save` or NVIDIA's TF1 code would, with neither of them.

The trees hold dicts, lists, tuples, text, numbers, None, numpy arrays and `Record`s of
TF1 networks: what `reader.read` returns.
"""

import io
import struct
import zipfile
from pathlib import Path

import numpy as np

from dglgan_tf.containers.errors import CheckpointError, Record, shown
from dglgan_tf.converters.stylegan2 import nvidia
from dglgan_tf.foundation import atomic

_TORCH_STORAGES = {
    "float32": "FloatStorage",
    "float64": "DoubleStorage",
    "float16": "HalfStorage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
}


def write_torch(path, tree) -> None:
    """Writes a zip container that `torch.load(path, weights_only=True)` reads.

    Arrays become tensors, dicts become `OrderedDict`s.

    Raises:
      CheckpointError: something in the tree that a state dict does not hold.
    """
    storages = []

    def emit_array(pickler, array):
        name = _TORCH_STORAGES.get(array.dtype.name)
        if name is None:
            raise CheckpointError(f"torch has no storage for {array.dtype}")
        pickler.tensor(array, name, str(len(storages)))
        storages.append(array)

    pickler = _Pickler(2, emit_array, ordered=True)
    data = pickler.dump(tree)
    stem = Path(path).stem
    with atomic.writing(path) as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{stem}/data.pkl", data)
        archive.writestr(f"{stem}/byteorder", "little")
        for index, array in enumerate(storages):
            little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
            with archive.open(f"{stem}/data/{index}", "w", force_zip64=True) as member:
                member.write(little.reshape(-1).view(np.uint8).data)
        archive.writestr(f"{stem}/version", "3\n")


def write_pickle(path, tree) -> None:
    """Writes a protocol-4 pickle of numpy arrays and TF1 networks.

    Raises:
      CheckpointError: something in the tree that has no place there.
    """
    with atomic.writing(path) as file:
        pickler = _Pickler(4, lambda p, array: p.numpy(array), ordered=False)
        file.write(pickler.dump(tree))


class _Pickler:
    """Emits pickle instructions for plain trees; the memo is not used."""

    def __init__(self, protocol: int, emit_array, ordered: bool):
        self._out = io.BytesIO()
        self._protocol = protocol
        self._emit_array = emit_array
        self._ordered = ordered

    def dump(self, tree) -> memoryview:
        """Returns the pickle of a tree."""
        self._put(b"\x80", bytes([self._protocol]))
        self.value(tree)
        self._put(b".")
        return self._out.getbuffer()

    def _put(self, *parts):
        for part in parts:
            self._out.write(part)

    def _global(self, module: str, name: str):
        self._put(b"c", module.encode(), b"\n", name.encode(), b"\n")

    def value(self, value):
        """Emits any admitted value."""
        if value is None or isinstance(value, bool):
            self._put({None: b"N", True: b"\x88", False: b"\x89"}[value])
        elif isinstance(value, np.ndarray):
            self._emit_array(self, value)
        elif isinstance(value, np.generic):
            self._scalar(value)
        elif isinstance(value, int) and -(1 << 31) <= value < 1 << 31:
            self._put(b"J", struct.pack("<i", value))
        elif isinstance(value, int):
            raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            self._put(b"\x8a", bytes([len(raw)]), raw)
        elif isinstance(value, float):
            self._put(b"G", struct.pack(">d", value))
        elif isinstance(value, str):
            raw = value.encode()
            self._put(b"X", struct.pack("<I", len(raw)), raw)
        elif isinstance(value, dict):
            self._dict(value)
        elif isinstance(value, (list, tuple)):
            self._put(b"(" if isinstance(value, tuple) else b"](")
            for item in value:
                self.value(item)
            self._put(b"t" if isinstance(value, tuple) else b"e")
        elif nvidia.is_tf1_network(value):
            self._network(value)
        else:
            raise CheckpointError(f"{shown(value)} cannot be written")

    def _dict(self, value):
        if self._ordered:
            self._global("collections", "OrderedDict")
            self._put(b")R")
        else:
            self._put(b"}")
        self._put(b"(")
        for name, item in value.items():
            self.value(name)
            self.value(item)
        self._put(b"u")

    def _network(self, record: Record):
        self._global(*nvidia.TF1_NETWORK.rsplit(".", 1))
        self._put(b")\x81")
        self.value(record.state)
        self._put(b"b")

    def tensor(self, array, storage: str, key: str):
        """Emits a contiguous torch tensor whose elements are storage `key`."""
        self._global("torch._utils", "_rebuild_tensor_v2")
        self._put(b"((")
        self.value("storage")
        self._global("torch", storage)
        for item in (key, "cpu", int(array.size)):
            self.value(item)
        self._put(b"tQ")
        strides = [1]
        for size in array.shape[:0:-1]:
            strides.append(strides[-1] * size)
        self.value(0)
        self.value(tuple(array.shape))
        self.value(tuple(strides[::-1]) if array.ndim else ())
        self.value(False)
        self._global("collections", "OrderedDict")
        self._put(b")RtR")

    def numpy(self, array):
        """Emits a numpy array under the names of numpy 1."""
        self._global("numpy.core.multiarray", "_reconstruct")
        self._put(b"(")
        self._global("numpy", "ndarray")
        self.value((0,))
        self._bytes(b"b")
        self._put(b"tR(")
        self.value(1)
        self.value(tuple(array.shape))
        self._dtype(array.dtype)
        self.value(False)
        self._bytes(np.ascontiguousarray(array).tobytes())
        self._put(b"tb")

    def _scalar(self, value):
        if self._ordered:
            self.value(value.item())
            return
        self._global("numpy.core.multiarray", "scalar")
        self._put(b"(")
        self._dtype(value.dtype)
        self._bytes(value.tobytes())
        self._put(b"tR")

    def _dtype(self, dtype):
        self._global("numpy", "dtype")
        self.value((dtype.str[1:], False, True))
        self._put(b"R")
        order = "|" if dtype.itemsize == 1 else "<"
        self.value((3, order, None, None, None, -1, -1, 0))
        self._put(b"b")

    def _bytes(self, raw: bytes):
        self._put(b"\x8e", struct.pack("<Q", len(raw)), raw)
