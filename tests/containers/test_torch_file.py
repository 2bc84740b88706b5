"""Torch files are read as arrays; nothing in them runs."""

import io
import pickle
import struct
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

from dglgan_tf.containers import torch_file

VALUES = np.arange(12, dtype=np.float32)


class Global:
    """Pickles as a bare reference to module.name."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Call:
    """Pickles as a call of a global with arguments."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments


class Storage:
    def __init__(self, kind, key, count):
        self.pid = ("storage", Global("torch", kind), key, "cpu", count)


class Pickler(pickle._Pickler):
    """Writes the pickles that torch.save writes, without torch."""

    def persistent_id(self, value):
        return value.pid if isinstance(value, Storage) else None

    def save(self, value, save_persistent_id=True):
        if isinstance(value, Global):
            self.write(f"c{value.module}\n{value.name}\n".encode())
        elif isinstance(value, Call):
            self.save(value.function)
            self.save(value.arguments)
            self.write(pickle.REDUCE)
        else:
            super().save(value, save_persistent_id)


def pickled(value):
    buffer = io.BytesIO()
    Pickler(buffer, protocol=2).dump(value)
    return buffer.getvalue()


def tensor(
    kind="FloatStorage", key="0", count=12, offset=0, size=(3, 4), stride=(4, 1)
):
    function = Global("torch._utils", "_rebuild_tensor_v2")
    return Call(function, Storage(kind, key, count), offset, size, stride, False, {})


def write_zip(path, value, storages, extra=()):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", pickled(value))
        for key, data in storages.items():
            archive.writestr(f"net/data/{key}", data)
        for name in extra:
            archive.writestr(name, b"x")


def write_single(path, value, storages):
    with open(path, "wb") as file:
        for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
            file.write(pickle.dumps(part, protocol=2))
        file.write(pickled(value))
        file.write(pickle.dumps(list(storages), protocol=2))
        for data in storages.values():
            file.write(struct.pack("<q", len(data) // 4) + data)


@pytest.mark.parametrize("write", (write_zip, write_single))
def test_both_containers_give_the_arrays(tmp_path, write):
    state = OrderedDict(
        whole=tensor(),
        turned=tensor(size=(4, 3), stride=(1, 4)),
        part=tensor(offset=5, size=(2,), stride=(3,)),
        scalar=tensor(offset=7, size=(), stride=()),
    )
    value = {"state": state, "step": 12, "sizes": (1, [2.5, "x"])}
    write(tmp_path / "f.pth", value, {"0": VALUES.tobytes()})
    found = torch_file.read(tmp_path / "f.pth")
    table = VALUES.reshape(3, 4)
    np.testing.assert_array_equal(found["state"]["whole"], table)
    np.testing.assert_array_equal(found["state"]["turned"], table.T)
    np.testing.assert_array_equal(found["state"]["part"], [5, 8])
    assert found["state"]["scalar"] == 7
    assert found["step"] == 12 and found["sizes"] == (1, [2.5, "x"])


def test_half_and_long_storages_keep_their_type(tmp_path):
    half, long = VALUES.astype("<f2"), VALUES.astype("<i8")
    value = {"h": tensor("HalfStorage", "0"), "l": tensor("LongStorage", "1")}
    write_zip(tmp_path / "f.pt", value, {"0": half.tobytes(), "1": long.tobytes()})
    found = torch_file.read(tmp_path / "f.pt")
    assert found["h"].dtype == np.float16 and found["l"].dtype == np.int64
    np.testing.assert_array_equal(found["l"].ravel(), long)


@pytest.mark.parametrize("write", (write_zip, write_single))
def test_a_file_that_wants_to_run_code_is_refused(tmp_path, write):
    marker = tmp_path / "it_ran"
    value = {"x": Call(Global("os", "mkdir"), str(marker))}
    write(tmp_path / "f.pth", value, {})
    with pytest.raises(ValueError, match=r"asks for os\.mkdir"):
        torch_file.read(tmp_path / "f.pth")
    assert not marker.exists()


def test_known_classes_become_inert(tmp_path):
    value = {"args": Call(Global("argparse", "Namespace"))}
    write_zip(tmp_path / "f.pt", value, {})
    with pytest.raises(ValueError, match="argparse.Namespace"):
        torch_file.read(tmp_path / "f.pt")
    found = torch_file.read(tmp_path / "f.pt", frozenset({("argparse", "Namespace")}))
    assert isinstance(found["args"], torch_file.Inert)


@pytest.mark.parametrize(
    ("value", "storages"),
    (
        ({"w": tensor(size=(3, 5), stride=(5, 1))}, {"0": VALUES.tobytes()}),
        ({"w": tensor(offset=-1)}, {"0": VALUES.tobytes()}),
        ({"w": tensor(size=(2**40,), stride=(1,))}, {"0": VALUES.tobytes()}),
        ({"w": tensor()}, {"0": VALUES.tobytes()[:-4]}),
        ({"w": tensor()}, {}),
    ),
    ids=("too far", "negative offset", "huge", "cut storage", "no storage"),
)
@pytest.mark.parametrize("write", (write_zip, write_single))
def test_broken_tensors_are_refused(tmp_path, value, storages, write):
    write(tmp_path / "f.pth", value, storages)
    with pytest.raises(ValueError, match="f.pth"):
        torch_file.read(tmp_path / "f.pth")


def test_other_files_are_named(tmp_path):
    with pytest.raises(ValueError, match="no file at"):
        torch_file.read(tmp_path / "missing.pth")
    (tmp_path / "text.pth").write_text("hello")
    with pytest.raises(ValueError, match="text.pth is not a readable torch file"):
        torch_file.read(tmp_path / "text.pth")
    write_zip(tmp_path / "script.pt", {}, {}, extra=["net/code/model.py"])
    with pytest.raises(ValueError, match="TorchScript"):
        torch_file.read(tmp_path / "script.pt")
    write_single(tmp_path / "cut.pth", {"w": tensor()}, {"0": VALUES.tobytes()})
    data = (tmp_path / "cut.pth").read_bytes()
    for length in (1, 20, 60, len(data) - 50, len(data) - 1):
        (tmp_path / "cut.pth").write_bytes(data[:length])
        with pytest.raises(ValueError, match="cut.pth"):
            torch_file.read(tmp_path / "cut.pth")
