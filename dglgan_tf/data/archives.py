"""Images in zip files, whoever packed them."""

import os
import struct
import zipfile
from pathlib import Path

from dglgan_tf.data import bounded, images, trees

MANIFEST = "manifest.json"
LABELS = "dataset.json"
_UTF8_NAME = 0x800
_ENCRYPTED = 0x1
_SUSPECT, _MOST_FOLD = 32 << 20, 100
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    NotImplementedError,
    RuntimeError,
    OSError,
    ValueError,
    EOFError,
    OverflowError,
    MemoryError,
    struct.error,
)


class ZipReader:
    """All images in a zip file, in the order of their names; a `readers.Reader`.

    Members are read by position, so that threads do not wait for each other; stored
    and deflated members are supported. Backslashes in names mean folders. Where
    everything lies in one top folder that holds sub-folders or a dataset.json, names
    are relative to it.

    Args:
      path: the zip file.

    Raises:
      ValueError: not a readable zip file, encrypted, or without images.
    """

    paths = None

    def __init__(self, path: Path):
        self._path = path
        self._passed = trees.Passed()
        try:
            with zipfile.ZipFile(path) as archive:
                members = self._named(archive.infolist())
        except _ZIP_ERRORS as error:
            raise ValueError(f"{path}: not a readable zip file ({error}).") from error
        folders = {name.rstrip("/") for name in members if name.endswith("/")}
        files = {name: m for name, m in members.items() if not name.endswith("/")}
        wanted = sorted(name for name in files if trees.is_image(name))
        self._top = _top_folder(wanted, files)
        for name in files.keys() - set(wanted):
            if name.removeprefix(self._top) not in (LABELS, MANIFEST):
                self._passed.add_file(name)
        self._members = [files[name] for name in wanted]
        self._extras = files
        cut = len(self._top)
        self.names = [name[cut:] for name in wanted]
        self.sizes = [m.file_size for m in self._members]
        inside = {f[cut:] for f in folders if f.startswith(self._top) and f[cut:]}
        trees.add_empty_classes(inside, self.names, self._passed)
        trees.need_images(self.names, path, self._passed.notes)
        self._refuse_encrypted()
        self._file = os.open(path, os.O_RDONLY)
        self._size = os.fstat(self._file).st_size

    def __del__(self):
        if hasattr(self, "_file"):
            os.close(self._file)

    @property
    def notes(self) -> list[str]:
        """What is not read, one sentence for each kind."""
        notes = list(self._passed.notes)
        if self._top:
            notes.insert(0, f"everything lies below {self._top}: names are relative")
        return notes

    def read(self, index: int) -> bytes:
        """Returns the uncompressed bytes of one member."""
        return self._read(self._members[index], images.most_bytes())

    def extra(self, name: str) -> bytes | None:
        """Returns a member at the top of the archive; None where there is none."""
        member = self._extras.get(self._top + name)
        limit = bounded.TEXT_BYTES + 1024 * len(self.names)
        return None if member is None else self._read(member, limit)

    def _named(self, members) -> dict[str, zipfile.ZipInfo]:
        """Returns the members by name; of two with the same name the last one."""
        found = {}
        for member in members:
            name = _member_name(member)
            if any(trees.is_foreign(part) for part in name.split("/") if part != ".."):
                continue
            if name in found and not name.endswith("/"):
                self._passed.add("names are there twice, the last one is read", name)
            found[name] = member
        return found

    def _refuse_encrypted(self) -> None:
        locked = [
            name
            for name, member in self._extras.items()
            if member.flag_bits & _ENCRYPTED and not name.endswith("/")
        ]
        if locked:
            raise ValueError(
                f"{self._path}: {locked[0]} is encrypted ({len(locked)} members are): "
                "unpack it with its password and name the folder."
            )

    def _read(self, member: zipfile.ZipInfo, limit: int) -> bytes:
        where = f"{self._path}: {member.filename}"
        if member.file_size > limit:
            raise ValueError(bounded.too_large(where, member.file_size, limit))
        if member.file_size > max(_SUSPECT, _MOST_FOLD * member.compress_size):
            raise ValueError(
                f"{where}: unpacks to {member.file_size / 2**20:,.0f} MB, more than "
                f"{_MOST_FOLD} times its size, as no photo does."
            )
        try:
            content = self._compressed(member)
            if member.compress_type == zipfile.ZIP_DEFLATED:
                return bounded.inflate(content, member.file_size)
        except (OSError, OverflowError, ValueError) as error:
            raise ValueError(f"{where}: damaged zip file ({error}).") from error
        if member.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"{where}: only stored and deflated members are read.")
        return content

    def _compressed(self, member: zipfile.ZipInfo) -> bytes:
        local = os.pread(self._file, 30, member.header_offset)
        if len(local) < 30 or local[:4] != b"PK\x03\x04":
            raise ValueError("no member where the directory names one")
        # The local header's name and extra field may differ from the directory's.
        name_length, extra_length = struct.unpack("<HH", local[26:30])
        start = member.header_offset + 30 + name_length + extra_length
        if member.compress_size > self._size - start:
            raise ValueError("a member goes beyond the end of the file")
        return os.pread(self._file, member.compress_size, start)


def _member_name(member: zipfile.ZipInfo) -> str:
    name = member.filename
    if not member.flag_bits & _UTF8_NAME:
        try:  # many programs write UTF-8 without saying so
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            pass
    name = bounded.printable(name).replace("\\", "/")
    return name.removeprefix("./")


def _top_folder(images_: list[str], files: dict) -> str:
    """Returns the folder, with its slash, that a zip file was made of; '' without."""
    top = ""
    while images_:
        if any(top + name in files for name in (LABELS, MANIFEST)):
            return top
        first = images_[0][len(top) :].split("/")
        below = top + first[0] + "/"
        if len(first) < 2 or not all(name.startswith(below) for name in images_):
            return top
        labelled = any(below + name in files for name in (LABELS, MANIFEST))
        if not labelled and any("/" not in name[len(below) :] for name in images_):
            return top
        top = below
    return top
