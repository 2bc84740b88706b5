"""Opens again what `dglgan_tf.data.origin` describes; the description may be anybody's.

It names one of the package's own sources, here in a table, and gives arguments, whose
types and sizes are checked. Nothing is imported, downloaded or evaluated by a name in
it. Datasets of tensorflow-datasets are opened by name in the user's own place only: a
prepared folder may say which Python modules its features come from.
"""

import dataclasses
import inspect
import json
import math
import re
import types
import typing
from pathlib import Path

from dglgan_tf.data import base, encoded, sources, stored

SOURCES = {
    function.__name__: inspect.unwrap(function)
    for function in (
        sources.embedded,
        sources.fashion_mnist,
        sources.idx_files,
        sources.synthetic,
        sources.subset,
        sources.open_source,
        stored.images,
        stored.tfds,
        stored.tfrecords,
        stored.nvidia_tfrecords,
        stored.hdf5,
        stored.lmdb,
        stored.ilsvrc,
    )
}
# Arguments that do not change the images are the package's to choose.
_IGNORED = {"tfds": ("download",), "hdf5": ("max_memory_gb",)}
# Sources that are held in memory: the largest resolution that fits in 2 GB.
_LARGEST = {"embedded": 256, "fashion_mnist": 128, "idx_files": 128}
_SYNTHETIC_VALUES = 2**26
_DEEPEST = 4  # sources inside sources
_LONGEST = 4096  # characters
_TFDS_NAME = re.compile(r"\w+(/[\w.+-]+)*(:\d+(\.[\d*]+)*)?")


def open(description: dict) -> base.Source:  # noqa: A001
    """Returns the source of a description.

    Args:
      description: of `origin.recorded`, read from a file.

    Raises:
      ValueError: not such a description, an argument of another kind or size, or data
        that are not there; one sentence, which asks for --data.
    """
    try:
        return _open(description, 0)
    except (ValueError, OSError) as error:
        text = str(error).rstrip(".")
        raise ValueError(f"{text}: give --data") from error


def _open(description, depth):
    if not isinstance(description, dict) or depth > _DEEPEST:
        raise ValueError(f"the data {_shown(description)} are no description of a run")
    name, given = description.get("source"), description.get("arguments", {})
    known = isinstance(name, str) and name in SOURCES
    if not known or not isinstance(given, dict):
        raise ValueError(
            f"the data come from {_shown(name)}, which is none of {', '.join(SOURCES)}"
        )
    hints = typing.get_type_hints(SOURCES[name])
    parameters = inspect.signature(SOURCES[name]).parameters
    arguments = {}
    for key, value in given.items():
        if key not in parameters:
            raise ValueError(f"{name} has no argument {_shown(key)}")
        if key not in _IGNORED.get(name, ()):
            arguments[key] = _checked(f"{name}.{key}", value, hints[key], depth)
    absent = [
        key
        for key, parameter in parameters.items()
        if parameter.default is parameter.empty and key not in arguments
    ]
    if absent:
        raise ValueError(f"the description of {name} lacks {', '.join(absent)}")
    _check_size(name, arguments)
    _check_place(name, arguments)
    return SOURCES[name](**arguments)


def _checked(name, value, hint, depth):
    """Returns a value as the parameter's type; ValueError where it is of another."""
    kinds = typing.get_args(hint) if _is_union(hint) else (hint,)
    if value is None and type(None) in kinds:
        return None
    for kind in kinds:
        if kind is base.Source:
            return _open(value, depth + 1)
        if kind is encoded.Conversion and isinstance(value, dict):
            return _conversion(name, value)
        if typing.get_origin(kind) is tuple and _is_texts(value):
            return tuple(value)
        if _is_plain(value, kind):
            return value
    raise ValueError(f"{name}={_shown(value)} cannot be")


def _is_union(hint) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _is_plain(value, kind) -> bool:
    if kind is bool or isinstance(value, bool):
        return kind is bool and isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and abs(value) < 2**32
    if kind is float:
        return isinstance(value, (int, float)) and math.isfinite(value)
    return kind is str and isinstance(value, str) and _is_short(value)


def _is_short(text) -> bool:
    return len(text) <= _LONGEST and "\0" not in text


def _is_texts(value) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, str) and _is_short(item) for item in value
    )


def _conversion(name, given):
    hints = typing.get_type_hints(encoded.Conversion)
    known = {field.name for field in dataclasses.fields(encoded.Conversion)}
    unknown = sorted(set(given) - known, key=str)
    if unknown:
        raise ValueError(f"{name} has no field {_shown(unknown[0])}")
    found = {
        key: _checked(f"{name}.{key}", value, hints[key], 0)
        for key, value in given.items()
    }
    side = found.get("resolution")
    if side is not None and not 0 < side <= 2**14:
        raise ValueError(f"{name}.resolution={side} cannot be")
    return encoded.Conversion(**found)


def _check_size(name, arguments):
    """Refuses images that were never trained on and would fill the memory."""
    side = arguments.get("resolution") or 1
    if side > _LARGEST.get(name, 2**14):
        raise ValueError(f"{name}.resolution={side} is too large to be opened unasked")
    if name == "synthetic":
        values = arguments.get("num_examples", 256) * arguments.get("num_channels", 3)
        values *= arguments.get("resolution", 32) ** 2
        if max(values, 1000 * arguments.get("num_classes", 10)) > _SYNTHETIC_VALUES:
            raise ValueError(
                "synthetic images so many or so large are not made unasked"
            )


def _check_place(name, arguments):
    """Refuses datasets of tensorflow-datasets that are not the user's own."""
    if name == "tfds":
        _check_tfds(arguments["name"], arguments.get("data_dir"))
    if name == "open_source":
        text = arguments["name"]
        if text.startswith("tfds:"):
            _check_tfds(text.removeprefix("tfds:"), None)
        elif (Path(text) / "features.json").is_file():
            raise ValueError(f"{text} is a prepared folder, not opened unasked")


def _check_tfds(name, data_dir):
    if data_dir is not None or Path(name).exists() or not _TFDS_NAME.fullmatch(name):
        raise ValueError(f"tfds {_shown(name)} is no name of the user's own datasets")


def _shown(value) -> str:
    """Returns a value for a message, cut where it is long."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= 80 else f"{text[:77]}..."
