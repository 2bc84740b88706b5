"""What a pickle may rebuild: the table of admitted names and what stands for each.

A name of the file is looked up here and nowhere else. Functions check their arguments
and return arrays or plain values; classes become dicts or inert `Record`s.
"""

import collections
import dataclasses
import math
import mmap
import re

import numpy as np

from dglgan_tf.convert.errors import CheckpointError, Record, shown

MAX_DIMENSIONS = 32


MAX_OPERATIONS = 2_000_000


class Work:
    """Counts instructions and items over a file with all its nested pickles."""

    def __init__(self):
        self.left = MAX_OPERATIONS

    def spend(self, count: int):
        """Takes from what is left; refuses the file when nothing is."""
        self.left -= count
        if self.left < 0:
            raise CheckpointError(
                f"the pickle has more than {MAX_OPERATIONS} instructions, far more "
                "than a network's checkpoint"
            )


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


@dataclasses.dataclass(frozen=True)
class Name:
    """A name that the table admits: of a 'function', 'class', 'dict' or 'storage'."""

    full: str
    role: str
    target: object = None


def key(value):
    """Returns a dict key or set item; only plain ones are admitted."""
    if isinstance(value, (str, int, float, bytes, bool, type(None))):
        return value
    raise CheckpointError(
        f"{shown(value)} as a name in a table is nothing that checkpoints hold"
    )


def find(module: str, name: str) -> Name:
    """Returns the admitted meaning of a global, or refuses it by name."""
    full = f"{module}.{name}"
    found = _TABLE.get(full)
    if found is None:
        raise CheckpointError(
            f"the file asks for {shown(full, 100)}, which is neither an array nor a "
            "plain container: it is refused and nothing was run"
        )
    return found


def call(function, arguments, work: Work):
    """Carries out a REDUCE instruction with one of our own functions."""
    if not isinstance(function, Name) or not isinstance(arguments, tuple):
        raise CheckpointError(
            f"the pickle calls {shown(function)}, which is no function"
        )
    if function.role not in ("function", "working"):
        return new(function, arguments, work)
    if function.role == "working":
        arguments = (work, *arguments)
    try:
        return function.target(*arguments)
    except TypeError as error:
        raise CheckpointError(f"{function.full} with wrong arguments") from error


def new(cls, arguments, work: Work):
    """Makes an empty object of an admitted class."""
    if not isinstance(cls, Name) or cls.role not in ("class", "dict"):
        raise CheckpointError(f"the pickle makes an object of {_called(cls)}")
    if cls.role == "dict":
        return _pairs(cls.full, arguments, work)
    if arguments != ():
        raise CheckpointError(f"{cls.full} with arguments is not admitted")
    return Record(cls.full)


def _called(value) -> str:
    return value.full if isinstance(value, Name) else shown(value)


def build(target, state):
    """Carries out a BUILD instruction: gives an object its state."""
    if isinstance(target, Unfinished):
        return _BUILDERS[target.kind](target, state)
    if isinstance(target, Record) and target.state is None and isinstance(state, dict):
        target.state = state
        return target
    if isinstance(target, collections.OrderedDict) and isinstance(state, dict):
        return target  # torch keeps `_metadata` there; it carries no weights
    raise CheckpointError(
        f"the file sets the state of {shown(target)}, which is not admitted"
    )


def _pairs(full, arguments, work):
    result = collections.OrderedDict()
    if arguments == ():
        return result
    pairs = arguments[0] if len(arguments) == 1 else None
    if not isinstance(pairs, list):
        raise CheckpointError(f"{full} with such arguments is not admitted")
    work.spend(len(pairs))
    for pair in pairs:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise CheckpointError(f"{full} with such arguments is not admitted")
        result[key(pair[0])] = pair[1]
    return result


def _sizes(value, what: str) -> tuple[int, ...]:
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


def _encode(text, encoding):
    if encoding not in ("latin1", "latin-1"):
        raise CheckpointError(f"_codecs.encode to {shown(encoding)} is not admitted")
    if isinstance(text, str):
        return text.encode("latin-1")
    if not isinstance(text, Text):
        raise CheckpointError("_codecs.encode of something that is no text")
    if text.encoded is None:
        text.encoded = text.raw if text.encoding == "latin-1" else _latin1(text.raw)
    return text.encoded


def _dtype(code, align=False, copy=True):
    del align, copy
    if not isinstance(code, str) or not re.fullmatch(
        "[<>|=]?(f[248]|[iu][1248]|b1)", code
    ):
        raise CheckpointError(f"arrays of type {shown(code)} are not admitted")
    return Unfinished("numpy.dtype", np.dtype(code))


def _build_dtype(target, state):
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


def _reconstruct(cls, shape, code):
    if not isinstance(cls, Name) or cls.full != "numpy.ndarray":
        raise CheckpointError("only plain numpy arrays are rebuilt")
    return Unfinished("numpy.ndarray")


def _build_array(target, state):
    if target.value is not None or not isinstance(state, tuple) or len(state) != 5:
        raise CheckpointError("a numpy array with a state of another form")
    _, shape, dtype, fortran, data = state
    return _array(raw_bytes(data), _finished_dtype(dtype), shape, bool(fortran))


