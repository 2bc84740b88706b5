"""The two containers of `torch.save`, read without PyTorch.

Zip: a pickle `*/data.pkl` beside raw storages `*/data/<key>`, stored without
compression. Legacy: five pickles in a row (magic number, version, system, object, list
of storage keys), then each storage as an int64 count and its elements.
"""

import io
import struct
import zipfile

import numpy as np

from dglgan_tf.containers import arrays, rebuild, unpickle
from dglgan_tf.containers.errors import CheckpointError, shown

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
LEGACY_START = b"\x8a\x0a" + MAGIC_NUMBER.to_bytes(10, "little")


def is_legacy(buffer) -> bool:
    """Tells whether a buffer starts like the legacy container."""
    return bytes(buffer[2:14]) == LEGACY_START or bytes(buffer[:12]) == LEGACY_START


def read_zip(buffer):
    """Returns what a zip container of `torch.save` holds.

    Args:
      buffer: memoryview of the file.

    Raises:
      CheckpointError: no zip of torch's, compressed or damaged.
    """
    try:
        with zipfile.ZipFile(_View(buffer)) as archive:
            entries = {info.filename: info for info in archive.infolist()}
    except (zipfile.BadZipFile, NotImplementedError, UnicodeError) as error:
        raise CheckpointError(f"the zip container is damaged: {error}") from error
    pickles = [n for n in entries if n == "data.pkl" or n.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise CheckpointError(
            f"the zip file holds {len(entries)} files, "
            f"{shown(next(iter(entries), 'none'))} first, and not one data.pkl: "
            "torch.save did not write it"
        )
    if sum(info.file_size for info in entries.values()) > len(buffer):
        raise CheckpointError("the zip container claims more bytes than the file has")
    prefix = pickles[0][: -len("data.pkl")]
    order = "<"
    if f"{prefix}byteorder" in entries:
        stated = bytes(_stored(buffer, entries[f"{prefix}byteorder"])[:16]).strip()
        order = ">" if stated == b"big" else "<"

    storages = {}

    def storage(identity):
        dtype, is_bfloat16, name, count = _identity(identity, order)
        if (name, dtype, count) in storages:
            return storages[name, dtype, count]
        if f"{prefix}data/{name}" not in entries:
            raise CheckpointError(f"the container has no storage {shown(name)}")
        data = _stored(buffer, entries[f"{prefix}data/{name}"])
        if count * dtype.itemsize > len(data):
            raise CheckpointError(
                f"storage {shown(name)} has {len(data)} bytes, {count} elements of "
                f"{dtype} were announced"
            )
        elements = np.frombuffer(data, dtype, count)
        found = arrays.Storage(dtype, count, elements, is_bfloat16)
        return storages.setdefault((name, dtype, count), found)

    data = _stored(buffer, entries[pickles[0]])
    return _pickle(data, 0, storage).load()


def _pickle(buffer, position=0, storages=None, work=None):
    """Returns the reader of a pickle that may hold containers like its own."""
    return unpickle.Unpickler(buffer, position, storages, work, read_legacy)


class _View(io.RawIOBase):
    """A seekable file over a memoryview; nothing is copied but what is read."""

    def __init__(self, buffer):
        self._buffer = buffer
        self._at = 0

    def seekable(self):
        """Yes."""
        return True

    def readable(self):
        """Yes."""
        return True

    def seek(self, offset, whence=0):
        """Moves; returns the new position."""
        start = (0, self._at, len(self._buffer))[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self):
        """Returns the position."""
        return self._at

    def readinto(self, target):
        """Fills a buffer; returns how many bytes there were."""
        piece = self._buffer[self._at : self._at + len(target)]
        target[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


def _stored(buffer, info):
    """Returns the bytes of a stored zip member as a view."""
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
        raise CheckpointError(
            f"{shown(info.filename)} is compressed or encrypted, torch stores plainly"
        )
    header = buffer[info.header_offset : info.header_offset + 30]
    if len(header) < 30 or bytes(header[:4]) != b"PK\x03\x04":
        raise CheckpointError(f"the zip member {shown(info.filename)} has no header")
    lengths = struct.unpack("<HH", header[26:30])
    start = info.header_offset + 30 + sum(lengths)
    end = start + info.file_size
    if end > len(buffer):
        raise CheckpointError(f"the zip member {shown(info.filename)} is cut off")
    return buffer[start:end]


def _identity(identity, order: str):
    """Checks a persistent id ('storage', type, key, location, count[, None])."""
    if (
        not isinstance(identity, tuple)
        or len(identity) not in (5, 6)
        or identity[0] != "storage"
        or not isinstance(identity[1], rebuild.Name)
        or identity[1].role != "storage"
        or not isinstance(identity[2], str)
        or type(identity[4]) is not int
        or not 0 <= identity[4] < 1 << 60
    ):
        raise CheckpointError(
            f"a reference to stored data of another form: {shown(identity)}"
        )
    if len(identity) == 6 and identity[5] is not None:
        raise CheckpointError("storages that share memory in the legacy container")
    code = identity[1].target
    dtype = np.dtype("u2" if code == "bf16" else code).newbyteorder(order)
    return dtype, code == "bf16", identity[2], identity[4]


def read_legacy(buffer, work=None):
    """Returns what a legacy container of `torch.save` holds.

    The storages come after the object that uses them, so the object's pickle is read
    twice: to measure and to build.

    Args:
      buffer: memoryview of the container.
      work: count of work shared with the pickle around it.

    Raises:
      CheckpointError: damaged or truncated.
    """
    work = work or rebuild.Work()
    position = 0
    head = []
    for what in ("magic number", "version", "system description"):
        reader = _pickle(buffer, position, None, work)
        head.append(reader.load())
        position = reader.position
        if what == "magic number" and head[0] != MAGIC_NUMBER:
            raise CheckpointError("this is no legacy container of torch.save")
    if head[1] != 1001 or not isinstance(head[2], dict):
        raise CheckpointError("a legacy torch container of unknown version")
    order = "<" if head[2].get("little_endian", True) else ">"
    storages = {}

    def measure(identity):
        if isinstance(identity, tuple) and identity[:1] == ("module",):
            return identity[1]  # source text follows; the class itself is inert
        dtype, is_bfloat16, name, count = _identity(identity, order)
        known = storages.setdefault(
            name, arrays.Storage(dtype, count, None, is_bfloat16)
        )
        if (known.dtype, known.count) != (dtype, count):
            raise CheckpointError(f"storage {shown(name)} has two different sizes")
        return known

    reader = _pickle(buffer, position, measure, work)
    reader.load()
    keys = _pickle(buffer, reader.position, None, work)
    _fill(buffer, storages, keys.load(), keys)
    return _pickle(buffer, position, measure, work).load()


def _fill(buffer, storages, names, reader):
    """Points the measured storages to their elements behind the list of keys."""
    position = reader.position
    if not isinstance(names, list) or set(map(rebuild.key, names)) != set(storages):
        raise CheckpointError("the list of storages does not fit the objects")
    for name in names:
        storage = storages[name]
        size = storage.count * storage.dtype.itemsize
        if position + 8 + size > len(buffer):
            raise CheckpointError(f"the file ends inside storage {shown(name)}")
        (count,) = struct.unpack("<q", buffer[position : position + 8])
        if count != storage.count:
            raise CheckpointError(f"storage {shown(name)} states two different sizes")
        position += 8
        storage.elements = np.frombuffer(
            buffer[position : position + size], storage.dtype, storage.count
        )
        position += size
