"""What a network file says of itself, checked before anything is built from it.

A file may come from a stranger, or from a disk that failed. Types, ranges and sizes in
its header are compared with the bytes that are there; whatever is wrong is a
`ValueError` of one sentence.
"""

import contextlib
import inspect
import json
import math
import types
import typing
import zlib

import numpy as np

from dglgan_tf.compat import tf

LONGEST_HEADER = 16 * 2**20  # characters of JSON
MOST_NETWORKS = 16
_LARGEST_NUMBER = 2**17  # of a configuration, unless a tensor is that long
_LONGEST_TEXT, _LONGEST_LIST, _DEEPEST = 1000, 4096, 4
# Variables and bytes that a network may have beyond its tensors, so that a file which
# does not fit is told by name and shape.
_SPARE_VARIABLES, _SPARE_BYTES = 64, 2**24
COUNTERS = {
    "step": int,
    "images": int,
    "reals": int,
    "seconds": float,
    "rollbacks": int,
}


class DamagedFile(ValueError):
    """A file whose bytes are not those that were written."""


def parse(text: str, source) -> dict:
    """Returns a header's JSON after checking its form.

    Args:
      text: JSON.
      source: the file, for messages.

    Raises:
      ValueError: no header of this package; says what is wrong.
    """
    if len(text) > LONGEST_HEADER:
        raise ValueError(f"{source}: its header has {len(text):,} characters")
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedFile(
            f"{source}: its header is not JSON ({_short(error)})"
        ) from error
    problem = _problem(header)
    if problem:
        raise ValueError(f"{source}: its header is not one of this package: {problem}")
    return header


def _problem(header) -> str:
    """Returns what is wrong with a header's form, or ''."""
    if not isinstance(header, dict):
        return f"it is {_shown(header)}, not an object"
    for name in ("networks", "info", "counters"):
        if name in header and not isinstance(header[name], dict):
            return f"{name} is {_shown(header[name])}, not an object"
    networks = header.get("networks", {})
    if len(networks) > MOST_NETWORKS:
        return f"it names {len(networks)} networks"
    for role, entry in networks.items():
        if not isinstance(entry, dict) or not isinstance(entry.get("class"), str):
            return f"{_shown(role)} has no class"
        if not isinstance(entry.get("config"), dict):
            return f"{_shown(role)} has no configuration"
    return _problem_of_info(header.get("info", {})) or _problem_of_counters(
        header.get("counters", {})
    )


def _problem_of_info(info) -> str:
    names = info.get("class_names")
    if names is not None and not (
        isinstance(names, list) and all(isinstance(name, str) for name in names)
    ):
        return f"class_names is {_shown(names)}, not a list of names"
    size = info.get("stretched")
    if size is not None and not (
        isinstance(size, list)
        and len(size) in (0, 2)
        and all(type(n) is int and 0 < n < 2**31 for n in size)
    ):
        return f"stretched is {_shown(size)}, not a height and a width"
    return ""


def _problem_of_counters(counters) -> str:
    for name, value in counters.items():
        kind = COUNTERS.get(name)
        if kind is None:
            return f"the counter {_shown(name)} is unknown: a newer version wrote it"
        right = type(value) in (int, kind) and 0 <= value < 2**62
        if not right or not math.isfinite(value):
            return f"the counter {name} is {_shown(value)}"
    return ""


def check_config(config: dict, made: type, longest: int = 0) -> None:
    """Checks a network's configuration against its class's constructor.

    Args:
      config: of a header.
      made: the class, whose parameters say the types.
      longest: largest dimension of the network's tensors.

    Raises:
      ValueError: a parameter that the class has not, or a value of another type, or
        one that no network has.
    """
    parameters = inspect.signature(made.__init__).parameters
    for name, value in config.items():
        parameter = parameters.get(name)
        if parameter is None or name in ("self", "name", "kwargs"):
            raise ValueError(
                f"{made.__name__} has no parameter {_shown(name)}: was the file "
                "written by a newer version?"
            )
        if not _suits(value, parameter):
            raise ValueError(f"{made.__name__}.{name} cannot be {_shown(value)}")
        if not _in_range(value, max(longest, _LARGEST_NUMBER)):
            raise ValueError(f"{made.__name__}.{name}={_shown(value)} is out of range")


