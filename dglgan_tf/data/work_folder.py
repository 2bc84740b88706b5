"""What an unfinished conversion leaves, so that the same command goes on.

`<destination>.partial` holds `conversion.json` (what is converted to what), a lock
(`lock`: who works here) and a file for each finished chunk of images. A chunk carries a
checksum and the conversion it belongs to: whatever a kill or a full disk left of it is
noticed, and the chunk is made again.
"""

import contextlib
import hashlib
import json
import os
import shutil
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

from dglgan_tf.foundation import atomic

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_CONVERSION, _LOCK = "conversion.json", "lock"
_FINISHED = "{}: another process has just finished there: run the command again."
_MAGIC = b"dglgan chunk 1\n\0"
_HEADER = struct.Struct("<16s32s32sQ")  # magic, conversion, checksum, bytes of JSON


class WorkFolder:
    """The folder of one unfinished conversion, held by one process.

    Args:
      path: of the folder.
      wanted: JSON-able facts that tell this conversion from others.
    """

    def __init__(self, path: Path, wanted: dict):
        self.path = path
        self._text = json.dumps(wanted, sort_keys=True)
        self._digest = hashlib.sha256(self._text.encode()).digest()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Makes the folder and holds it while the block runs.

        Raises:
          ValueError: another process holds it, or it is of another conversion.
        """
        if os.path.lexists(self.path) and not self.path.is_dir():
            raise ValueError(
                f"{self.path} is in the way: unfinished work is kept in a folder of "
                "that name; move the file away."
            )
        self.path.mkdir(parents=True, exist_ok=True)
        with _locked(self.path / _LOCK, self.path):
            self._claim()
            yield

    def _claim(self) -> None:
        path = self.path / _CONVERSION
        try:
            stored = json.loads(path.read_text())
        except (OSError, ValueError, RecursionError):
            stored = None  # a kill may have left nothing or half of it
        if stored is not None and stored != json.loads(self._text):
            raise ValueError(
                f"{self.path} is of another conversion (other images or settings): "
                "delete it, or repeat that conversion first."
            )
        if stored is None:
            atomic.write(path, self._text)

    def chunk_path(self, number: int) -> Path:
        """Returns where a chunk of finished images lies."""
        return self.path / f"chunk-{number:06d}"

    def save(self, number: int, facts: dict, data: bytes) -> None:
        """Writes a chunk: JSON-able facts, and bytes."""
        head = json.dumps(facts).encode()
        checksum = hashlib.sha256(head + data).digest()
        header = _HEADER.pack(_MAGIC, self._digest, checksum, len(head))
        atomic.write(self.chunk_path(number), header + head + data)

    def load(self, number: int) -> tuple[dict, bytes] | None:
        """Reads a chunk; None where it is missing, damaged or of another conversion."""
        try:
            content = self.chunk_path(number).read_bytes()
        except OSError:
            return None
        if len(content) < _HEADER.size:
            return None
        magic, digest, checksum, length = _HEADER.unpack(content[: _HEADER.size])
        body = content[_HEADER.size :]
        if magic != _MAGIC or digest != self._digest:
            return None
        if hashlib.sha256(body).digest() != checksum:
            return None
        return json.loads(body[:length]), body[length:]

    def remove(self) -> None:
        """Deletes the folder; what tells the conversion goes last, for a kill here."""
        for path in self.path.iterdir() if self.path.is_dir() else ():
            if path.name not in (_CONVERSION, _LOCK):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.rmtree(self.path, ignore_errors=True)

    def is_empty(self) -> bool:
        """Tells whether nothing but a lock is left in the folder."""
        return self.path.is_dir() and {p.name for p in self.path.iterdir()} <= {_LOCK}

    def was_finished(self) -> bool:
        """Tells whether only the removal of the folder is left to do."""
        try:
            stored = json.loads((self.path / _CONVERSION).read_text())
        except (OSError, ValueError, RecursionError):
            return False
        results = any(self.path.glob("result*"))
        return stored == json.loads(self._text) and not results


@contextlib.contextmanager
def _locked(path: Path, folder: Path) -> Iterator[None]:
    """Holds a lock file that the system gives up when this process ends."""
    try:
        file = open(path, "a+")
    except FileNotFoundError as error:
        raise ValueError(_FINISHED.format(folder)) from error
    with file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                file.seek(0)
                holder = file.read(200).strip() or "unknown"
                raise ValueError(
                    f"{folder} is being written by another process ({holder}): wait "
                    "for it, or choose another destination."
                ) from error
        if not path.exists() or os.fstat(file.fileno()).st_nlink == 0:
            raise ValueError(_FINISHED.format(folder))
        file.truncate(0)
        started = time.strftime("%Y-%m-%d %H:%M:%S")
        file.write(f"process {os.getpid()} on {socket.gethostname()} since {started}\n")
        file.flush()
        yield
