"""JSON and NumPy's archives of anybody: read, or refused in one sentence."""

import io
import json
import os
import random
import zipfile

import numpy as np
import pytest

from dglgan_tf.foundation import json_files, npz_files


def test_json_is_read_with_and_without_a_mark(tmp_path):
    for text in (b'{"a": 1}', b'\xef\xbb\xbf{"a": 1}'):
        (tmp_path / "x.json").write_bytes(text)
        assert json_files.read(tmp_path / "x.json") == {"a": 1}


@pytest.mark.parametrize(
    "text, words",
    [
        (b"[" * 200_000, "nested too deeply|is not JSON"),
        (b'{"a":' * 50_000, "nested too deeply|is not JSON"),
        (b"[1]", "an object is needed"),
        (b"null", "an object is needed"),
        (b"", "is not JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is not JSON"),
        (b"\xff\xfe{", "is not JSON"),
    ],
)
def test_other_json_is_refused(tmp_path, text, words):
    (tmp_path / "x.json").write_bytes(text)
    with pytest.raises(ValueError, match=words) as caught:
        json_files.read(tmp_path / "x.json")
    assert "x.json" in str(caught.value) and len(str(caught.value)) < 400


def test_what_is_no_file_or_too_large_is_not_read(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ValueError, match="is not a file"):
        json_files.read(tmp_path / "fifo")
    monkeypatch.setattr(json_files, "LARGEST", 10)
    (tmp_path / "x.json").write_text(json.dumps(list(range(20))))
    with pytest.raises(ValueError, match="too large to be JSON"):
        json_files.read(tmp_path / "x.json")


def test_two_hundred_damaged_texts(tmp_path):
    rng, path = random.Random(5), tmp_path / "x.json"
    whole = json.dumps({"a": [1, 2.5, None, {"b": "text"}], "c": {"d": True}}).encode()
    read = 0
    for _ in range(200):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 2, 5))):
            at = rng.randrange(len(data))
            data[at : at + rng.randrange(3)] = rng.randbytes(rng.randrange(3))
        path.write_bytes(data)
        try:
            assert isinstance(json_files.read(path), dict)
            read += 1
        except ValueError as error:
            assert "\n" not in str(error)
    assert 0 < read < 100


def archive(path, shape, dtype="<f4", content=b"", compress=zipfile.ZIP_STORED):
    """Writes an archive whose header says what it likes."""
    stream = io.BytesIO()
    head = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, head)
    with zipfile.ZipFile(path, "w", compress) as file:
        file.writestr("mu.npy", stream.getvalue() + content)
    return path


def test_archives_are_believed_when_their_bytes_are_there(tmp_path):
    path = tmp_path / "x.npz"
    for save in (np.savez, np.savez_compressed):
        save(path, a=np.ones([3, 4]), b=np.zeros([0, 7]), c=np.float32(1), d="text")
        npz_files.check(path)
    npz_files.check(archive(path, (2, 2), content=bytes(16)))


@pytest.mark.parametrize(
    "shape, dtype, content, words",
    [
        ((10**12,), "<f8", bytes(64), "is said to have the shape"),
        ((2**40, 2**40), "<f8", bytes(64), "is said to have the shape"),
        ((2, 2), "<f4", bytes(15), "its bytes are not so many"),
        ((2,), "|O", bytes(16), "pickled objects"),
    ],
)
def test_false_shapes_are_refused(tmp_path, shape, dtype, content, words):
    with pytest.raises(ValueError, match=words):
        npz_files.check(archive(tmp_path / "x.npz", shape, dtype, content))


def test_what_inflates_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(npz_files, "_FREE_BYTES", 2**20)
    path = archive(
        tmp_path / "x.npz", (2**20,), "<f4", bytes(2**22), zipfile.ZIP_DEFLATED
    )
    with pytest.raises(ValueError, match="it inflates to 4,194,432 bytes"):
        npz_files.check(path)
    (tmp_path / "x.npz").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(ValueError, match="is not an .npz file"):
        npz_files.check(tmp_path / "x.npz")
