"""Files made to run code, to exhaust memory or to break the reader are refused."""

import builtins
import collections
import encodings.cp437  # noqa: F401  (names in zip files)
import functools
import importlib
import io
import operator
import os
import pickle
import struct
import sys
import time
import zipfile

import numpy as np
import pytest
from support import made_files

from dglgan_tf.containers import errors, reader


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced


class WithState:
    """Pickles as an object of a class that has `__setstate__`."""

    def __setstate__(self, state):
        raise AssertionError("__setstate__ ran")

    def __getstate__(self):
        return {"a": 1}


CALLS = {
    "posix.system": Calls(os.system, "touch ran"),
    "builtins.eval": Calls(eval, "open('ran', 'w')"),
    "builtins.exec": Calls(exec, "open('ran', 'w')"),
    "builtins.open": Calls(open, "ran", "w"),
    "importlib.import_module": Calls(importlib.import_module, "antigravity"),
    "builtins.__import__": Calls(builtins.__import__, "antigravity"),
    "functools.partial": Calls(functools.partial, os.system, "touch ran"),
    "builtins.getattr": Calls(getattr, Calls(getattr, [], "__class__"), "__base__"),
    "operator.attrgetter": Calls(operator.attrgetter, "__class__.__base__"),
    "numpy.load": Calls(np.load, "ran"),
    "collections.Counter": collections.Counter("aab"),
    "collections.defaultdict": collections.defaultdict(list),
    "test_hostile.WithState": WithState(),
}


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """A folder to work in, and a check that nothing ran and nothing was imported."""
    monkeypatch.chdir(tmp_path)
    modules = set(sys.modules)

    def refused(data, words, seconds=5.0):
        (tmp_path / "file").write_bytes(data)
        start = time.monotonic()
        with pytest.raises(errors.CheckpointError, match=words) as caught:
            reader.read(tmp_path / "file")
        message = str(caught.value)
        assert "\n" not in message and len(message) < 500
        assert time.monotonic() - start < seconds
        assert os.listdir(tmp_path) == ["file"]
        assert set(sys.modules) == modules

    return refused


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("name", CALLS)
def test_foreign_names_are_refused_by_name(watched, name, protocol):
    """Every function and class that is no array or plain container, by its name."""
    words = "Counter|numpy.*load|__builtin__|" + name.replace("builtins.", "")
    watched(pickle.dumps({"G": CALLS[name]}, protocol), words)


@pytest.mark.parametrize("write", [made_files.torch_zip, made_files.torch_legacy])
@pytest.mark.parametrize("name", ["posix.system", "functools.partial"])
def test_torch_containers_are_no_way_round(watched, write, name):
    """The same table holds inside both torch containers."""
    watched(write({"g": CALLS[name]}), name)


def test_nested_bytes_are_no_way_round(watched):
    """Nor inside the nested storages of NVIDIA's modules."""
    inner = made_files.torch_legacy(CALLS["posix.system"])
    data = made_files.pickled(Calls(made_files.FROM_BYTES, inner))
    watched(data, "posix.system")


STORED = made_files.Storage(np.arange(4))
WRONG_TENSORS = [
    (),
    (STORED,),
    (STORED, 0, (5,), (1,), False, {}),
    (STORED, 1, (4,), (1,), False, {}),
    (STORED, -1, (2,), (1,), False, {}),
    (STORED, 0, (2,), (-1,), False, {}),
    (STORED, 0, (2, 2), (1,), False, {}),
    (STORED, 0, (1 << 60,), (0,), False, {}),
    (STORED, 0, (1 << 40, 1 << 40), (0, 0), False, {}),
    (STORED, 0, "ab", (1,), False, {}),
    (STORED, 0, (2.0,), (1,), False, {}),
    (STORED, 0, (1,) * 40, (1,) * 40, False, {}),
    ("x", 0, (2,), (1,), False, {}),
    (STORED, 0, (2,), (1,), False, {}, 1, 2),
]


