"""Where encoded images lie: folders and zip files. One read per image, thread-safe."""

import os
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Protocol

from dglgan_tf.data import images

MANIFEST = "manifest.json"
LABELS = "dataset.json"


class Reader(Protocol):
    """Encoded images by index.

    Attributes:
      names: relative names with forward slashes, or keys; unique.
      sizes: bytes of each, for the fingerprint.
      paths: file names where each image is a file of its own, else None.
    """

    names: list[str]
    sizes: list[int]
    paths: list[str] | None

    def read(self, index: int) -> bytes:
        """Returns the bytes of one encoded image."""

    def extra(self, name: str) -> bytes | None:
        """Returns a companion file such as dataset.json; None where there is none."""


class FolderReader:
    """All images below a folder, in the order of their names."""

    def __init__(self, folder: Path):
        self._folder = folder
        self.names, self.paths, self.sizes = [], [], []
        for name, path in sorted(_walk(folder)):
            self.names.append(name)
            self.paths.append(str(path))
            self.sizes.append(path.stat().st_size)
        _need_images(self.names, folder)

    def read(self, index: int) -> bytes:
        """Returns the bytes of one file."""
        return Path(self.paths[index]).read_bytes()

    def extra(self, name: str) -> bytes | None:
        """Returns a file at the top of the folder; None where there is none."""
        path = self._folder / name
        return path.read_bytes() if path.is_file() else None


class ZipReader:
    """All images in a zip file, in the order of their names.

    Members are read by position, so that threads do not wait for each other; stored
    and deflated members are supported.
    """

    paths = None

    def __init__(self, path: Path):
        self._path = path
        try:
            with zipfile.ZipFile(path) as archive:
                members = [m for m in archive.infolist() if not m.is_dir()]
        except (zipfile.BadZipFile, OSError) as error:
            raise ValueError(f"{path}: not a readable zip file ({error}).") from error
        wanted = (m for m in members if _is_image(PurePosixPath(m.filename)))
        self._members = sorted(wanted, key=lambda m: m.filename)
        self._extras = {m.filename: m for m in members}
        self.names = [m.filename for m in self._members]
        self.sizes = [m.file_size for m in self._members]
        _need_images(self.names, path)
        self._file = os.open(path, os.O_RDONLY)

    def __del__(self):
        if hasattr(self, "_file"):
            os.close(self._file)

    def read(self, index: int) -> bytes:
        """Returns the uncompressed bytes of one member."""
        return self._read(self._members[index])

    def extra(self, name: str) -> bytes | None:
        """Returns a member at the top of the archive; None where there is none."""
        return self._read(self._extras[name]) if name in self._extras else None

    def _read(self, member: zipfile.ZipInfo) -> bytes:
        where = f"{self._path}: {member.filename}"
        local = os.pread(self._file, 30, member.header_offset)
        if len(local) < 30 or local[:4] != b"PK\x03\x04":
            raise ValueError(f"{where}: damaged zip file.")
        # The local header's name and extra field may differ from the directory's.
        name_length, extra_length = struct.unpack("<HH", local[26:30])
        start = member.header_offset + 30 + name_length + extra_length
        content = os.pread(self._file, member.compress_size, start)
        if member.compress_type == zipfile.ZIP_DEFLATED:
            try:
                content = zlib.decompress(content, -15)
            except zlib.error as error:
                raise ValueError(f"{where}: damaged zip file ({error}).") from error
        elif member.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"{where}: only stored and deflated members are read.")
        return content


def _walk(folder: Path):
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [f for f in folders if not f.startswith((".", "__MACOSX"))]
        for file in files:
            path = Path(place, file)
            if _is_image(path):
                yield path.relative_to(folder).as_posix(), path


def _is_image(path: PurePosixPath | Path) -> bool:
    hidden = path.name.startswith(".") or "__MACOSX" in path.parts
    return not hidden and path.suffix.lower() in images.SUFFIXES


def _need_images(names: list[str], place: Path) -> None:
    if not names:
        raise ValueError(
            f"{place}: no images; files named {' '.join(sorted(images.SUFFIXES))} are "
            "looked for, in sub-folders too."
        )
