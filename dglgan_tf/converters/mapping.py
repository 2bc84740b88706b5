"""Mappings between a format's arrays and our variables, invertible by construction.

A mapping is a list of entries, one per array of the source, built by a function of the
network's configuration:

    from dglgan_tf.converters import mapping as m

    def torgb(source, target):
        return [
            m.Entry(f"{source}.weight", f"{target}/kernel", m.OIHW),
            m.Entry(f"{source}.bias", f"{target}/bias"),
            m.Entry(f"{source}.affine.weight", f"{target}/style/kernel", m.TRANSPOSE),
            m.Entry(f"{source}.affine.bias", f"{target}/style/bias"),
            m.Fixed(f"{source}.resample_filter", fir),     # checked in, written out
        ]

    entries = torgb("synthesis.b4.torgb", "blocks/0/torgb") + ...
    tensors = m.apply(entries, source_arrays)              # {our path: float32 array}
    files.assign_tensors(network, tensors, "G_ema of network.pkl")
    arrays = m.invert(entries, m.arrays_of(network))       # {source name: array}

Targets are the names of `networks.base.named_variables`. Both directions refuse names
that are missing or left over; `ignored` lists regular expressions (full match) of
source names that a format carries and no network needs. Transforms are pairs of
functions and chain with `m.chain(first, second)`: `m.chain(m.FLIP, m.OIHW)` is an
up-convolution of stylegan2-ada-pytorch.

Every family module (`ada.py`, `pytorch.py`, ...) offers

    FORMAT = "stylegan2-ada-pytorch"       name in reports
    detect(tree) -> bool                   tree of `reader.read`; cheap, must not raise
    load(tree, config=None) -> result.Loaded
                                           config: dict that overrides what was inferred
    export(networks) -> tree               {role: network} with the roles 'generator',
                                           'generator_ema', 'discriminator' -> plain
                                           dicts and arrays as the official file holds
                                           them; refuses what the format cannot hold
                                           (`CheckpointError`); not for every format
"""

import dataclasses
import re
from collections.abc import Callable, Sequence

import numpy as np

from dglgan_tf.containers.errors import CheckpointError


@dataclasses.dataclass(frozen=True)
class Transform:
    """A pair of functions on arrays: from the source's layout to ours, and back."""

    forward: Callable
    backward: Callable


@dataclasses.dataclass(frozen=True)
class Entry:
    """One array of the source and the variable that holds it here."""

    source: str
    target: str
    transform: Transform = Transform(lambda a: a, lambda a: a)


@dataclasses.dataclass(frozen=True)
class Fixed:
    """One array of the source that is no variable here, such as a filter buffer.

    Attributes:
      source: its name.
      value: what is written on export.
      checked: True refuses a source whose array differs from `value`.
      optional: True accepts a source without it.
    """

    source: str
    value: np.ndarray
    checked: bool = True
    optional: bool = False


def permute(*axes: int) -> Transform:
    """Returns the transform `array.transpose(axes)`."""
    inverse = tuple(int(i) for i in np.argsort(axes))
    return Transform(lambda a: a.transpose(axes), lambda a: a.transpose(inverse))


def reshape(theirs: Sequence[int], ours: Sequence[int]) -> Transform:
    """Returns the transform between two shapes of the same elements in C order."""
    return Transform(lambda a: _as(a, theirs, ours), lambda a: _as(a, ours, theirs))


def _as(array, expected, shape):
    if tuple(array.shape) != tuple(expected):
        raise CheckpointError(
            f"shape {tuple(array.shape)} instead of {tuple(expected)}"
        )
    return array.reshape(tuple(shape))


def add(constant: float) -> Transform:
    """Returns the transform that adds a constant; back, it subtracts it.

    Back, the result is float32 where adding the constant again gives the same bits,
    and float64 where float32 would lose some.
    """
    c = np.float32(constant)

    def backward(array):
        difference = array - c
        if np.array_equal(difference + c, array):
            return difference
        return array.astype(np.float64) - np.float64(c)

    return Transform(lambda a: a + c, backward)


def chain(*transforms: Transform) -> Transform:
    """Returns the transforms one after the other, in the order given."""

    def forward(array):
        for transform in transforms:
            array = transform.forward(array)
        return array

    def backward(array):
        for transform in reversed(transforms):
            array = transform.backward(array)
        return array

    return Transform(forward, backward)


def dense_rows_from_chw(channels: int, height: int = 4, width: int = 4) -> Transform:
    """A dense kernel [in, out] whose inputs are flattened (c, h, w) to (h, w, c).

    On a kernel as our `Dense` holds it; chain `TRANSPOSE` before it for PyTorch's.
    """

    def forward(a):
        units = a.shape[1]
        a = _as(a, (channels * height * width, units), (channels, height, width, units))
        return a.transpose(1, 2, 0, 3).reshape(-1, units)

    def backward(a):
        units = a.shape[1]
        a = _as(a, (channels * height * width, units), (height, width, channels, units))
        return a.transpose(2, 0, 1, 3).reshape(-1, units)

    return Transform(forward, backward)


