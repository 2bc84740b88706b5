"""Folders of idx files, the format of MNIST and its relatives (`*-ubyte`, `*.gz`)."""

import gzip
import io
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from dglgan_tf.data import bounded

_MOST_UNPACKED = 1 << 30
_UINT8 = 0x08
_PREFIXES = {"train": "train", "test": "t10k"}


def read(path: Path) -> np.ndarray:
    """Reads one idx file of bytes, gzip-compressed or not.

    Args:
      path: file.

    Returns:
      array: uint8 with the shape that the file states.

    Raises:
      ValueError: where the file is not a complete idx file of bytes.
    """
    content = bounded.read(path)
    packed = content[:2] == b"\x1f\x8b"
    header = _start(path, content) if packed else content[: 4 + 4 * 255]
    if len(header) < 4 or header[:3] != bytes([0, 0, _UINT8]):
        raise ValueError(f"{path}: not an idx file of unsigned bytes.")
    rank = header[3]
    start = 4 + 4 * rank
    if len(header) < start:
        raise ValueError(f"{path}: cut short in its header.")
    if rank > 8:
        raise ValueError(f"{path}: not an idx file of images ({rank} dimensions).")
    shape = struct.unpack(f">{rank}I", header[4:start])
    size = math.prod(shape)
    if packed:
        if size > _MOST_UNPACKED:
            raise ValueError(
                f"{path}: promises {size / 2**20:,.0f} MB, and at most "
                f"{_MOST_UNPACKED >> 20:,} MB are unpacked: unpack it with gunzip."
            )
        try:
            content = bounded.inflate(content, start + size, 31)
        except ValueError as error:
            raise ValueError(f"{path}: damaged gzip file ({error}).") from error
    if len(content) - start != size:
        raise ValueError(
            f"{path}: holds {len(content) - start} bytes where its header promises "
            f"{size}."
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _start(path: Path, content: bytes) -> bytes:
    """Unpacks as much as a header can need."""
    try:
        return zlib.decompressobj(31).decompress(content, 4 + 4 * 255)
    except zlib.error as error:
        raise ValueError(f"{path}: damaged gzip file ({error}).") from error


def write(path: Path, array: np.ndarray) -> None:
    """Writes a gzip-compressed idx file of bytes, the same bytes every time.

    Args:
      path: file, named *.gz.
      array: uint8 of any shape.
    """
    header = bytes([0, 0, _UINT8, array.ndim]) + struct.pack(
        f">{array.ndim}I", *array.shape
    )
    content = header + np.ascontiguousarray(array, np.uint8).tobytes()
    stream = io.BytesIO()
    # GzipFile's header does not depend on the Python version; gzip.compress's does.
    with gzip.GzipFile("", "wb", 9, stream, mtime=0) as file:
        file.write(content)
    path.write_bytes(stream.getvalue())


def find(folder: Path, stem: str) -> Path | None:
    """Returns `folder/stem` or `folder/stem.gz`, whichever exists, else None."""
    for name in (stem, stem + ".gz", stem.replace("-idx", ".idx")):
        if (folder / name).is_file():
            return folder / name
    return None


def check_split(split: str) -> None:
    """Raises ValueError for a split that no data of the MNIST family has."""
    if split not in (*_PREFIXES, "all"):
        raise ValueError(f"split={split!r} must be 'train', 'test' or 'all'.")


def read_split(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Reads the images and labels of one split.

    Args:
      folder: where `<prefix>-images-idx3-ubyte(.gz)` and the labels lie.
      split: 'train' or 'test' (whose files are named t10k).

    Returns:
      images: [N, H, W] uint8.
      labels: [N] uint8.
    """
    prefix = _PREFIXES[split]
    arrays = []
    for stem in (f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"):
        path = find(folder, stem)
        if path is None:
            raise ValueError(f"{folder}: {stem} or {stem}.gz is missing.")
        arrays.append(read(path))
    if len(arrays[0]) != len(arrays[1]) or arrays[0].ndim != 3:
        raise ValueError(
            f"{folder}: {split} images {list(arrays[0].shape)} and labels "
            f"{list(arrays[1].shape)} do not belong together."
        )
    return arrays[0], arrays[1]
