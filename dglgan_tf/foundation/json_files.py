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


NUMBER = (int, float)


def check(found, form, source, place: str = "") -> None:
    """Raises ValueError unless a value of JSON has the form that we write.

    Args:
      found: the value.
      form: a type or several; [form] = a list of such; {key: form} = an object that
        has these keys, of which those with '?' at the end may be absent or null; the
        key `str` stands for all others.
      source: the file, for the message.
      place: where in it, for the message.
    """
    kind = type(form) if isinstance(form, (list, dict)) else form
    kinds = kind if isinstance(kind, tuple) else (kind,)
    right = isinstance(found, kinds)
    if isinstance(found, bool):
        right = bool in kinds or object in kinds
    if not right:
        wanted = " or ".join(_WORDS.get(k, k.__name__) for k in kinds)
        raise ValueError(
            f"{source}: {place or 'it'} is {type(found).__name__}, not {wanted}: it is "
            "no file of this program, or a damaged one"
        )
    if isinstance(form, list):
        for number, item in enumerate(found):
            check(item, form[0], source, f"{place}[{number}]")
    elif isinstance(form, dict):
        _check_keys(found, form, source, place)


_WORDS = {dict: "an object", list: "a list", str: "a text", int: "a number"}


def _check_keys(found, form, source, place):
    for key, part in form.items():
        name = key.rstrip("?") if isinstance(key, str) else None
        if key is str:
            for other, value in found.items():
                check(value, part, source, f"{place}.{other[:80]}".lstrip("."))
        elif found.get(name) is not None:
            check(found[name], part, source, f"{place}.{name}".lstrip("."))
        elif not key.endswith("?"):
            raise ValueError(
                f"{source}: {place + '.' if place else ''}{name} is missing: it is no "
                "file of this program, or a damaged one"
            )
