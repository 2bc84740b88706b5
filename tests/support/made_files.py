"""Writers of checkpoint files for the tests, built on Python's own pickle module.

They share no code with the package's writer: what both agree on is the format.
"""

import collections
import contextlib
import io
import pickle
import struct
import sys
import types
import zipfile

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C


def _foreign(module: str, name: str):
    """Returns a function that pickle writes as the global `module.name`."""

    def function(*arguments):
        raise AssertionError(f"{module}.{name} must never be called")

    function.__module__ = module
    function.__name__ = function.__qualname__ = name
    return function


REBUILD = _foreign("torch._utils", "_rebuild_tensor_v2")
FROM_BYTES = _foreign("torch.storage", "_load_from_bytes")
PERSISTENT = _foreign("torch_utils.persistence", "_reconstruct_persistent_obj")
FLOAT = _foreign("torch", "FloatStorage")
NAMES = (REBUILD, FROM_BYTES, PERSISTENT, FLOAT)


@contextlib.contextmanager
def foreign_modules(names=NAMES):
    """Makes pickle believe that the foreign names can be imported, while it writes."""
    before = dict(sys.modules)
    try:
        for name in names:
            parts = name.__module__.split(".")
            for i in range(len(parts)):
                path = ".".join(parts[: i + 1])
                sys.modules.setdefault(path, types.ModuleType(path))
            setattr(sys.modules[name.__module__], name.__name__, name)
        yield
    finally:
        for name in set(sys.modules) - set(before):
            del sys.modules[name]


class View:
    """A tensor with an offset and strides of its own over float32 elements."""

    def __init__(self, elements, offset, size, stride):
        self.storage = Storage(elements)
        self.arguments = (offset, size, stride)


class Storage:
    """The elements of a tensor."""

    def __init__(self, elements):
        self.elements = np.ascontiguousarray(elements, np.float32).reshape(-1)


class TorchPickler(pickle.Pickler):
    """Writes arrays as float32 tensors with outside storages."""

    def __init__(self, file, protocol=2):
        super().__init__(file, protocol)
        self.storages = []

    def persistent_id(self, obj):
        if not isinstance(obj, Storage):
            return None
        self.storages.append(obj.elements)
        key = str(len(self.storages) - 1)
        return ("storage", FLOAT, key, "cpu", obj.elements.size)

    def reducer_override(self, obj):
        if isinstance(obj, np.ndarray):
            strides = tuple(s // 4 for s in np.empty(obj.shape, np.float32).strides)
            obj = View(obj, 0, tuple(obj.shape), strides)
        if isinstance(obj, View):
            empty = collections.OrderedDict()
            return REBUILD, (obj.storage, *obj.arguments, False, empty)
        return NotImplemented


def pickled(obj, protocol=4) -> bytes:
    """Returns an ordinary pickle."""
    with foreign_modules():
        return pickle.dumps(obj, protocol)


def torch_zip(obj, compression=zipfile.ZIP_STORED, prefix="archive") -> bytes:
    """Returns the zip container of an object."""
    data = io.BytesIO()
    with foreign_modules():
        pickler = TorchPickler(data)
        pickler.dump(obj)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        archive.writestr(f"{prefix}/data.pkl", data.getvalue())
        for i, elements in enumerate(pickler.storages):
            archive.writestr(f"{prefix}/data/{i}", elements.tobytes())
        archive.writestr(f"{prefix}/version", "3\n")
    return out.getvalue()


def torch_legacy(obj, counts=None) -> bytes:
    """Returns the legacy container of an object; `counts` overrides stored counts."""
    out = io.BytesIO()
    with foreign_modules():
        for head in (MAGIC, 1001, {"protocol_version": 1001, "little_endian": True}):
            pickle.dump(head, out, 2)
        pickler = TorchPickler(out)
        pickler.dump(obj)
        pickle.dump([str(i) for i in range(len(pickler.storages))], out, 2)
    for i, elements in enumerate(pickler.storages):
        out.write(struct.pack("<q", elements.size if counts is None else counts[i]))
        out.write(elements.tobytes())
    return out.getvalue()
