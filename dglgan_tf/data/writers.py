"""Writers of uniform uint8 images in every format that is read.

A writer takes images in order through `add(png, label)` and finishes with
`close(manifest)`. It writes into a place of its own; `dglgan_tf.data.prepare` moves the
result to its name when it is complete.
"""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.data import bounded, databases, idx, images, manifests, readers, records


class Layout(NamedTuple):
    """What a writer must know before the first image.

    Attributes:
      num_examples: how many images will come.
      height, width, num_channels: of every image.
      class_names: one per class; empty without labels.
      name: short name for files.
      shard_images: images in each file of a sharded format.
    """

    num_examples: int
    height: int
    width: int
    num_channels: int
    class_names: list[str]
    name: str = "images"
    shard_images: int = 10_000


class Writer(Protocol):
    """Takes images in order."""

    def add(self, png: bytes, label: int) -> None:
        """Takes an image encoded as PNG, and its class."""

    def close(self, manifest: dict) -> None:
        """Finishes the files; `manifest` is stored with them."""


class ImageWriter:
    """PNG files with dataset.json, in a folder or in a zip file (as NVIDIA's tool)."""

    def __init__(self, path: Path, layout: Layout):
        self._layout = layout
        self._rows = []
        self._archive = None
        if path.suffix.lower() == ".zip":
            self._archive = zipfile.ZipFile(path, "w", zipfile.ZIP_STORED)
        else:
            path.mkdir(parents=True)
        self._path = path

    def add(self, png: bytes, label: int) -> None:
        """Writes one PNG file."""
        number = len(self._rows)
        name = f"{number // 1000:05d}/img{number:08d}.png"
        self._rows.append([name, int(label)])
        self._write(name, png)

    def close(self, manifest: dict) -> None:
        """Writes dataset.json and manifest.json."""
        class_names = self._layout.class_names
        labels = {"labels": self._rows if class_names else None}
        if class_names:
            labels["class_names"] = class_names
        self._write(readers.LABELS, json.dumps(labels).encode())
        self._write(readers.MANIFEST, json.dumps(manifest, indent=1).encode())
        if self._archive is not None:
            self._archive.close()

    def _write(self, name: str, content: bytes) -> None:
        if self._archive is not None:
            # The date of every member is the same, so equal images give equal files.
            self._archive.writestr(zipfile.ZipInfo(name), content)
            return
        path = self._path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)