def _array(data, dtype, shape, fortran):
    shape = _sizes(shape, "the shape of an array")
    count = math.prod(shape)
    if count * dtype.itemsize != len(data):
        raise CheckpointError(
            f"an array of shape {shape} and type {dtype} needs "
            f"{count * dtype.itemsize} bytes, the file has {len(data)} for it"
        )
    array = np.frombuffer(data, dtype, count)
    return array.reshape(shape, order="F" if fortran else "C")


def _from_buffer(data, dtype, shape, order):
    if order not in ("C", "F"):
        raise CheckpointError(f"array order {shown(order)} is not admitted")
    return _array(raw_bytes(data), _finished_dtype(dtype), shape, order == "F")


def _scalar(dtype, data=None):
    dtype = _finished_dtype(dtype)
    return _array(raw_bytes(data), dtype, (), False)[()]


def _tensor(storage, offset, size, stride, *rest):
    """`torch._utils._rebuild_tensor_v2`: a view with any offset and strides."""
    if not isinstance(storage, Storage) or len(rest) > 3:
        raise CheckpointError("torch._utils._rebuild_tensor_v2 with wrong arguments")
    size = _sizes(size, "the size of a tensor")
    stride = _sizes(stride, "the stride of a tensor")
    (offset,) = _sizes((offset,), "the offset of a tensor")
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


def _parameter(tensor, requires_grad=False, hooks=None):
    del requires_grad, hooks
    if tensor is not None and not isinstance(tensor, np.ndarray):
        raise CheckpointError("torch._utils._rebuild_parameter with wrong arguments")
    return tensor


def _persistent(meta):
    if not isinstance(meta, dict) or meta.get("type") != "class":
        raise CheckpointError("a persistent object of NVIDIA's without its description")
    return Record("torch_utils.persistence", meta)


def _nested_storage(work, data):
    from dglgan_tf.convert import torch_files

    data = raw_bytes(data)
    value = torch_files.read_legacy(memoryview(data), work)
    if not isinstance(value, Storage):
        raise CheckpointError("torch.storage._load_from_bytes of something else")
    return value


def _plain_set(work, items=()):
    if not isinstance(items, (list, tuple, set, frozenset)):
        raise CheckpointError("a set made of something else than a list")
    work.spend(len(items))
    return {key(item) for item in items}


def _empty_bytes(*arguments):
    if arguments:
        raise CheckpointError("bytes with arguments are not admitted")
    return b""


def _bytearray(data=b"", *encoding):
    return _encode(data, *encoding) if encoding else raw_bytes(data)


def _size(value=()):
    return _sizes(value, "torch.Size")


def _device(*arguments):
    return Record("torch.device", {"arguments": [shown(a) for a in arguments]})


def _make_table() -> dict[str, Name]:
    functions = {
        "_codecs.encode": _encode,
        "numpy.dtype": _dtype,
        "torch._utils._rebuild_tensor": _tensor,
        "torch._utils._rebuild_tensor_v2": _tensor,
        "torch._utils._rebuild_parameter": _parameter,
        "torch_utils.persistence._reconstruct_persistent_obj": _persistent,
        "torch.Size": _size,
        "torch.device": _device,
    }
    working = {"torch.storage._load_from_bytes": _nested_storage}
    for core in ("numpy.core", "numpy._core"):
        functions[f"{core}.multiarray._reconstruct"] = _reconstruct
        functions[f"{core}.multiarray.scalar"] = _scalar
        functions[f"{core}.numeric._frombuffer"] = _from_buffer
    for builtin in ("builtins", "__builtin__"):
        working[f"{builtin}.set"] = working[f"{builtin}.frozenset"] = _plain_set
        functions[f"{builtin}.bytes"] = _empty_bytes
        functions[f"{builtin}.bytearray"] = _bytearray
    table = {full: Name(full, "function", f) for full, f in functions.items()}
    table |= {full: Name(full, "working", f) for full, f in working.items()}
    for full in ("collections.OrderedDict", "dnnlib.util.EasyDict", "dnnlib.EasyDict"):
        table[full] = Name(full, "dict")
    for full in (
        "dnnlib.tflib.network.Network",
        "argparse.Namespace",
        "torch.nn.modules.activation.ReLU",
    ):
        table[full] = Name(full, "class")
    table["numpy.ndarray"] = Name("numpy.ndarray", "type")
    for name, code in STORAGES.items():
        table[f"torch.{name}Storage"] = Name(f"torch.{name}Storage", "storage", code)
    return table


STORAGES = {
    "Float": "f4",
    "Double": "f8",
    "Half": "f2",
    "BFloat16": "bf16",
    "Long": "i8",
    "Int": "i4",
    "Short": "i2",
    "Char": "i1",
    "Byte": "u1",
    "Bool": "b1",
}
_BUILDERS = {"numpy.dtype": _build_dtype, "numpy.ndarray": _build_array}
_TABLE = _make_table()
