"""The folder for what is made or fetched once: weights, statistics, native code.

It is `$DGLGAN_CACHE`, else `~/.cache/dglgan_tf`, else a folder of this user among the
temporary ones: a user without a home, or with one that cannot be written, has a cache.
"""

import contextlib
import functools
import os
import stat
import tempfile
from pathlib import Path

DEFAULT = "~/.cache/dglgan_tf"


def find(named: str | None = None) -> Path:
    """Returns the cache folder, which exists and can be written.

    Args:
      named: the value of DGLGAN_CACHE; None or empty = the user's own.

    Raises:
      OSError: there is not even a temporary folder.
    """
    with contextlib.suppress(OSError, RuntimeError, ValueError):
        folder = Path(named or DEFAULT).expanduser().absolute()
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                folder.mkdir(mode=0o700)
        if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
            return folder
    return temporary()


def private(folder: Path) -> Path:
    """Returns a folder to run code from: the given one if nobody else writes there.

    Args:
      folder: of `find`.

    Returns:
      `folder`, where it is this user's own and no other user can change it or put
      another in its place; else a folder of this user among the temporary ones.
    """
    folder = Path(os.path.realpath(folder))
    return folder if is_private(folder) else temporary()


def is_private(folder: Path) -> bool:
    """Whether this user alone decides what lies in a folder."""
    own = os.lstat(folder)
    if not stat.S_ISDIR(own.st_mode) or not _mine(own) or own.st_mode & 0o022:
        return False
    for parent in folder.parents:
        status = os.lstat(parent)
        if status.st_mode & 0o002 and not status.st_mode & stat.S_ISVTX:
            return False
    return True


def is_own_file(path) -> bool:
    """Whether a path is a regular file, no link, that this user alone can write."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and _mine(status) and not status.st_mode & 0o022


def is_trusted_file(path) -> bool:
    """Whether nobody but this user and root can write a regular file, or replace it."""
    try:
        found = [os.lstat(path), os.lstat(Path(path).absolute().parent)]
    except OSError:
        return False
    owned = all(_mine(status) or status.st_uid == 0 for status in found)
    closed = not any(status.st_mode & 0o022 for status in found)
    return stat.S_ISREG(found[0].st_mode) and owned and closed


def _mine(status) -> bool:
    return not hasattr(os, "geteuid") or status.st_uid == os.geteuid()


@functools.cache
def temporary() -> Path:
    """Returns a folder of this user that the next process finds again, if there can be.

    Raises:
      OSError: nothing temporary can be written.
    """
    user = os.geteuid() if hasattr(os, "geteuid") else "user"
    folder = Path(tempfile.gettempdir()) / f"dglgan_tf-{user}"
    with contextlib.suppress(OSError):
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        if is_private(folder) and os.access(folder, os.W_OK | os.X_OK):
            return folder
    return Path(tempfile.mkdtemp(prefix="dglgan_tf-"))  # somebody took the name
