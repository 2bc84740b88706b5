"""Reads what a stranger made: sizes are compared before anything is allocated.

A file must be a regular one (a device never ends, a pipe waits for ever), a stated
size must fit into the bytes that are there, and text must be UTF-8.
"""

import gc
import json
import math
import os
import re
import stat
import zlib
from pathlib import Path

import numpy as np

TEXT_BYTES = 16 << 20
MAX_CLASSES = 1_000_000
_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
_ARRAY_ERRORS = (
    ValueError,
    OSError,
    EOFError,
    TypeError,
    KeyError,
    SyntaxError,
    OverflowError,
    MemoryError,
    RecursionError,
)


def refuse_remote(name: str | Path, what: str) -> None:
    """Raises ValueError for a path on another machine, such as gs://bucket/photos.

    Without this, a local folder named 'gs:' would be looked for or made.

    Args:
      name: as the user gave it.
      what: what it names, for the message.
    """
    if _REMOTE.match(str(name)):
        raise ValueError(
            f"{what} {name}: remote paths are not read or written here; copy the files "
            "to a local folder (gsutil -m cp -r, aws s3 cp --recursive), or mount the "
            "bucket, and name that."
        )


def existing(name: str | Path, others: str = "") -> Path:
    """Returns a path to data that exists and is a folder or a regular file.

    Args:
      name: as the user gave it.
      others: what else could have been given, for the message.

    Raises:
      ValueError: an empty name, a remote path, nothing there, or a pipe or device.
    """
    text = str(name)
    if not text.strip():
        raise ValueError(
            "the name of the data is empty: give the path of a folder, a zip file or "
            "another source."
        )
    refuse_remote(text, "data")
    place = Path(text)
    try:
        mode = place.stat().st_mode
    except ValueError as error:  # a zero byte in the name
        raise ValueError(f"{text!r} is no name of a file ({error}).") from error
    except OSError as error:
        if os.path.islink(text):
            raise ValueError(f"{text}: is a link to nothing.") from error
        raise ValueError(f"{text}: there is no such file or folder{others}.") from error
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise ValueError(
            f"{text}: is a pipe, a socket or a device, neither a folder nor a file."
        )
    return place


def read(path: Path, limit: int | None = None) -> bytes:
    """Reads a regular file of at most `limit` bytes; None takes any size.

    Raises:
      ValueError: a pipe, a device, or a larger file.
      OSError: it cannot be opened.
    """
    # Without O_NONBLOCK, opening a pipe waits for a writer.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{path}: is no regular file.")
        if limit is not None and status.st_size > limit:
            raise ValueError(too_large(path, status.st_size, limit))
        return file.read(status.st_size)


def too_large(where, size: int, limit: int) -> str:
    """Returns the sentence about a file that is larger than it may be."""
    return (
        f"{where}: holds {size / 2**20:,.0f} MB where at most {limit / 2**20:,.0f} MB "
        "are read: it is damaged, or not the file it is taken for."
    )


def text(content: bytes, where: str) -> str:
    """Decodes UTF-8, with or without a byte order mark.

    Raises:
      ValueError: another encoding; names the file and what to do.
    """
    if content[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in content[:200]:
        raise ValueError(f"{where}: is UTF-16 or no text at all; save it as UTF-8.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{where}: line {line} is not UTF-8 (byte 0x{content[error.start]:02x}): "
            "save it as UTF-8, in a spreadsheet as 'CSV UTF-8'."
        ) from error


def parse_json(content: bytes, where: str):
    """Parses JSON; a mistake in it is ValueError with one sentence."""
    decoded = text(content, where)
    collecting = gc.isenabled()
    gc.disable()  # which would look at millions of new lists again and again
    try:
        return json.loads(decoded)
    except RecursionError as error:
        raise ValueError(f"{where}: is JSON of too many levels.") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"{where}: is no JSON ({error}).") from error
    finally:
        if collecting:
            gc.enable()


def inflate(content: bytes, size: int, wbits: int = -15) -> bytes:
    """Decompresses deflated bytes that must give `size` bytes.

    Args:
      content: compressed.
      size: bytes of the result; not one more is allocated.
      wbits: as zlib's, -15 for zip members and 31 for gzip files.

    Raises:
      ValueError: damaged, or of another size.
    """
    engine = zlib.decompressobj(wbits)
    try:
        result = engine.decompress(content, size + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if len(result) != size or not engine.eof:
        raise ValueError(f"holds more or less than the {size} bytes it states")
    return result


def array(path: Path) -> np.ndarray:
    """Reads a NumPy array (.npy, whatever its suffix); nothing is unpickled.

    Raises:
      ValueError: not a whole array, or one whose stated shape the file cannot hold.
    """
    if not path.is_file():
        raise ValueError(f"{path}: is no regular file.")
    try:
        with open(path, "rb") as file:
            _check_array(file, path.stat().st_size)
            file.seek(0)
            return np.lib.format.read_array(file, allow_pickle=False)
    except _ARRAY_ERRORS as error:
        raise ValueError(f"{path}: not a NumPy array ({error}).") from error


def _check_array(file, size: int) -> None:
    """Compares the shape in the header with the bytes that follow."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"unknown version {version}")
    stated = math.prod(shape) * dtype.itemsize
    if dtype.hasobject or min(shape, default=0) < 0:
        raise ValueError("it holds objects, or a negative size")
    if stated != size - file.tell():
        raise ValueError(
            f"its header states {stated} bytes, {size - file.tell()} follow"
        )


def printable(name: str | bytes) -> str:
    """Returns a name that can be printed and stored: bytes that are no UTF-8 as \\xNN.

    Args:
      name: a file name as Python gives it, or its bytes.
    """
    if isinstance(name, str):
        try:
            name.encode()
            return name
        except UnicodeEncodeError:
            name = name.encode("utf-8", "surrogatepass" if _lone(name) else _ESCAPE)
    return name.decode("utf-8", "backslashreplace")


_ESCAPE = "surrogateescape"


def _lone(name: str) -> bool:
    """Tells whether a text holds surrogates that no file name gives."""
    return any(
        0xD800 <= ord(c) <= 0xDFFF and not 0xDC80 <= ord(c) <= 0xDCFF for c in name
    )
