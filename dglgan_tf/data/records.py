"""TFRecord files with random access: ours, NVIDIA's and those of TFDS.

A TFRecord file is a row of (length uint64, checksum, payload, checksum). The starts of
the records are listed once when a source is opened, so that any order can be read.
"""

import hashlib
import io
import math
import os
import re
import struct
from pathlib import Path

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.data import base, bounded, class_numbers

_NVIDIA_NAME = re.compile(r"-r(\d\d)\.tfrecords$")
LABELS_FILE = "labels.npy"


class RecordFiles:
    """The records of several files as one numbered row.

    Args:
      paths: TFRecord files, uncompressed.
      ranges: (skip, take) for each file; None takes everything.
    """

    def __init__(self, paths: list[Path], ranges: list[tuple[int, int]] | None = None):
        self.names: list[str] = []
        self._files, self._places = [], []
        for number, path in enumerate(paths):
            starts, lengths = _index(path)
            skip, take = ranges[number] if ranges else (0, len(starts))
            stop = len(starts) if take < 0 else skip + take
            for k in range(skip, min(stop, len(starts))):
                self.names.append(f"{path.name}#{k}")
                self._places.append((number, starts[k], lengths[k]))
            self._files.append(os.open(path, os.O_RDONLY))

    def __del__(self):
        for file in getattr(self, "_files", []):
            os.close(file)

    @property
    def sizes(self) -> list[int]:
        """Bytes of each record."""
        return [length for _, _, length in self._places]

    def record(self, index: int) -> bytes:
        """Returns the payload of one record."""
        number, start, length = self._places[index]
        return os.pread(self._files[number], length, start)


class ExampleReader:
    """Encoded images inside tf.train.Example records; a `readers.Reader`.

    Args:
      files: the records.
      image_key: feature that holds the encoded image.
      folder: where companion files lie; None where there are none.
    """

    paths = None

    def __init__(
        self, files: RecordFiles, image_key: str = "image", folder: Path | None = None
    ):
        self._files = files
        self._image_key = image_key
        self._folder = folder
        self.names = files.names
        self.sizes = files.sizes

    def read(self, index: int) -> bytes:
        """Returns the encoded image of one record."""
        return self._bytes(index, self._image_key)

    def extra(self, name: str) -> bytes | None:
        """Returns a companion file; None where there is none."""
        path = self._folder / name if self._folder else None
        if not path or not path.exists():
            return None
        return bounded.read(path, bounded.TEXT_BYTES + 1024 * len(self.names))

    def integers(self, key: str) -> np.ndarray:
        """Reads one integer feature of every record, [N] int64."""
        values = [
            self._feature(i, key).int64_list.value for i in range(len(self.names))
        ]
        bad = [i for i, value in enumerate(values) if len(value) != 1]
        if bad:
            raise ValueError(f"{self.names[bad[0]]}: no integer feature {key!r}.")
        return np.array([value[0] for value in values], np.int64)

    def text(self, index: int, key: str) -> str:
        """Returns a text feature of one record; empty where it is absent."""
        values = self._feature(index, key).bytes_list.value
        return values[0].decode() if values else ""

    def _bytes(self, index: int, key: str) -> bytes:
        values = self._feature(index, key).bytes_list.value
        if len(values) != 1:
            raise ValueError(f"{self.names[index]}: no encoded image under {key!r}.")
        return values[0]

    def _feature(self, index: int, key: str):
        try:
            example = tf.train.Example.FromString(self._files.record(index))
        except Exception as error:  # protobuf's DecodeError has no stable home
            raise ValueError(
                f"{self.names[index]}: damaged TFRecord ({error})."
            ) from error
        return example.features.feature[key]


class NvidiaRecordSource(base.Source):
    """One resolution of NVIDIA's multi-resolution TFRecords.

    Each record holds `shape` [3] (channels first) and `data`, raw bytes. Labels lie
    beside the records in a .labels file: one-hot rows in NumPy's format.

    Args:
      folder: holds `<name>-r02.tfrecords` ... `<name>-r10.tfrecords`.
      resolution: which; None takes the largest.
      labels: 'auto' reads the .labels file where there is one, 'none' ignores it.
    """

    def __init__(
        self, folder: Path, resolution: int | None = None, labels: str = "auto"
    ):
        path = _nvidia_file(folder, resolution)
        self._files = RecordFiles([path])
        if not self._files.names:
            raise ValueError(f"{path}: no images.")
        channels, height, width = _first_shape(path, self._files.record(0))
        classes, class_names = _nvidia_labels(folder, labels, len(self._files.names))
        super().__init__(folder.name, classes, class_names, height, width, channels)

    @property
    def names(self) -> list[str]:
        """Names of the records, in order."""
        return self._files.names

    def fetch(self, indices: tf.Tensor) -> tf.Tensor:
        """Reads images: [N] int64 to [N, height, width, num_channels] uint8."""
        records = tf.numpy_function(self._read, [indices], tf.string)
        records = tf.ensure_shape(records, indices.shape)
        size = self.height * self.width * self.num_channels
        data = tf.io.parse_example(
            records, {"data": tf.io.FixedLenFeature([], "string")}
        )
        flat = tf.io.decode_raw(data["data"], tf.uint8, fixed_length=size)
        shape = (-1, self.num_channels, self.height, self.width)
        return tf.transpose(tf.reshape(flat, shape), [0, 2, 3, 1])

    def content_digest(self) -> bytes:
        """Returns a hash of the sizes of the records and the first and last image."""
        digest = hashlib.sha256(repr(self._files.sizes).encode())
        for index in (0, self.num_examples - 1):
            digest.update(self._files.record(index))
        return digest.digest()

    def _read(self, indices: np.ndarray) -> np.ndarray:
        return np.array([self._files.record(index) for index in indices], object)


