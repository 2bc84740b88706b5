"""JSON of files that may come from anybody: bounded, and refused in one sentence."""

import json
import stat
from pathlib import Path

LARGEST = 2**26  # bytes


def read(path, kind: type = dict):
    """Returns what a JSON file holds.

    Args:
      path: a regular file, UTF-8 with or without a byte order mark.
      kind: what its outermost value must be, `dict` or `list`.

    Raises:
      ValueError: not such a file; names it and says why.
      OSError: it cannot be read.
    """
    path = Path(path)
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{path} is not a file")
    if status.st_size > LARGEST:
        raise ValueError(f"{path} has {status.st_size:,} bytes: too large to be JSON")
    return parse(path.read_bytes(), path, kind)


def parse(text: bytes | str, source, kind: type = dict):
    """Returns the value of a JSON text; see `read`."""
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8-sig")
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        said = "nested too deeply" if isinstance(error, RecursionError) else error
        raise ValueError(f"{source} is not JSON ({said})") from error
    if not isinstance(found, kind):
        name = {dict: "an object", list: "a list"}[kind]
        raise ValueError(f"{source} holds no JSON of the right form: {name} is needed")
    return found