def last_axis_from_chw(channels: int, height: int = 4, width: int = 4) -> Transform:
    """The last axis from (c, h, w) order to (h, w, c): G's first dense layer.

    For a kernel [in, out] (chain `TRANSPOSE` before it), a bias [out], a u vector
    [1, out].
    """
    size = channels * height * width
    to_ours = np.arange(size).reshape(channels, height, width)
    to_ours = to_ours.transpose(1, 2, 0).reshape(-1)
    to_theirs = np.argsort(to_ours)

    def pick(a, order):
        if a.shape[-1] != size:
            raise CheckpointError(f"last axis {a.shape[-1]} instead of {size}")
        return a[..., order]

    return Transform(lambda a: pick(a, to_ours), lambda a: pick(a, to_theirs))


IDENTITY = Transform(lambda a: a, lambda a: a)
OIHW = permute(2, 3, 1, 0)  # PyTorch convolution kernel to [kh, kw, in, out]
TRANSPOSE = permute(1, 0)  # PyTorch dense kernel [out, in] to [in, out]
FLIP = Transform(lambda a: a[:, :, ::-1, ::-1], lambda a: a[:, :, ::-1, ::-1])  # OIHW
FLIP_HWIO = Transform(lambda a: a[::-1, ::-1], lambda a: a[::-1, ::-1])
UP_OIHW = chain(FLIP, OIHW)  # up-convolution of ada/rosinality to correlation order
CHW = permute(1, 2, 0)  # [C, H, W] to [H, W, C]
ADD_ONE = add(1.0)


def _first_backward(a):
    return a[None]


def _first_forward(a):
    if a.shape[:1] != (1,):
        raise CheckpointError(f"shape {tuple(a.shape)} where a leading 1 is expected")
    return a[0]


FIRST = Transform(_first_forward, _first_backward)  # drop a leading axis of length 1


def apply(entries, arrays: dict, ignored: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Returns our variables' arrays by attribute path.

    Args:
      entries: the mapping; every source name once.
      arrays: the source's arrays by name.
      ignored: regular expressions of source names to leave alone.

    Raises:
      CheckpointError: missing or left-over names (listed), an array that does not
        suit its transform, a fixed array with another content.
    """
    _check_names(entries, arrays, ignored)
    tensors = {}
    for entry in entries:
        if isinstance(entry, Fixed):
            _check_fixed(entry, arrays)
            continue
        array = np.asarray(arrays[entry.source])
        if array.dtype.kind not in "fiu":
            raise CheckpointError(f"{entry.source} is of type {array.dtype}")
        array = _transformed(entry.transform.forward, array, entry.source)
        with np.errstate(over="ignore", invalid="ignore"):
            tensors[entry.target] = np.asarray(array, np.float32, order="C")
    return tensors


def invert(entries, tensors: dict) -> dict[str, np.ndarray]:
    """Returns the source's arrays by name: the inverse of `apply`.

    Args:
      entries: the mapping.
      tensors: our arrays by attribute path (`arrays_of`), all of them.

    Raises:
      CheckpointError: variables that the mapping has no place for, or lacks.
    """
    targets = {e.target for e in entries if isinstance(e, Entry)}
    if targets != set(tensors):
        raise CheckpointError(
            f"the format has no place for {_some(set(tensors) - targets)} and wants "
            f"{_some(targets - set(tensors))}"
        )
    arrays = {}
    for entry in entries:
        if isinstance(entry, Fixed):
            arrays[entry.source] = np.asarray(entry.value)
            continue
        array = _transformed(
            entry.transform.backward, np.asarray(tensors[entry.target]), entry.target
        )
        arrays[entry.source] = np.array(array, order="C")
    return arrays


def arrays_of(network) -> dict[str, np.ndarray]:
    """Returns a network's variables as arrays by attribute path."""
    from dglgan_tf.networks import base

    return {name: v.numpy() for name, v in base.named_variables(network).items()}


def strip_prefix(arrays: dict, prefix: str = "module.") -> dict:
    """Returns names without a prefix that all of them have (DataParallel's)."""
    if arrays and all(isinstance(n, str) and n.startswith(prefix) for n in arrays):
        return {name[len(prefix) :]: value for name, value in arrays.items()}
    return dict(arrays)


def _check_names(entries, arrays, ignored):
    sources = [entry.source for entry in entries]
    if len(set(sources)) != len(sources):
        raise ValueError("a mapping names a source twice")
    optional = {e.source for e in entries if isinstance(e, Fixed) and e.optional}
    missing = set(sources) - set(arrays) - optional
    unused = {
        name
        for name in set(arrays) - set(sources)
        if not any(re.fullmatch(pattern, str(name)) for pattern in ignored)
    }
    if missing or unused:
        raise CheckpointError(
            f"the file lacks {_some(missing)} and holds {_some(unused)}, for which the "
            "network has no place"
        )


def _check_fixed(entry, arrays):
    if not entry.checked or entry.source not in arrays:
        return
    value = np.asarray(arrays[entry.source])
    if value.shape != np.shape(entry.value) or not np.allclose(
        value, entry.value, rtol=1e-5, atol=1e-6
    ):
        raise CheckpointError(
            f"{entry.source} has other values than this network needs"
        )


def _transformed(function, array, name):
    try:
        return function(array)
    except CheckpointError as error:
        raise CheckpointError(f"{name}: {error}") from error
    except (ValueError, IndexError) as error:
        raise CheckpointError(
            f"{name} of shape {tuple(array.shape)} does not suit the network: {error}"
        ) from error


def _some(names, count: int = 5) -> str:
    if not names:
        return "nothing"
    listed = ", ".join(sorted(map(str, names))[:count])
    return listed if len(names) <= count else f"{listed} ({len(names)} in all)"
