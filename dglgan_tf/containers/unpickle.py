"""A pickle reader that rebuilds arrays and plain containers and can do nothing else.

It is an own small machine for protocols 2 to 5: Python's pickle module is not used,
nothing is imported and no name from the file is ever looked up outside the table in
`dglgan_tf.containers.rebuild`. Bytes of arrays stay where they are in the file (views),
every length is checked against the file before it is used, the work is bounded.
"""

import struct

from dglgan_tf.containers import arrays, rebuild
from dglgan_tf.containers.errors import CheckpointError, shown

BIG_TEXT = 1 << 16
_MARK = object()
_PROTOCOL_0 = {ord(c) for c in "ILFSVPip0gdla"} - {ord(c) for c in "0a"}


class Unpickler:
    """Reads one pickle from a buffer.

    Attributes:
      position: index of the first byte after the pickle, once `load` returned.
    """

    def __init__(
        self, buffer, position: int = 0, storages=None, work=None, nested=None
    ):
        """Prepares to read.

        Args:
          buffer: memoryview of bytes.
          position: where the pickle starts.
          storages: function (persistent id) -> `arrays.Storage` for torch
            containers; None refuses persistent ids.
          work: the count of work that this pickle shares with others of its file.
          nested: function (memoryview, work) that reads a torch container inside the
            pickle, such as `torch_files.read_legacy`; None refuses them.
        """
        self.buffer = buffer
        self.position = position
        self._storages = storages
        self._work = work or rebuild.Work()
        self._nested = nested
        self._stack = []
        self._memo = {}

    def load(self):
        """Returns the object.

        Raises:
          CheckpointError: truncated, damaged or holding something not admitted.
        """
        try:
            return self._run()
        except CheckpointError:
            raise
        except (IndexError, struct.error) as error:
            raise CheckpointError(
                f"the pickle is damaged near byte {self.position}: "
                "its instructions do not fit together"
            ) from error
        except (
            TypeError,
            ValueError,
            KeyError,
            OverflowError,
            AttributeError,
        ) as error:
            raise CheckpointError(
                f"the pickle is damaged near byte {self.position}: "
                f"{shown(str(error), 200)}"
            ) from error

    def _run(self):
        work = self._work
        while True:
            work.spend(1)
            code = self._take(1)[0]
            if code == 0x2E:  # STOP
                result = self._stack.pop()
                if self._stack or result is _MARK:
                    raise CheckpointError("the pickle ends with unfinished objects")
                return result
            step = _STEPS.get(code)
            if step is None:
                raise CheckpointError(_unknown(code, self.position - 1))
            step(self)

    def _take(self, count: int):
        start, end = self.position, self.position + count
        if end > len(self.buffer):
            raise CheckpointError(
                f"the file ends too early: {count} bytes were announced at byte "
                f"{start} and {len(self.buffer) - start} are left"
            )
        self.position = end
        return self.buffer[start:end]

    def _number(self, layout: str) -> int:
        return struct.unpack(layout, self._take(struct.calcsize(layout)))[0]

    def _line(self) -> str:
        end = self.position
        limit = min(len(self.buffer), end + 256)
        while end < limit and self.buffer[end] != 0x0A:
            end += 1
        if end == limit:
            raise CheckpointError(f"no end of line after byte {self.position}")
        text = bytes(self._take(end - self.position)).decode("utf-8")
        self._take(1)
        return text

    def _pop_mark(self) -> list:
        stack = self._stack
        index = len(stack) - 1
        while stack[index] is not _MARK:
            index -= 1
            if index < 0:
                raise CheckpointError("the pickle closes a group that it never opened")
        items = stack[index + 1 :]
        del stack[index:]
        return items

    def _pop(self):
        value = self._stack.pop()
        if value is _MARK:
            raise CheckpointError("the pickle takes an object where there is none")
        return value

    def _push(self, value):
        self._stack.append(value)

    def _text(self, count: int, encoding: str = "utf-8"):
        raw = self._take(count)
        if count > BIG_TEXT:
            self._push(arrays.Text(raw, encoding))
        else:
            self._push(bytes(raw).decode(encoding, "surrogatepass"))

    def _bytes(self, count: int):
        raw = self._take(count)
        self._push(raw if count > BIG_TEXT else bytes(raw))

    def _integer(self, count: int):
        if count > 32:
            raise CheckpointError(f"an integer of {count} bytes has no place here")
        self._push(int.from_bytes(self._take(count), "little", signed=True))

    def _float(self):
        self._push(struct.unpack(">d", self._take(8))[0])

    def _group(self, count: int):
        items = [self._pop() for _ in range(count)]
        self._push(tuple(reversed(items)))

    def _append(self, items: list):
        target = self._stack[-1]
        if not isinstance(target, list):
            raise CheckpointError(f"cannot append to {shown(type(target).__name__)}")
        target.extend(items)

    def _append_one(self):
        value = self._pop()
        self._append([value])

    def _set_items(self, items: list):
        target = self._stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise CheckpointError(
                f"cannot store named items in {shown(type(target).__name__)}"
            )
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[rebuild.key(key)] = value

    def _set_item(self):
        value = self._pop()
        self._set_items([self._pop(), value])

    def _add_items(self, items: list):
        target = self._stack[-1]
        if not isinstance(target, set):
            raise CheckpointError(f"cannot add to {shown(type(target).__name__)}")
        target.update(rebuild.key(item) for item in items)

    def _put(self, index: int):
        value = self._stack[-1]
        self._memo[index] = value
        if isinstance(value, arrays.Unfinished):
            value.memo.append(index)

    def _get(self, index: int):
        if index not in self._memo:
            raise CheckpointError(f"the pickle recalls object {index}, never stored")
        self._push(self._memo[index])

    def _global(self, module, name):
        if not isinstance(module, str) or not isinstance(name, str):
            raise CheckpointError("a global's name in the pickle is not text")
        self._push(rebuild.find(module, name))

    def _global_lines(self):
        module = self._line()
        self._global(module, self._line())

    def _global_stack(self):
        name = self._pop()
        self._global(self._pop(), name)

    def _reduce(self):
        arguments = self._pop()
        self._push(rebuild.call(self._pop(), arguments, self._work, self._nested))

    def _new(self):
        arguments = self._pop()
        self._push(rebuild.new(self._pop(), arguments, self._work))

    def _build(self):
        state = self._pop()
        target = self._stack[-1]
        built = rebuild.build(target, state)
        if isinstance(target, arrays.Unfinished):
            for index in target.memo:
                self._memo[index] = built
        self._stack[-1] = built

    def _persistent(self):
        identity = self._pop()
        if self._storages is None:
            raise CheckpointError(
                f"the pickle refers to outside data ({shown(identity)}), which only a "
                "torch container may do"
            )
        self._push(self._storages(identity))

    def _protocol(self):
        version = self._take(1)[0]
        if not 2 <= version <= 5:
            raise CheckpointError(f"pickle protocol {version} is not one of 2 to 5")


