"""One writer for a folder: a lock that the system frees when its process dies.

Readers do not look at it. Where the file system has no locks, or where the lock was
taken under another kernel, its holder is known by a sign of life: the file's time,
renewed every few seconds.
"""

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: signs of life alone
    fcntl = None

NAME = ".lock"
BEAT_SECONDS = 5.0  # between signs of life
WATCH_SECONDS = 12.0  # after which a holder without one is dead


@contextlib.contextmanager
def held(folder, what: str = "run directory") -> Iterator[None]:
    """Holds a folder inside the block; makes it, and removes it if it stays empty.

    Args:
      folder: to be written to by this process alone.
      what: how messages call it.

    Raises:
      ValueError: another process holds it; says which one and since when.
    """
    folder = Path(folder)
    made = _make(folder)
    try:
        handle = _take(folder, what)
        stop = threading.Event()
        beats = threading.Thread(target=_beat, args=(handle, stop), daemon=True)
        beats.start()
        try:
            yield
        finally:
            stop.set()
            beats.join()
            with contextlib.suppress(OSError):
                os.unlink(folder / NAME)  # while it is held
            os.close(handle)
    finally:
        with contextlib.suppress(OSError):  # something was written there
            for place in made:
                place.rmdir()


def _make(folder) -> list[Path]:
    """Makes a folder; returns what was made, the innermost first."""
    absent = [p for p in (folder, *folder.absolute().parents) if not p.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return absent


def _take(folder, what):
    """Returns the open lock file, which says who has it; waits for no living holder."""
    while True:
        handle = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            sure = _lock(handle)
            if not _is_at(handle, folder / NAME):
                os.close(handle)  # its holder just left
                continue
            before = _read(handle)
            foreign = before and before.get("boot") != _boot()
            if sure is False or (
                before and (sure is None or foreign) and _lives(folder / NAME, before)
            ):
                raise ValueError(_sentence(folder, before, what))
            _write(handle)
            return handle
        except BaseException:
            with contextlib.suppress(OSError):
                os.close(handle)
            raise


def _lock(handle) -> bool | None:
    """Whether the lock was free; None where the file system has none."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    except OSError:
        return None


def _is_at(handle, path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(handle), os.stat(path))
    return False


def _lives(path, before) -> bool:
    """Whether the holder gives a sign of life while it is watched."""
    if before.get("boot") == _boot() and before.get("pid") == os.getpid():
        return False
    first, end = _time(path), time.monotonic() + WATCH_SECONDS
    while time.monotonic() < end:
        time.sleep(min(1.0, WATCH_SECONDS / 10))
        if _time(path) != first:
            return True
    return False


def _time(path):
    """Returns a file's time; opening it makes network file systems look."""
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return os.fstat(file.fileno()).st_mtime_ns
    return None


def _beat(handle, stop):
    while not stop.wait(BEAT_SECONDS):
        with contextlib.suppress(OSError):
            os.utime(handle)


def _boot() -> str:
    """Returns what names this start of this machine's kernel."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return socket.gethostname()


def _write(handle):
    record = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        "boot": _boot(),
    }
    os.ftruncate(handle, 0)
    os.pwrite(handle, json.dumps(record).encode() + b"\n", 0)


def _read(handle) -> dict:
    """Returns the record in a lock file; {} where there is none."""
    with contextlib.suppress(ValueError, RecursionError, OSError):
        found = json.loads(os.pread(handle, 4096, 0))
        return found if isinstance(found, dict) else {}
    return {}


def _sentence(folder, holder, what) -> str:
    who = f"process {holder.get('pid', '?')} on {holder.get('host', 'another host')}"
    since = holder.get("since", "a moment ago")
    return (
        f"{what} {folder} is in use by {who} since {since}: wait for it or stop it, or "
        "name another folder"
    )
