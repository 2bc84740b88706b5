"""Arrays of a pickle as views of the file: numpy's and torch's building functions.

Each checks its arguments against the bytes that are there before anything is made.
"""

import dataclasses
import math
import mmap
import re

import numpy as np

from dglgan_tf.containers.errors import CheckpointError, shown

MAX_DIMENSIONS = 32


@dataclasses.dataclass
class Text:
    """A long text of the file, not decoded; `encoded` is its latin-1 form."""

    raw: memoryview
    encoding: str
    encoded: object = None


@dataclasses.dataclass
class Unfinished:
    """An object whose value comes with its BUILD instruction."""

    kind: str
    value: object = None
    memo: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Storage:
    """The elements behind torch tensors: a one-dimensional array, or its layout only.

    Attributes:
      dtype: numpy dtype, 'bfloat16' marked by `is_bfloat16` on uint16 elements.
      count: number of elements.
      elements: [count] view of the file; None while the file is only measured.
      widened: [count] float32, of bfloat16 elements that were needed.
    """

    dtype: np.dtype
    count: int
    elements: object = None
    is_bfloat16: bool = False
    widened: object = None


def sizes(value, what: str) -> tuple[int, ...]:
    """Returns a tuple of sizes after checking that they are."""
    if not isinstance(value, (tuple, list)) or len(value) > MAX_DIMENSIONS:
        raise CheckpointError(f"{what} {shown(value)} is not a tuple of sizes")
    for size in value:
        if type(size) is not int or not 0 <= size < 1 << 62:
            raise CheckpointError(f"{what} holds {shown(size)}, not a size")
    return tuple(value)


def raw_bytes(value):
    """Returns bytes, a view of bytes, or the latin-1 text of old pickles as bytes."""
    if isinstance(value, (bytes, memoryview)):
        return value
    if isinstance(value, Text) and value.encoding == "latin-1":
        return value.raw
    if isinstance(value, str):
        return value.encode("latin-1")
    raise CheckpointError(f"{shown(value)} stands where bytes are expected")


def _latin1(raw, step: int = 1 << 20) -> memoryview:
    """Turns UTF-8 of latin-1 characters into their bytes, piece by piece."""
    result = bytearray()
    start = 0
    while start < len(raw):
        end = min(start + step, len(raw))
        while end < len(raw) and raw[end] & 0xC0 == 0x80:
            end += 1
        result += bytes(raw[start:end]).decode("utf-8").encode("latin-1")
        start = end
    if isinstance(raw.obj, mmap.mmap) and hasattr(raw.obj, "madvise"):
        raw.obj.madvise(mmap.MADV_DONTNEED)  # the text's pages are not needed again
    return memoryview(result).toreadonly()


def encode(text, encoding):
    """`_codecs.encode`: latin-1 text of old pickles to bytes."""
    if encoding not in ("latin1", "latin-1"):
        raise CheckpointError(f"_codecs.encode to {shown(encoding)} is not admitted")
    if isinstance(text, str):
        return text.encode("latin-1")
    if not isinstance(text, Text):
        raise CheckpointError("_codecs.encode of something that is no text")
    if text.encoded is None:
        text.encoded = text.raw if text.encoding == "latin-1" else _latin1(text.raw)
    return text.encoded


def make_dtype(code, align=False, copy=True):
    """`numpy.dtype`: numbers and truths only."""
    del align, copy
    if not isinstance(code, str) or not re.fullmatch(
        "[<>|=]?(f[248]|[iu][1248]|b1)", code
    ):
        raise CheckpointError(f"arrays of type {shown(code)} are not admitted")
    return Unfinished("numpy.dtype", np.dtype(code))


def build_dtype(target, state):
    """Sets the byte order of a type."""
    if not isinstance(state, tuple) or len(state) < 2 or state[1] not in tuple("<>|="):
        raise CheckpointError(f"a numpy type with the state {shown(state)}")
    if any(item is not None for item in state[2:5]):
        raise CheckpointError("structured numpy types are not admitted")
    target.value = target.value.newbyteorder(state[1])
    return target


def _finished_dtype(value) -> np.dtype:
    if not isinstance(value, Unfinished) or value.kind != "numpy.dtype":
        raise CheckpointError(f"{shown(value)} stands where a numpy type is expected")
    return value.value


def reconstruct(cls, shape, code):
    """`numpy.core.multiarray._reconstruct`: an array without content."""
    if getattr(cls, "full", None) != "numpy.ndarray":
        raise CheckpointError("only plain numpy arrays are rebuilt")
    return Unfinished("numpy.ndarray")


def build_array(target, state):
    """Gives an array its content: a view of the file."""
    if target.value is not None or not isinstance(state, tuple) or len(state) != 5:
        raise CheckpointError("a numpy array with a state of another form")
    _, shape, dtype, fortran, data = state
    return _array(raw_bytes(data), _finished_dtype(dtype), shape, bool(fortran))


def _array(data, dtype, shape, fortran):
    shape = sizes(shape, "the shape of an array")
    count = math.prod(shape)
    if count * dtype.itemsize != len(data):
        raise CheckpointError(
            f"an array of shape {shape} and type {dtype} needs "
            f"{count * dtype.itemsize} bytes, the file has {len(data)} for it"
        )
    array = np.frombuffer(data, dtype, count)
    return array.reshape(shape, order="F" if fortran else "C")


def from_buffer(data, dtype, shape, order):
    """`numpy.core.numeric._frombuffer` of protocol 5."""
    if order not in ("C", "F"):
        raise CheckpointError(f"array order {shown(order)} is not admitted")
    return _array(raw_bytes(data), _finished_dtype(dtype), shape, order == "F")


def scalar(dtype, data=None):
    """`numpy.core.multiarray.scalar`."""
    dtype = _finished_dtype(dtype)
    return _array(raw_bytes(data), dtype, (), False)[()]


def tensor(storage, offset, size, stride, *rest):
    """`torch._utils._rebuild_tensor_v2`: a view with any offset and strides."""
    if not isinstance(storage, Storage) or len(rest) > 3:
        raise CheckpointError("torch._utils._rebuild_tensor_v2 with wrong arguments")
    size = sizes(size, "the size of a tensor")
    stride = sizes(stride, "the stride of a tensor")
    (offset,) = sizes((offset,), "the offset of a tensor")
    count = math.prod(size)
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if count > storage.count or (count and last >= storage.count):
        raise CheckpointError(
            f"a tensor of size {size} and stride {stride} at {offset} does not fit its "
            f"{storage.count} stored elements"
        )
    if storage.elements is None:
        return None
    elements = storage.elements
    if storage.is_bfloat16:
        if storage.widened is None:
            storage.widened = (elements.astype(np.uint32) << 16).view(np.float32)
        elements = storage.widened
    if not count:
        return np.zeros(size, elements.dtype)
    step = elements.dtype.itemsize
    return np.lib.stride_tricks.as_strided(
        elements[offset:], size, [s * step for s in stride], writeable=False
    )


def parameter(tensor, requires_grad=False, hooks=None):
    """`torch._utils._rebuild_parameter`: the tensor itself."""
    del requires_grad, hooks
    if tensor is not None and not isinstance(tensor, np.ndarray):
        raise CheckpointError("torch._utils._rebuild_parameter with wrong arguments")
    return tensor


def make_bytearray(data=b"", *encoding):
    """`bytearray` of bytes."""
    return encode(data, *encoding) if encoding else raw_bytes(data)


def size(value=()):
    """`torch.Size`."""
    return sizes(value, "torch.Size")
