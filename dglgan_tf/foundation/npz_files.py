"""NumPy's archives, measured before they are read: shapes are believed last."""

import math
import zipfile
from pathlib import Path

import numpy as np

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
