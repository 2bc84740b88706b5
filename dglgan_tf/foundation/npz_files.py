"""NumPy's archives: written row by row, measured before they are read."""

import contextlib
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dglgan_tf.foundation import atomic

_FREE_BYTES = 2**30  # that any archive may hold
_MOST_INFLATED = 20  # times its own size, beyond that


def check(path) -> None:
    """Says whether an archive holds the arrays that its headers describe.

    Args:
      path: an .npz file.

    Raises:
      ValueError: no archive of arrays, pickled objects, an array of another size than
        its header says, or contents far larger than the file.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            most = max(_FREE_BYTES, _MOST_INFLATED * path.stat().st_size)
            total = sum(member.file_size for member in members)
            if total > most:
                raise ValueError(f"it inflates to {total:,} bytes")
            for member in members:
                with archive.open(member) as file:
                    _check_member(file, member)
    except (ValueError, OSError, EOFError, NotImplementedError, RuntimeError,
            zipfile.BadZipFile) as error:  # fmt: skip
        said = " ".join(str(error).split())[:200]
        raise ValueError(f"{path} is not an .npz file of arrays ({said})") from error


def _check_member(file, member):
    name = member.filename[:80]
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"{name} is of version {version}")
    read = getattr(np.lib.format, f"read_array_header_{version[0]}_0")
    shape, _, dtype = read(file)
    if dtype.hasobject:
        raise ValueError(f"{name} holds pickled objects")
    size = math.prod(shape) * dtype.itemsize
    if size != member.file_size - file.tell():
        raise ValueError(
            f"{name} is said to have the shape {list(shape)} of {dtype}: its bytes are "
            "not so many"
        )


class Rows:
    """An archive whose first array is written some rows at a time, see `writing`."""

    def __init__(self, archive, name: str, count: int):
        self._archive, self._name, self._count = archive, name, count
        self._member = None

    def add(self, rows: np.ndarray) -> None:
        """Appends rows [n, ...], all of one shape and type."""
        if self._member is None:
            self._member = self._archive.open(
                f"{self._name}.npy", "w", force_zip64=True
            )
            header = np.lib.format.header_data_from_array_1_0(rows[:0])
            header |= {"shape": (self._count, *rows.shape[1:]), "fortran_order": False}
            np.lib.format.write_array_header_1_0(self._member, header)
        self._member.write(np.ascontiguousarray(rows))

    def finish(self, others: dict[str, np.ndarray]) -> None:
        """Writes the arrays that are known at once."""
        self._member.close()
        for name, array in others.items():
            with self._archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


@contextlib.contextmanager
def writing(path, name: str, count: int) -> Iterator[Rows]:
    """Opens an archive that takes its name when the block ends without an error.

    Memory holds the rows of one call only.

    Args:
      path: what to write, see `atomic.writing`.
      name: of the array that is written row by row.
      count: its rows.

    Yields:
      `Rows`; the block adds `count` of them and finishes it.
    """
    with (
        atomic.writing(path) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        yield Rows(archive, name, count)
