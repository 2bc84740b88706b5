"""Zip files, whoever packed them, and those made to do harm."""

import json
import struct
import zipfile
import zlib

import numpy as np
import pytest

from dglgan_tf.data import archives, bounded, images, sources

PNG = images.encode_png(np.zeros((4, 4, 3), np.uint8))


def _zip(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return path


def _pngs(*names):
    return [(name, PNG) for name in names]


def _classes(path):
    listing = sources.find(str(path))
    return listing.class_names, listing.labels.tolist()


def test_one_top_folder_with_class_folders_is_looked_through(tmp_path):
    members = _pngs("pets/cat/0.png", "__MACOSX/pets/cat/._0.png", "pets/dog/1.png")
    path = _zip(tmp_path / "pets.zip", [("pets/", b""), *members])
    assert _classes(path) == (["cat", "dog"], [0, 1])
    reader = archives.ZipReader(path)
    assert reader.names == ["cat/0.png", "dog/1.png"]
    assert reader.notes == ["everything lies below pets/: names are relative"]


def test_one_top_folder_with_dataset_json_is_looked_through(tmp_path):
    rows = [["00000/0.png", 1], ["00000/1.png", 0]]
    table = ("a/b/dataset.json", json.dumps({"labels": rows}).encode())
    path = _zip(
        tmp_path / "x.zip", [*_pngs("a/b/00000/0.png", "a/b/00000/1.png"), table]
    )
    assert _classes(path) == (["0", "1"], [1, 0])


def test_other_top_folders_stay(tmp_path):
    one = _zip(tmp_path / "one.zip", _pngs("cat/0.png", "cat/1.png"))
    assert _classes(one) == (["cat"], [0, 0])
    table = ("dataset.json", b'{"labels": [["00000/0.png", 0], ["00000/a/1.png", 1]]}')
    ours = _zip(tmp_path / "ours.zip", [*_pngs("00000/0.png", "00000/a/1.png"), table])
    assert _classes(ours) == (["0", "1"], [0, 1])


def test_backslashes_are_folders(tmp_path):
    path = _zip(tmp_path / "x.zip", _pngs("cat\\0.png", "dog\\1.png", "dog\\.x\\2.png"))
    assert _classes(path) == (["cat", "dog"], [0, 1])
    table = ("dataset.json", b'{"labels": [["cat\\\\0.png", 1], ["dog\\\\1.png", 0]]}')
    path = _zip(tmp_path / "y.zip", [*_pngs("cat\\0.png", "dog\\1.png"), table])
    assert _classes(path) == (["0", "1"], [1, 0])


def test_utf8_names_without_the_flag_are_recognised(tmp_path):
    path = _zip(tmp_path / "x.zip", _pngs("caf\u00e9/0.png", "b/1.png"))
    content = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = -1
        while (start := content.find(mark, start + 1)) >= 0:
            content[start + place + 1] &= ~0x08 & 0xFF
    path.write_bytes(content)
    assert _classes(path)[0] == ["b", "caf\u00e9"]


def test_encrypted_zips_are_told(tmp_path):
    path = _zip(tmp_path / "x.zip", _pngs("0.png", "1.png"))
    content = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = content.find(mark)
        content[start + place] |= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="0.png is encrypted .*unpack it with its"):
        sources.find(str(path))


def test_a_member_cannot_give_more_than_it_states(tmp_path):
    path = _zip(tmp_path / "x.zip", [("0.png", bytes(1 << 20))], zipfile.ZIP_DEFLATED)
    content = path.read_bytes()
    stated = struct.pack("<I", 1 << 20)
    path.write_bytes(content.replace(stated, struct.pack("<I", 1000)))
    with pytest.raises(ValueError, match="0.png: damaged zip file .holds more or less"):
        archives.ZipReader(path).read(0)


def test_members_that_inflate_without_bound_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "most_bytes", lambda: 1 << 16)
    path = _zip(tmp_path / "x.zip", [("0.png", bytes(1 << 17))], zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match="0.png: holds 0 MB where at most 0 MB"):
        archives.ZipReader(path).read(0)
    monkeypatch.setattr(images, "most_bytes", lambda: 1 << 20)
    monkeypatch.setattr(archives, "_SUSPECT", 1 << 16)
    with pytest.raises(ValueError, match="more than 100 times its size, as no photo"):
        archives.ZipReader(path).read(0)
    monkeypatch.setattr(bounded, "TEXT_BYTES", 1 << 10)
    table = ("dataset.json", b" " * (1 << 14))
    path = _zip(tmp_path / "y.zip", [("0.png", PNG), table], zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match="dataset.json: holds"):
        sources.find(str(path))


@pytest.mark.parametrize("field", ["size", "offset"])
def test_false_directories_are_damage(tmp_path, field):
    path = _zip(tmp_path / "x.zip", _pngs("0.png"))
    content = bytearray(path.read_bytes())
    entry = content.find(b"PK\x01\x02")
    place = {"size": 20, "offset": 42}[field]
    content[entry + place : entry + place + 4] = struct.pack("<I", 0xFFFFFF0)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="zip file"):
        archives.ZipReader(path).read(0)


def test_inflate_allocates_what_was_promised():
    packed = zlib.compress(bytes(1000), wbits=-15)
    assert bounded.inflate(packed, 1000) == bytes(1000)
    for size in (999, 1001, 0):
        with pytest.raises(ValueError, match=f"than the {size} bytes"):
            bounded.inflate(packed, size)


def test_double_names_are_said(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = _zip(tmp_path / "x.zip", _pngs("0.png", "0.png", "1.png"))
    reader = archives.ZipReader(path)
    assert reader.names == ["0.png", "1.png"]
    assert reader.notes == ["1 names are there twice, the last one is read: 0.png"]


def test_bytes_that_are_no_zip(tmp_path):
    random = np.random.RandomState(0)
    good = _zip(tmp_path / "x.zip", _pngs("a/0.png", "b/1.png")).read_bytes()
    for k in range(60):
        content = bytearray(good)
        for place in random.randint(0, len(content), 4):
            content[place] = random.randint(256)
        path = tmp_path / f"{k}.zip"
        path.write_bytes(content)
        try:
            reader = archives.ZipReader(path)
            for index in range(len(reader.names)):
                reader.read(index)
        except ValueError as error:
            assert str(path) in str(error)