def _unknown(code: int, position: int) -> str:
    if code in _PROTOCOL_0:
        return (
            f"byte {position} holds instruction {chr(code)!r} of pickle protocol 0 or "
            "1; official checkpoints use 2 to 5"
        )
    return f"byte {position} (0x{code:02x}) is no pickle instruction that is admitted"


_STEPS = {
    0x80: Unpickler._protocol,
    0x95: lambda u: u._take(8) and None,  # FRAME: lengths are checked one by one
    0x28: lambda u: u._push(_MARK),
    0x30: lambda u: u._stack.pop() and None,  # POP
    0x31: lambda u: u._pop_mark() and None,  # POP_MARK
    0x32: lambda u: u._push(u._stack[-1]),  # DUP
    0x4E: lambda u: u._push(None),
    0x88: lambda u: u._push(True),
    0x89: lambda u: u._push(False),
    0x4A: lambda u: u._push(u._number("<i")),
    0x4B: lambda u: u._push(u._number("<B")),
    0x4D: lambda u: u._push(u._number("<H")),
    0x8A: lambda u: u._integer(u._number("<B")),
    0x8B: lambda u: u._integer(u._number("<I")),
    0x47: Unpickler._float,
    0x55: lambda u: u._text(u._number("<B"), "latin-1"),  # strings of Python 2
    0x54: lambda u: u._text(u._number("<I"), "latin-1"),
    0x58: lambda u: u._text(u._number("<I")),
    0x8C: lambda u: u._text(u._number("<B")),
    0x8D: lambda u: u._text(u._number("<Q")),
    0x43: lambda u: u._bytes(u._number("<B")),
    0x42: lambda u: u._bytes(u._number("<I")),
    0x8E: lambda u: u._bytes(u._number("<Q")),
    0x96: lambda u: u._bytes(u._number("<Q")),  # BYTEARRAY8
    0x5D: lambda u: u._push([]),
    0x7D: lambda u: u._push({}),
    0x29: lambda u: u._push(()),
    0x8F: lambda u: u._push(set()),
    0x85: lambda u: u._group(1),
    0x86: lambda u: u._group(2),
    0x87: lambda u: u._group(3),
    0x74: lambda u: u._push(tuple(u._pop_mark())),
    0x6C: lambda u: u._push(list(u._pop_mark())),
    0x91: lambda u: u._push(frozenset(rebuild.key(i) for i in u._pop_mark())),
    0x61: Unpickler._append_one,
    0x65: lambda u: u._append(u._pop_mark()),
    0x73: Unpickler._set_item,
    0x75: lambda u: u._set_items(u._pop_mark()),
    0x90: lambda u: u._add_items(u._pop_mark()),
    0x71: lambda u: u._put(u._number("<B")),
    0x72: lambda u: u._put(u._number("<I")),
    0x94: lambda u: u._put(len(u._memo)),  # MEMOIZE
    0x68: lambda u: u._get(u._number("<B")),
    0x6A: lambda u: u._get(u._number("<I")),
    0x63: Unpickler._global_lines,
    0x93: Unpickler._global_stack,
    0x52: Unpickler._reduce,
    0x81: Unpickler._new,
    0x62: Unpickler._build,
    0x51: Unpickler._persistent,
}
