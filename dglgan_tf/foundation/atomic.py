"""Files that are whole or not there: written under another name, then renamed.

A temporary file or folder is locked while its process lives. What a killed process
left, the next one that writes into the same folder finds unlocked and removes.
"""

import contextlib
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows: nothing is locked, and nothing of others removed
    fcntl = None

SUFFIX = ".dglgan-part"  # of temporary names
_SWEPT: set[str] = set()


@contextlib.contextmanager
def writing(path) -> Iterator[IO[bytes]]:
    """Opens a binary file that takes its name when the block ends without an error.

    A link is followed: the file that it names is replaced, in its own folder. A device,
    a pipe or a FIFO is written to as it is. A new file gets the mode that the umask
    leaves, an existing one keeps its own.

    Args:
      path: what to write; its folder is made, an existing file stays as it is until the
        new one is complete and on the disk.

    Yields:
      the open file.

    Raises:
      OSError: disk full, folder not writable, a folder of that name; nothing
        half-written stays.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    existing = _status(path)
    if existing is not None and stat.S_ISDIR(existing.st_mode):
        raise IsADirectoryError(errno.EISDIR, "Is a directory", str(path))
    if existing is not None and (
        not stat.S_ISREG(existing.st_mode) or _is_standard_stream(path)
    ):
        with open(path, "ab") as file:
            yield file
        return
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    sweep(target.parent)
    file, temporary = _create(target)
    try:
        with naming(path), file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if existing is not None:
                _keep_owner_and_mode(temporary, existing)
            os.replace(temporary, target)  # before the lock goes
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


@contextlib.contextmanager
def naming(path):
    """Names a file in the errors of the system that do not say which one failed."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


def _status(path):
    """Returns what a path leads to, or None; a circle of links is an OSError."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _is_standard_stream(path) -> bool:
    """Whether a path is /dev/stdout or one of its kind, led to a file by the shell."""
    place = str(path.absolute())
    return place.startswith("/proc/") or os.path.dirname(place) in ("/dev", "/dev/fd")


def _keep_owner_and_mode(temporary, existing):
    now = os.stat(temporary)
    if (now.st_uid, now.st_gid) != (existing.st_uid, existing.st_gid):
        with contextlib.suppress(OSError):  # who may not, owns what they wrote
            os.chown(temporary, existing.st_uid, existing.st_gid)
    os.chmod(temporary, stat.S_IMODE(existing.st_mode) & 0o777)


def _create(target: Path):
    """Returns an open, locked file beside the target, and its path."""
    while True:
        temporary = target.with_name(_temporary_name(target.name))
        try:
            handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            continue
        except OSError as error:  # names the file that was asked for
            raise type(error)(error.errno, error.strerror, str(target)) from error
        _lock(handle)
        file = os.fdopen(handle, "wb")
        if _still_there(handle, temporary):
            return file, temporary
        file.close()  # removed by another process before it was locked


def _temporary_name(name: str) -> str:
    short = os.fsdecode(os.fsencode(name)[:200])
    return f".{short}.{secrets.token_hex(4)}{SUFFIX}"


def _still_there(handle, path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(handle), os.lstat(path))
    return False


def _lock(handle) -> bool:
    """Locks an open file against `sweep`; False where locks are not to be had."""
    with contextlib.suppress(OSError):
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX)
            return True
    return False


@contextlib.contextmanager
def scratch(parent, name: str) -> Iterator[Path]:
    """Makes a temporary folder that is gone after the block, or after a kill.

    To keep what was made there, the block renames the folder. What a killed process
    left is removed by the next one that writes into the same parent.

    Args:
      parent: an existing folder.
      name: what the folder's own name begins with, after a dot.

    Yields:
      the folder, empty.
    """
    parent = Path(parent)
    sweep(parent)
    while True:
        folder = parent / _temporary_name(name)
        os.mkdir(folder)
        try:
            handle = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:  # removed by another process before it was locked
            continue
        _lock(handle)
        if _still_there(handle, folder):
            break
        os.close(handle)
    try:
        yield folder
    finally:
        if _still_there(handle, folder):
            shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def sweep(folder, again: bool = False) -> None:
    """Removes what killed processes of this user left half-written in a folder.

    Args:
      folder: where to look, not below.
      again: look though this process already did.
    """
    place = os.path.realpath(folder)
    if fcntl is None or (place in _SWEPT and not again):
        return
    _SWEPT.add(place)
    with contextlib.suppress(OSError):
        for entry in os.scandir(place):
            if entry.name.startswith(".") and entry.name.endswith(SUFFIX):
                with contextlib.suppress(OSError):
                    _remove_if_dead(entry.path)


def _remove_if_dead(path):
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        status = os.fstat(handle)
        if status.st_uid != os.geteuid():
            return
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _still_there(handle, path):
            return
        if stat.S_ISDIR(status.st_mode):
            shutil.rmtree(path)
        elif stat.S_ISREG(status.st_mode):
            os.unlink(path)
    finally:
        os.close(handle)


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
