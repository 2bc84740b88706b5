"""The one exception of reading and converting checkpoints, and the inert record."""

import dataclasses


class CheckpointError(ValueError):
    """A file that cannot be read or converted; the message is one sentence."""


@dataclasses.dataclass
class Record:
    """An object of somebody else's class: its name and its pickled state, no code.

    Attributes:
      kind: full name of the class in the file, for instance
        'dnnlib.tflib.network.Network'; 'folder' and 'tf_variables' for what
        `reader.read` makes of folders.
      state: what the file stored for it, mostly a dict of plain values and arrays.
    """

    kind: str
    state: object = None


def shown(value, length: int = 60) -> str:
    """Returns a short printable form of anything that came from a file."""
    if isinstance(value, (str, bytes)):
        value = value[:length]
    elif isinstance(value, (memoryview, bytearray)):
        return f"{len(value)} bytes"
    elif isinstance(value, (list, tuple, dict, set, frozenset)):
        return f"a {type(value).__name__} of {len(value)}"
    elif isinstance(value, int) and value.bit_length() > 64:
        return f"an integer of {value.bit_length()} bits"
    text = ascii(value)
    return text if len(text) <= length else text[: length - 3] + "..."