def _first_shape(path: Path, record: bytes) -> tuple[int, int, int]:
    """Returns channels, height and width, compared with the bytes that are there."""
    try:
        feature = tf.train.Example.FromString(record).features.feature
    except Exception as error:  # protobuf's DecodeError has no stable home
        raise ValueError(f"{path}: damaged TFRecord ({error}).") from error
    shape, data = feature["shape"].int64_list.value, feature["data"].bytes_list.value
    if (
        len(shape) != 3
        or len(data) != 1
        or min(shape) < 1
        or math.prod(shape) != len(data[0])
    ):
        raise ValueError(
            f"{path}: the first record states the shape {list(shape)}, which is not "
            "that of its bytes (channels, height, width of uint8)."
        )
    return tuple(shape)


def is_nvidia(folder: Path) -> bool:
    """Tells whether a folder holds NVIDIA's multi-resolution TFRecords."""
    found = (path for path in folder.glob("*.tfrecords") if path.is_file())
    return any(_NVIDIA_NAME.search(path.name) for path in found)


def shards(folder: Path) -> list[Path]:
    """Returns the sharded TFRecord files of a folder, in the order of their names."""
    return sorted(path for path in folder.glob("*.tfrecord") if path.is_file())


def stored_labels(folder: Path, reader: ExampleReader) -> np.ndarray:
    """Returns the labels of our own TFRecords, [N] int64."""
    path = folder / LABELS_FILE
    if path.is_file():
        labels = bounded.array(path)
        if labels.shape == (len(reader.names),) and labels.dtype.kind in "iu":
            return labels
    return reader.integers("label")


def _index(path: Path) -> tuple[list[int], list[int]]:
    """Returns the start and length of the payload of every record."""
    starts, lengths = [], []
    size = path.stat().st_size
    position = 0
    with open(path, "rb", buffering=1 << 16) as file:
        while position < size:
            header = file.read(12)
            length = struct.unpack("<Q", header[:8])[0] if len(header) == 12 else size
            if position + length + 16 > size:
                raise ValueError(
                    f"{path}: not a complete TFRecord file (record {len(starts)} goes "
                    "beyond its end)."
                )
            starts.append(position + 12)
            lengths.append(length)
            position += length + 16
            file.seek(length + 4, io.SEEK_CUR)
    return starts, lengths


def _nvidia_file(folder: Path, resolution: int | None) -> Path:
    found = {}
    for path in sorted(folder.glob("*.tfrecords")):
        match = _NVIDIA_NAME.search(path.name)
        if match and path.is_file():
            found[2 ** int(match.group(1))] = path
    if not found:
        raise ValueError(
            f"{folder}: no files named *-r02.tfrecords to *-r10.tfrecords."
        )
    if resolution is not None and resolution not in found:
        raise ValueError(
            f"{folder}: resolution={resolution} is not among the stored ones, "
            f"{', '.join(map(str, sorted(found)))}."
        )
    return found[resolution or max(found)]


def _nvidia_labels(folder: Path, labels: str, count: int):
    paths = sorted(folder.glob("*.labels"))
    if labels == "none" or not paths:
        return np.zeros(count, np.int32), []
    onehot = bounded.array(paths[0])
    # The tool of StyleGAN2 leaves out images of the last shard: labels may be more.
    if onehot.ndim not in (1, 2) or len(onehot) < count:
        raise ValueError(
            f"{paths[0]}: labels {list(onehot.shape)} for {count} images; one row for "
            "each is needed."
        )
    onehot = onehot[:count]
    if onehot.ndim == 1:
        if onehot.dtype.kind not in "iu":
            raise ValueError(f"{paths[0]}: labels are {onehot.dtype}, not integers.")
        return class_numbers.numbered(onehot, None, str(paths[0]))
    if onehot.shape[1] == 0:
        return np.zeros(count, np.int32), []
    wrong = np.flatnonzero((onehot != 0).sum(axis=1) != 1)
    if len(wrong):
        raise ValueError(f"{paths[0]}: the row of image {wrong[0]} is not one-hot.")
    return onehot.argmax(axis=1), list(map(str, range(onehot.shape[1])))