@pytest.mark.parametrize("arguments", WRONG_TENSORS, ids=range(len(WRONG_TENSORS)))
def test_torch_utils_with_wrong_arguments(watched, arguments):
    """Tensors that reach outside their storage, or are no tensors."""
    watched(made_files.torch_zip([Calls(made_files.REBUILD, *arguments)]), "file: ")


def numpy_claim(shape: bytes, code=b"f4") -> bytes:
    """Returns a pickle of an array of some shape with eight bytes of content."""
    name = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btR"
    dtype = b"cnumpy\ndtype\n(X\x02\x00\x00\x00" + code + b"K\x00K\x01tR(K\x03"
    dtype += b"X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    return b"\x80\x04" + name + b"(K\x01" + shape + dtype + b"\x89C\x08" + bytes(8)


def test_claims_of_huge_arrays(watched):
    """2^60 elements are compared with the bytes that are there, not allocated."""
    huge = b"\x8a\x08" + struct.pack("<q", 1 << 60)
    watched(numpy_claim(b"(" + huge + b"t") + b"tb.", "needs 4611686018427387904 bytes")
    watched(numpy_claim(b"(" + huge * 3 + b"t") + b"tb.", "needs")
    watched(numpy_claim(b"(J\xff\xff\xff\xfft") + b"tb.", "not a size")
    watched(numpy_claim(b"K\x01\x85", b"O8") + b"tb.", "arrays of type 'O8'")
    for code in (b"\x8e", b"\x8d", b"\x96"):
        length = struct.pack("<Q", 1 << 60)
        watched(b"\x80\x05" + code + length + b"abc.", "ends too early")
    watched(b"\x80\x04\x8b\xff\xff\xff\x7f.", "integer of 2147483647 bytes")
    data = made_files.torch_legacy([STORED], counts=[1 << 60])
    watched(data, "states two different sizes")


def test_repetition_does_not_multiply(watched):
    """Containers in containers, the same array a thousand times, endless loops."""
    double = b"\x80\x04]q\x00" + b"".join(
        b"0](h" + bytes([i]) + b"h" + bytes([i]) + b"eq" + bytes([i + 1])
        for i in range(60)
    )
    watched(double + b".", "nested or repeated too much")
    watched(b"\x80\x04" + b"]" * 300 + b"a" * 299 + b".", "nested or repeated")
    watched(b"\x80\x04]q\x00h\x00a.", "nested or repeated too much")
    array = np.zeros(100_000, np.float32)
    watched(pickle.dumps([array] * 1000), "larger than the file, by repetition")
    watched(b"\x80\x04" + b"]0" * 1_500_000 + b"N.", "instructions", 20.0)


def test_deep_tuples_as_names(watched):
    """A deep tuple cannot be hashed safely: only plain names are admitted."""
    deep = b"\x80\x04}N" + b"\x85" * 100_000 + b"Ns."
    watched(deep, "as a name in a table")
    watched(b"\x80\x04\x8f(]\x90.", "as a name in a table")


def test_nested_containers_share_one_count(watched):
    """Pickles within pickles cannot multiply the work."""
    inner = made_files.torch_legacy(STORED)
    for _ in range(3):
        inner = made_files.torch_legacy([Calls(made_files.FROM_BYTES, inner)] * 60)
    data = made_files.pickled(Calls(made_files.FROM_BYTES, inner))
    watched(data, "more than 2000000 instructions|of something else", 30.0)


@pytest.mark.parametrize(
    "data, words",
    [
        (b"\x80\x04.", "do not fit together"),
        (b"\x80\x04(.", "unfinished"),
        (b"\x80\x04NN.", "unfinished"),
        (b"\x80\x04h\x05.", "recalls object 5"),
        (b"\x80\x04j\xff\xff\xff\x7f.", "recalls object"),
        (b"\x80\x04NNa.", "cannot append to"),
        (b"\x80\x04N(NNu.", "cannot store named items"),
        (b"\x80\x04](NNu.", "cannot store named items"),
        (b"\x80\x04}(Nu.", "cannot store named items"),
        (b"\x80\x04Ne.", "never opened"),
        (b"\x80\x04NN\x93.", "name in the pickle is not text"),
        (b"\x80\x04Ncos\nsystem\n", "'os.system'"),
        (b"\x80\x04]NR.", "which is no function"),
        (b"\x80\x04]Nb.", "sets the state"),
        (b"\x80\x04NQ.", "outside data"),
        (b"\x80\x04\x82\x01.", "no pickle instruction that is admitted"),
        (b"\x80\x04P1\n.", "protocol 0 or 1"),
        (b"\x80\x04\x80\x09.", "protocol 9"),
        (b"\x80\x04\x8c\x02\xff\xfe.", "damaged near byte"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "a JPEG image"),
        (b"<!DOCTYPE html>", "a web page"),
        (b"version https://git-lfs", "Git LFS"),
        (b"", "is empty"),
        (b"\x80", "unknown file"),
        (b"PK\x03\x04rest", "zip container is damaged"),
    ],
)
def test_damaged_instructions(watched, data, words):
    """Each is one sentence."""
    watched(data, words)


def test_zip_bombs(watched, tmp_path):
    """Compressed members are refused before they are unpacked."""
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + b"]" * 50_000_000 + b".")
    assert len(bomb.getvalue()) < 100_000
    watched(bomb.getvalue(), "more bytes than the file has")
    good = made_files.torch_zip([np.arange(3000)], zipfile.ZIP_DEFLATED)
    watched(good, "compressed|more bytes")
    plain = io.BytesIO()
    with zipfile.ZipFile(plain, "w") as archive:
        archive.writestr("readme.txt", "hello")
    watched(plain.getvalue(), "torch.save did not write it")