class RecordWriter:
    """Sharded TFRecords: `image` (PNG) and `label`; labels.npy beside them."""

    def __init__(self, path: Path, layout: Layout):
        path.mkdir(parents=True)
        self._path = path
        self._layout = layout
        self._labels = []
        self._file = None
        self._count = -(-layout.num_examples // layout.shard_images)

    def add(self, png: bytes, label: int) -> None:
        """Writes one record, and starts the next file where one is full."""
        number, place = divmod(len(self._labels), self._layout.shard_images)
        if place == 0:
            self._finish()
            name = f"{self._layout.name}-{number:05d}-of-{self._count:05d}.tfrecord"
            self._file = tf.io.TFRecordWriter(str(self._path / name))
        feature = {"image": _bytes(png), "label": _integers([int(label)])}
        self._file.write(_example(feature))
        self._labels.append(int(label))

    def close(self, manifest: dict) -> None:
        """Writes labels.npy and manifest.json."""
        self._finish()
        np.save(self._path / records.LABELS_FILE, np.array(self._labels, np.int32))
        text = json.dumps(manifest, indent=1)
        (self._path / readers.MANIFEST).write_text(text)

    def _finish(self) -> None:
        if self._file is not None:
            self._file.close()


class NvidiaRecordWriter:
    """NVIDIA's multi-resolution TFRecords, from 4x4 to the full resolution.

    Each lower resolution is the mean of 2x2 pixels of the one above, kept in floating
    point from level to level and rounded only when written.
    """

    def __init__(self, path: Path, layout: Layout):
        side = layout.height
        if side != layout.width or side & (side - 1) or side < 4:
            raise ValueError(
                f"NVIDIA's TFRecords hold squares of a power of two, not "
                f"{layout.height}x{layout.width}: choose a resolution."
            )
        path.mkdir(parents=True)
        self._path, self._layout, self._labels = path, layout, []
        self._files = [
            tf.io.TFRecordWriter(str(path / f"{layout.name}-r{level:02d}.tfrecords"))
            for level in range(side.bit_length() - 1, 1, -1)
        ]

    def add(self, png: bytes, label: int) -> None:
        """Writes one record per resolution."""
        pixels = images.decode(png).transpose(2, 0, 1).astype(np.float32)
        for file in self._files:
            rounded = np.rint(pixels).clip(0, 255).astype(np.uint8)
            data = {
                "shape": _integers(rounded.shape),
                "data": _bytes(rounded.tobytes()),
            }
            file.write(_example(data))
            channels, height, width = pixels.shape
            pixels = pixels.reshape(channels, height // 2, 2, width // 2, 2)
            pixels = pixels.mean(axis=(2, 4), dtype=np.float32)
        self._labels.append(int(label))

    def close(self, manifest: dict) -> None:
        """Writes the one-hot labels and manifest.json."""
        for file in self._files:
            file.close()
        if self._layout.class_names:
            onehot = np.eye(len(self._layout.class_names), dtype=np.float32)
            with open(self._path / f"{self._layout.name}-rxx.labels", "wb") as file:
                np.save(file, onehot[self._labels])
        text = json.dumps(manifest, indent=1)
        (self._path / readers.MANIFEST).write_text(text)


class HDF5Writer:
    """One HDF5 file as BigGAN-PyTorch reads it: imgs [N, C, H, W] and labels [N]."""

    def __init__(self, path: Path, layout: Layout):
        h5py = databases.optional("h5py", f"{path}: writing HDF5")
        self._file = h5py.File(path, "w")
        shape = (layout.num_channels, layout.height, layout.width)
        self._images = self._file.create_dataset(
            "imgs",
            (layout.num_examples, *shape),
            np.uint8,
            chunks=(min(16, layout.num_examples), *shape),
        )
        self._layout, self._labels = layout, []

    def add(self, png: bytes, label: int) -> None:
        """Writes the pixels of one image."""
        self._images[len(self._labels)] = images.decode(png).transpose(2, 0, 1)
        self._labels.append(int(label))

    def close(self, manifest: dict) -> None:
        """Writes labels; class names and manifest become attributes."""
        if self._layout.class_names:
            self._file["labels"] = np.array(self._labels, np.int64)
            self._file.attrs["class_names"] = self._layout.class_names
        self._file.attrs["manifest"] = json.dumps(manifest)
        self._file.close()


class LmdbWriter:
    """LMDB as LSUN, with PNG; with classes, one database for each."""

    def __init__(self, path: Path, layout: Layout):
        self._lmdb = databases.optional("lmdb", f"{path}: writing LMDB")
        path.mkdir(parents=True)
        self._path, self._layout = path, layout
        self._open, self._count = {}, 0
        # Address space, not disk: the file grows as needed.
        pixels = layout.height * layout.width * layout.num_channels
        self._limit = (1 << 24) + 4 * layout.num_examples * (pixels + 4096)

    def add(self, png: bytes, label: int) -> None:
        """Writes one value under its number."""
        folder = self._path
        if self._layout.class_names:
            name = self._layout.class_names[label].replace("/", "-")
            folder = self._path / f"{name}_lmdb"
        if folder not in self._open:
            self._open[folder] = self._lmdb.open(
                str(folder), map_size=self._limit, sync=False
            )
        with self._open[folder].begin(write=True) as transaction:
            transaction.put(f"{self._count:08d}".encode(), png)
        self._count += 1

    def close(self, manifest: dict) -> None:
        """Closes the databases and writes manifest.json beside them."""
        for database in self._open.values():
            database.sync(True)
            database.close()
        for lock in self._path.rglob("lock.mdb"):
            lock.unlink()
        text = json.dumps(manifest, indent=1)
        (self._path / readers.MANIFEST).write_text(text)


class IdxWriter:
    """The idx files of the MNIST family, grey images only."""

    def __init__(self, path: Path, layout: Layout):
        if layout.num_channels != 1:
            raise ValueError("idx files hold grey images: choose num_channels=1.")
        path.mkdir(parents=True)
        self._path, self._images, self._labels = path, [], []

    def add(self, png: bytes, label: int) -> None:
        """Keeps one image."""
        self._images.append(images.decode(png)[..., 0])
        self._labels.append(label)

    def close(self, manifest: dict) -> None:
        """Writes both files and manifest.json."""
        idx.write(self._path / "train-images-idx3-ubyte.gz", np.stack(self._images))
        labels = np.array(self._labels, np.uint8)
        idx.write(self._path / "train-labels-idx1-ubyte.gz", labels)
        text = json.dumps(manifest, indent=1)
        (self._path / readers.MANIFEST).write_text(text)


FORMATS: dict[str, Callable[[Path, Layout], Writer]] = {
    "folder": ImageWriter,
    "zip": ImageWriter,
    "tfrecord": RecordWriter,
    "nvidia": NvidiaRecordWriter,
    "hdf5": HDF5Writer,
    "lmdb": LmdbWriter,
    "idx": IdxWriter,
}
SUFFIXES = {"zip": ".zip", "hdf5": ".hdf5"}


def stored_manifest(place: Path) -> dict | None:
    """Returns the manifest of a prepared dataset; None where there is none."""
    try:
        manifest = bounded.parse_json(_manifest_bytes(place), str(place))
    except (OSError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile):
        return None
    return manifest if manifests.is_manifest(manifest) else None


def _manifest_bytes(place: Path) -> bytes:
    if place.suffix.lower() in (".h5", ".hdf5"):
        h5py = databases.optional("h5py", f"{place}: reading HDF5")
        with h5py.File(place, "r") as file:
            content = file.attrs["manifest"]
            return content if isinstance(content, bytes) else str(content).encode()
    if not place.is_file():
        return bounded.read(place / readers.MANIFEST, bounded.TEXT_BYTES)
    with zipfile.ZipFile(place) as archive:
        size = archive.getinfo(readers.MANIFEST).file_size
        if size > bounded.TEXT_BYTES:
            raise ValueError(bounded.too_large(place, size, bounded.TEXT_BYTES))
        return archive.read(readers.MANIFEST)


def _example(feature: dict) -> bytes:
    features = tf.train.Features(feature=feature)
    return tf.train.Example(features=features).SerializeToString()


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _integers(values) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
