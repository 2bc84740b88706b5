"""Where encoded images lie: folders and zip files. One read per image, thread-safe."""

from pathlib import Path
from typing import Protocol

from dglgan_tf.data import archives, bounded, images, trees

MANIFEST = archives.MANIFEST
LABELS = archives.LABELS


class Reader(Protocol):
    """Encoded images by index.

    Attributes:
      names: relative names with forward slashes, or keys; unique.
      sizes: bytes of each, for the fingerprint.
      paths: file names where each image is a file of its own, else None.
      notes: sentences on what is not read (some readers have none).
    """

    names: list[str]
    sizes: list[int]
    paths: list[str] | None

    def read(self, index: int) -> bytes:
        """Returns the bytes of one encoded image."""

    def extra(self, name: str) -> bytes | None:
        """Returns a companion file such as dataset.json; None where there is none."""


class FolderReader:
    """All images below a folder, in the order of their names; see `trees.Tree`."""

    def __init__(self, folder: Path):
        self._folder = folder
        tree = trees.Tree(folder)
        self.names = [file.name for file in tree.files]
        self.paths = [str(file.path) for file in tree.files]
        self.sizes = [file.size for file in tree.files]
        trees.need_images(self.names, folder, tree.passed.notes)
        self.notes = [*tree.passed.notes, *self._misplaced_labels()]

    def read(self, index: int) -> bytes:
        """Returns the bytes of one file."""
        return bounded.read(Path(self.paths[index]), images.most_bytes())

    def extra(self, name: str) -> bytes | None:
        """Returns a file at the top of the folder; None where there is none."""
        path = self._folder / name
        if not path.exists():
            return None
        return bounded.read(path, bounded.TEXT_BYTES + 1024 * len(self.names))

    def _misplaced_labels(self) -> list[str]:
        """Says where a dataset.json lies deeper than it is looked for."""
        if (self._folder / LABELS).exists():
            return []
        tops = sorted({name.split("/")[0] for name in self.names if "/" in name})
        found = [top for top in tops if (self._folder / top / LABELS).is_file()]
        return [
            f"{top}/{LABELS} is not used: name the folder {top} itself as the data"
            for top in found[:3]
        ]


def notes_of(reader: Reader) -> list[str]:
    """Returns what a reader says that it does not read."""
    return list(getattr(reader, "notes", ()))
