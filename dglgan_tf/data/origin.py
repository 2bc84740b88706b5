"""Says of a source how it was opened, as plain data that a run can keep.

`{"source": "images", "arguments": {"path": "/data/faces", "labels": "auto", ...}}`;
`dglgan_tf.data.reopening` opens it again. A source that the user made otherwise has no
description.
"""

import dataclasses
import functools
import inspect
import os

import numpy as np

from dglgan_tf.data import base

# Arguments that may be paths; a relative one means another file elsewhere.
_PATHS = ("path", "folder", "name", "data_dir", "labels")
_WORDS = ("auto", "folders", "none")


def recorded(function):
    """Returns the function whose source knows how it was opened.

    A source that a function opened by calling another one keeps the inner description,
    in which nothing is left to be found out.

    Args:
      function: returns a `base.Source`; its arguments are plain values, a `Conversion`
        or other sources.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def opened(*positional, **named):
        source = function(*positional, **named)
        if source.description is None:
            given = signature.bind(*positional, **named)
            given.apply_defaults()
            source.description = _described(function.__name__, given.arguments, source)
        return source

    opened.__signature__ = signature  # for gin, which checks names of parameters
    return opened


def _described(name, arguments, source) -> dict | None:
    """Returns the description; None where an argument is no plain value."""
    if "conversion" in arguments:  # the one in effect, which gin may have changed
        arguments = {**arguments, "conversion": getattr(source, "conversion", None)}
    try:
        found = {key: _plain(key, value) for key, value in arguments.items()}
    except TypeError:
        return None
    return {"source": name, "arguments": found}


def _plain(key, value):
    """Returns an argument as JSON has it.

    Raises:
      TypeError: something else than numbers, text, lists of them, conversions, sources.
    """
    if isinstance(value, base.Source):
        if value.description is None:
            raise TypeError(key)
        return value.description
    if dataclasses.is_dataclass(value):
        return {k: _plain(k, v) for k, v in dataclasses.asdict(value).items()}
    if isinstance(value, (list, tuple)):
        return [_plain("", item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, (str, int, float, bool, type(None))):
        raise TypeError(key)
    if isinstance(value, str) and key in _PATHS and value not in _WORDS:
        return os.path.abspath(value) if os.path.exists(value) else value
    return value