def _suits(value, parameter) -> bool:
    """Whether a value has the type that a parameter is annotated with."""
    annotated = parameter.annotation
    if annotated is inspect.Parameter.empty:
        return value is None or isinstance(value, (list, dict)) or _is_number(value)
    kinds = typing.get_args(annotated) or (annotated,)
    if isinstance(annotated, types.UnionType) or len(kinds) > 1:
        return any(_is(value, kind) for kind in kinds)
    return _is(value, annotated) or (value is None and parameter.default is None)


def _is(value, kind) -> bool:
    if kind is float:
        return type(value) in (int, float)
    if kind in (int, bool, str):
        return type(value) is kind
    if kind is type(None):
        return value is None
    return isinstance(value, (list, dict))


def _is_number(value) -> bool:
    return isinstance(value, (bool, int, float))


def _in_range(value, largest, depth=0) -> bool:
    """Whether all numbers in a value are finite and no larger than a network has."""
    if isinstance(value, (dict, list)):
        items = list(value.values()) if isinstance(value, dict) else value
        return (
            depth < _DEEPEST
            and len(items) <= _LONGEST_LIST
            and all(
                not isinstance(item, str) and _in_range(item, largest, depth + 1)
                for item in items
            )
        )
    if isinstance(value, str):
        return len(value) <= _LONGEST_TEXT
    return not _is_number(value) or (math.isfinite(value) and abs(value) <= largest)


@contextlib.contextmanager
def bounded(shapes: dict[str, tuple[int, ...]]):
    """Inside the block no network is made that these tensors could not fill.

    Args:
      shapes: of the tensors that a file has for the network.

    Raises:
      ValueError: in the block, before the first variable that is one too many or too
        large is made.
    """
    most = 2 * len(shapes) + _SPARE_VARIABLES
    held = sum(4 * math.prod(shape) for shape in shapes.values())
    spare, made = 2 * held + _SPARE_BYTES, 0

    def create(next_creator, **options):
        nonlocal spare, made
        shape = options.get("shape")
        size = 0 if shape is None else 4 * math.prod(tf.TensorShape(shape).as_list())
        spare, made = spare - size, made + 1
        if spare < 0 or made > most:
            raise ValueError(
                "the header describes a network that is larger than the "
                f"{len(shapes)} tensors ({held:,} bytes) which the file has for it"
            )
        return next_creator(**options)

    with tf.variable_creator_scope(create):
        yield


def checksums(tensors: dict[str, np.ndarray], text: str) -> str:
    """Returns the CRC-32 of each array and of the header's text ('') as JSON."""
    found = {name: checksum(array) for name, array in tensors.items()}
    return json.dumps({"": zlib.crc32(text.encode()), **found})


def checksum(array: np.ndarray) -> int:
    """Returns the CRC-32 of an array's type, shape and elements."""
    kind = zlib.crc32(f"{array.dtype} {array.shape}".encode())
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return zlib.crc32(flat.data if flat.size else b"", kind)


def read_checksums(stored: str, text: str, names, source) -> dict[str, int]:
    """Returns the checksums by name after comparing the header's and the names.

    Raises:
      DamagedFile: the header or the list of tensors is not what was written.
    """
    try:
        found = json.loads(stored)
        sound = all(type(value) is int for value in found.values())
    except (ValueError, RecursionError, AttributeError):
        sound = False
    if not sound or found.pop("", None) != zlib.crc32(text.encode()):
        raise damaged(source, "its header")
    if found.keys() != set(names):
        name = min(found.keys() ^ set(names))
        raise damaged(source, f"the list of its tensors ({_shown(name)})")
    return found


def damaged(source, what: str) -> DamagedFile:
    """Returns the error of a file that changed after it was written."""
    return DamagedFile(
        f"{source} is damaged: {what} is not what was written: use an earlier snapshot "
        "or another copy"
    )


def check_finite(tensors: dict[str, np.ndarray], source) -> None:
    """Raises ValueError where an array holds NaN or infinity."""
    for name, array in tensors.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            bad = np.count_nonzero(~np.isfinite(array))
            raise ValueError(
                f"{source}: {name} holds {bad:,} of {array.size:,} values that are no "
                "finite numbers: its training diverged; use an earlier snapshot"
            )


def _shown(value) -> str:
    """Returns a value's first characters, for a message."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of more than 4300 digits
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _short(error) -> str:
    return " ".join(str(error).split())[:100]