def test_shapes_claimed_by_central_directory(watched):
    """A member larger than the file, and a storage smaller than announced."""
    data = bytearray(made_files.torch_zip([np.arange(500)]))
    at = data.rindex(b"PK\x01\x02", 0, data.rindex(b"archive/version"))
    at = data.rindex(b"PK\x01\x02", 0, at)  # the directory entry of data.pkl or data/0
    larger = data.copy()
    larger[at + 24 : at + 28] = struct.pack("<I", 1 << 31)
    watched(bytes(larger), "more bytes than the file has")
    moved = data.copy()
    moved[at + 42 : at + 46] = struct.pack("<I", 5)
    watched(bytes(moved), "has no header")


FILES = (
    "sg2tf1_Gresnet_Dskip_r32.pkl",
    "sg2tf1_dglgan_fraction2_r32.pkl",
    "sg2ada_uncond_r32_Gresnet_Dskip.pkl",
    "sg2ros_converted_r32.pt",
    "biggan_r32_cifar/G.pth",
    "biggan_r32_mybn_hier_attn16_narrowD/D.pth",
    "biggan_deep_hf_r32/pytorch_model.bin",
)


@pytest.mark.parametrize("name", FILES)
def test_truncation_at_every_percent(reference, tmp_path, name):
    """A file cut anywhere is refused."""
    data = (reference / name).read_bytes()
    path = tmp_path / "file"
    for percent in range(100):
        path.write_bytes(data[: len(data) * percent // 100])
        with pytest.raises(errors.CheckpointError):
            reader.read(path)
    path.write_bytes(data[:-1])
    with pytest.raises(errors.CheckpointError):
        reader.read(path)


def test_truncated_legacy_container(tmp_path):
    """The same for a legacy container, whose storages come last."""
    data = made_files.torch_legacy({"w": np.arange(600), "b": np.arange(3)})
    for cut in range(0, len(data), 7):
        (tmp_path / "file").write_bytes(data[:cut])
        with pytest.raises(errors.CheckpointError):
            reader.read(tmp_path / "file")
