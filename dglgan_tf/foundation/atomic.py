"""Files that are whole or not there: written under another name, then renamed."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO


@contextlib.contextmanager
def writing(path) -> Iterator[IO[bytes]]:
    """Opens a binary file that takes its name when the block ends without an error.

    Args:
      path: what to write; its folder is made, an existing file stays as it is until the
        new one is complete and on the disk.

    Yields:
      the open file.

    Raises:
      OSError: disk full, folder not writable; nothing half-written stays.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp lets nobody else read
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def check_folder(path, name: str) -> None:
    """Says before hours of work whether a folder can be written.

    Args:
      path: the folder; it need not exist yet.
      name: what it is, for the message.

    Raises:
      ValueError: it or one of its parents is a file, or may not be written.
    """
    place = Path(path)
    if place.exists() and not place.is_dir():
        raise ValueError(f"{name} {place} is a file: name a folder")
    for folder in (place, *place.absolute().parents):
        if folder.exists():
            break
        if os.path.lexists(folder):
            raise ValueError(f"{name} {place}: {folder} is a link to nothing")
    if not folder.is_dir():
        raise ValueError(f"{name} {place} cannot be made: {folder} is a file")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError(f"{name} {place} cannot be written: no permission in {folder}")


def write(path, data: bytes | str) -> None:
    """Writes a whole file, see `writing`; text as UTF-8."""
    with writing(path) as file:
        file.write(data.encode("utf-8") if isinstance(data, str) else data)
