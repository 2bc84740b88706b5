"""What a pickle may rebuild: the table of admitted names and what stands for each.

A name of the file is looked up here and nowhere else. Functions check their arguments
and return arrays or plain values; classes become dicts or inert `Record`s.
"""

import collections
import dataclasses

from dglgan_tf.containers import arrays
from dglgan_tf.containers.errors import CheckpointError, Record, shown

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


@dataclasses.dataclass(frozen=True)
class Name:
    """A name that the table admits.

    Attributes:
      full: as the file writes it.
      role: 'function'; 'working', which also spends work; 'nested', which reads a
        container inside this one; 'class', 'dict', 'type' or 'storage'.
      target: the function of ours, or the code of a storage's type.
    """

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


def call(function, arguments, work: Work, nested=None):
    """Carries out a REDUCE instruction with one of our own functions.

    Args:
      function: what the file names, an admitted one or not.
      arguments: tuple from the file.
      work: count of work of the file.
      nested: function (memoryview, work) -> content of a torch container inside this
        one; None refuses such.
    """
    if not isinstance(function, Name) or not isinstance(arguments, tuple):
        raise CheckpointError(
            f"the pickle calls {shown(function)}, which is no function"
        )
    if function.role not in ("function", "working", "nested"):
        return new(function, arguments, work)
    if function.role != "function":
        arguments = (work, *arguments)
    if function.role == "nested":
        arguments = (nested, *arguments)
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
    if isinstance(target, arrays.Unfinished):
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


def _persistent(meta):
    if not isinstance(meta, dict) or meta.get("type") != "class":
        raise CheckpointError("a persistent object of NVIDIA's without its description")
    return Record("torch_utils.persistence", meta)


def _nested_storage(nested, work, data):
    if nested is None:
        raise CheckpointError("a torch container inside of what can hold none")
    value = nested(memoryview(arrays.raw_bytes(data)), work)
    if not isinstance(value, arrays.Storage):
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


def _device(*arguments):
    return Record("torch.device", {"arguments": [shown(a) for a in arguments]})


def _make_table() -> dict[str, Name]:
    functions = {
        "_codecs.encode": arrays.encode,
        "numpy.dtype": arrays.make_dtype,
        "torch._utils._rebuild_tensor": arrays.tensor,
        "torch._utils._rebuild_tensor_v2": arrays.tensor,
        "torch._utils._rebuild_parameter": arrays.parameter,
        "torch_utils.persistence._reconstruct_persistent_obj": _persistent,
        "torch.Size": arrays.size,
        "torch.device": _device,
    }
    nested = "torch.storage._load_from_bytes"
    working = {}
    for core in ("numpy.core", "numpy._core"):
        functions[f"{core}.multiarray._reconstruct"] = arrays.reconstruct
        functions[f"{core}.multiarray.scalar"] = arrays.scalar
        functions[f"{core}.numeric._frombuffer"] = arrays.from_buffer
    for builtin in ("builtins", "__builtin__"):
        working[f"{builtin}.set"] = working[f"{builtin}.frozenset"] = _plain_set
        functions[f"{builtin}.bytes"] = _empty_bytes
        functions[f"{builtin}.bytearray"] = arrays.make_bytearray
    table = {full: Name(full, "function", f) for full, f in functions.items()}
    table |= {full: Name(full, "working", f) for full, f in working.items()}
    table[nested] = Name(nested, "nested", _nested_storage)
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
_BUILDERS = {"numpy.dtype": arrays.build_dtype, "numpy.ndarray": arrays.build_array}
_TABLE = _make_table()
