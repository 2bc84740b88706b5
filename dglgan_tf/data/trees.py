"""Which files below a folder, or in a zip file, are images of the data set.

Left alone are hidden files and what operating systems, network disks and programs put
beside images. A folder is visited once, however many links lead to it; links upward are
not followed. What is not read is counted, so that it can be said.
"""

import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from dglgan_tf.data import bounded, images

_FOREIGN_FOLDERS = frozenset(
    (
        "__macosx",
        "__pycache__",
        "@eadir",
        "@tmp",
        "@recycle",
        "@recently-snapshot",
        "#recycle",
        "#snapshot",
        "~snapshot",
        "$recycle.bin",
        "recycler",
        "system volume information",
        "lost+found",
        "network trash folder",
        "temporary items",
    )
)
_FOREIGN_FILES = frozenset(("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"))
# Companions of images, which nobody takes for images.
_NO_IMAGES = frozenset(
    ".txt .json .jsonl .csv .tsv .xml .yaml .yml .md .rst .html .htm .log .ini .cfg "
    ".npy .npz .pkl .pt .pth .mat .py .sh .pdf .parquet .db .lock .caption .labels "
    ".tfrecord .tfrecords .gz".split()
)
_WITHOUT_ENDING = frozenset(("license", "readme", "notice", "makefile", "changelog"))
_PLUGINS = {
    ".avif": "pillow-avif-plugin",
    ".heic": "pillow-heif",
    ".heif": "pillow-heif",
    ".hif": "pillow-heif",
    ".jxl": "pillow-jxl-plugin",
}
_EXAMPLES = 3


class File(NamedTuple):
    """An image file.

    Attributes:
      name: relative to the folder, with forward slashes; printable and unique.
      path: where it lies.
      size: bytes.
    """

    name: str
    path: Path
    size: int


class Passed:
    """What is not read, and why; `notes` says it."""

    def __init__(self):
        """Starts with nothing."""
        self._reasons: dict[str, list[str]] = {}
        self._endings: Counter[str] = Counter()

    def add(self, reason: str, name: str) -> None:
        """Counts one thing that is left out for a reason."""
        self._reasons.setdefault(reason, []).append(name)

    def add_file(self, name: str) -> None:
        """Counts a file that is no image by its ending."""
        path = PurePosixPath(name)
        if path.name.casefold() not in _WITHOUT_ENDING:
            self._endings[path.suffix.lower()] += 1

    @property
    def notes(self) -> list[str]:
        """A sentence for each kind of things that are not read."""
        notes = []
        for reason, names in sorted(self._reasons.items()):
            shown = ", ".join(names[:_EXAMPLES])
            more = ", ..." if len(names) > _EXAMPLES else ""
            notes.append(f"{len(names)} {reason}: {shown}{more}")
        odd = {s: n for s, n in self._endings.items() if s not in _NO_IMAGES}
        if odd:
            counts = sorted(odd.items(), key=lambda item: (-item[1], item[0]))
            shown = ", ".join(f"{n} {s or 'without ending'}" for s, n in counts[:10])
            more = ", ..." if len(counts) > 10 else ""
            notes.append(f"{sum(odd.values())} files are not read: {shown}{more}")
            plugins = sorted({_PLUGINS[s] for s in odd if s in _PLUGINS})
            if plugins:
                notes[-1] += f" (with pip install {' '.join(plugins)} they are)"
        return notes


class Tree:
    """The images below a folder.

    Args:
      folder: where to look, sub-folders too.

    Attributes:
      files: the images, in the order of their names.
      passed: what is not read.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._visited: set[tuple[int, int]] = set()
        self._links: list[tuple[str, Path]] = []
        self._ancestors = set()
        for place in (folder.resolve(), *folder.resolve().parents):
            self._ancestors.add(_identity(place.stat()))
        self._folders: set[str] = set()
        self.files: list[File] = []
        self.passed = Passed()
        self._visit("", folder)
        while self._links:  # real folders first: a link to one adds nothing
            links, self._links = sorted(self._links), []
            for name, path in links:
                self._follow(name, path)
        self.files.sort()
        add_empty_classes(self._folders, [f.name for f in self.files], self.passed)

    def _follow(self, name: str, path: Path) -> None:
        identity = _identity(path.stat())
        if identity in self._visited or identity in self._ancestors:
            reason = "links to folders that are read already are not followed"
            self.passed.add(reason, name)
        else:
            self._visit(name, path)

    def _visit(self, name: str, path: Path) -> None:
        """Reads a folder and the real folders below it; keeps links for later."""
        waiting = [(name, path)]
        while waiting:
            name, path = waiting.pop()
            identity = _identity(path.stat())
            if identity in self._visited:
                continue
            self._visited.add(identity)
            try:
                entries = list(os.scandir(path))
            except OSError as error:
                reason = "folders cannot be opened"
                self.passed.add(reason, f"{name or path} ({error.strerror})")
                continue
            for entry in entries:
                below = bounded.printable(entry.name)
                if below != entry.name:
                    reason = "names are no UTF-8; bytes are shown as \\xNN"
                    self.passed.add(reason, below)
                self._take(entry, f"{name}/{below}" if name else below, waiting)

    def _take(self, entry: os.DirEntry, name: str, waiting: list) -> None:
        if is_foreign(entry.name):
            return
        path = Path(entry.path)
        try:
            status = entry.stat()
        except OSError as error:
            reason = f"files cannot be looked at ({error.strerror})"
            if entry.is_symlink():
                reason = "links lead to nothing"
            self.passed.add(reason, name)
            return
        if stat.S_ISDIR(status.st_mode):
            self._folders.add(name)
            if entry.is_symlink():
                self._links.append((name, path))
            else:
                waiting.append((name, path))
        elif not is_image(name):
            self.passed.add_file(name)
        elif stat.S_ISREG(status.st_mode):
            self.files.append(File(name, path, status.st_size))
        else:
            self.passed.add("are named as images, but are pipes or devices", name)


def is_image(name: str) -> bool:
    """Tells by the ending whether a file is read as an image."""
    return PurePosixPath(name).suffix.lower() in images.suffixes()


def is_foreign(part: str) -> bool:
    """Tells whether a file or folder of this name is hidden, or of another program."""
    known = part.casefold()
    return part.startswith(".") or known in _FOREIGN_FOLDERS or known in _FOREIGN_FILES


def add_empty_classes(folders: Iterable[str], names: list[str], passed: Passed) -> None:
    """Counts top folders that hold no image, where others do.

    Args:
      folders: names of all folders, with forward slashes.
      names: of the images.
      passed: where they are counted.
    """
    tops = {name.split("/")[0] for name in names if "/" in name}
    empty = {folder.split("/")[0] for folder in folders} - tops
    for folder in sorted(empty) if tops else ():
        passed.add("folders hold no image, so they are no classes", folder)


def need_images(names: list[str], place: Path, notes: list[str]) -> None:
    """Raises ValueError where there are no images; says what there is instead."""
    if names:
        return
    there = f" ({'; '.join(notes)})" if notes else ""
    raise ValueError(
        f"{place}: no images; files named {' '.join(sorted(images.suffixes()))} are "
        f"looked for, in sub-folders too{there}."
    )


def composed(name: str) -> str:
    """Returns a name with composed characters (NFC), as most programs write them."""
    return unicodedata.normalize("NFC", name)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
