"""Folders as disks hold them: links, foreign folders, odd names, other files."""

import json
import os
import sys
import types

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from dglgan_tf.data import base, images, readers, sources, stored, trees

PNG = images.encode_png(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))


def _fill(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PNG)
    return folder


def _pets(folder):
    return _fill(folder, *(f"{'cd'[k % 2]}at/{k}.png" for k in range(6)))


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("cat/again", "."),
        ("dat/up", ".."),
        ("dat/higher", "../.."),
        ("dat/absolute", "/"),
        ("aaa", "cat"),
        ("cat/deep/er/loop", "../../.."),
    ],
)
def test_a_folder_is_visited_once_however_many_links_lead_to_it(tmp_path, link, target):
    folder = _pets(tmp_path / "in")
    (folder / link).parent.mkdir(parents=True, exist_ok=True)
    (folder / link).symlink_to(target)
    listing = sources.find(str(folder))
    assert listing.reader.names == [
        f"{'cd'[k % 2]}at/{k}.png" for k in (0, 2, 4, 1, 3, 5)
    ]
    assert np.bincount(listing.labels).tolist() == [3, 3]
    assert any(
        note == f"1 links to folders that are read already are not followed: {link}"
        for note in listing.reader.notes
    )


def test_links_to_folders_and_files_elsewhere_are_read(tmp_path):
    _fill(tmp_path / "store", "a/0.png", "1.png")
    folder = _fill(tmp_path / "in", "cat/0.png")
    (folder / "dog").symlink_to(tmp_path / "store" / "a")
    (folder / "cat/1.png").symlink_to(tmp_path / "store/1.png")
    reader = readers.FolderReader(folder)
    assert reader.names == ["cat/0.png", "cat/1.png", "dog/0.png"]
    assert reader.notes == [] and reader.read(1) == PNG
    linked = tmp_path / "linked"
    linked.symlink_to(folder)
    assert readers.FolderReader(linked).names == reader.names


def test_pipes_and_links_to_nothing_or_devices_are_left_out_and_said(tmp_path):
    folder = _fill(tmp_path / "in", "0.png")
    (folder / "9.png").symlink_to("/nowhere/x.png")
    (folder / "zero.png").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.png")
    reader = readers.FolderReader(folder)
    assert reader.names == ["0.png"]
    assert reader.notes == [
        "2 are named as images, but are pipes or devices: pipe.png, zero.png",
        "1 links lead to nothing: 9.png",
    ] or sorted(reader.notes) == [
        "1 links lead to nothing: 9.png",
        "2 are named as images, but are pipes or devices: pipe.png, zero.png",
    ]


def test_what_programs_put_beside_images_is_left_alone(tmp_path):
    folder = _fill(
        tmp_path / "in",
        "cat/0.jpg",
        "cat/@eaDir/0.jpg/SYNOPHOTO_THUMB_M.jpg",
        "dog/.AppleDouble/1.jpg",
        "dog/._1.jpg",
        "dog/1.jpg",
        "__MACOSX/dog/1.jpg",
        "#recycle/2.jpg",
        "$RECYCLE.BIN/3.png",
        ".@__thumb/4.png",
        "System Volume Information/5.png",
        "lost+found/6.png",
    )
    for name in ("Thumbs.db", "dog/desktop.ini", ".DS_Store"):
        (folder / name).write_bytes(b"x")
    listing = sources.find(str(folder))
    assert listing.reader.names == ["cat/0.jpg", "dog/1.jpg"]
    assert listing.class_names == ["cat", "dog"] and listing.reader.notes == []


def test_files_that_are_not_read_are_counted_by_ending(tmp_path):
    folder = _fill(tmp_path / "in", "a/0.png", "a/IMG.JPG2")
    for name in ("1.HEIX", "2.heix", "a/3.jp2", "noending", "a/0.txt", "README"):
        (folder / name).write_bytes(PNG)
    assert readers.FolderReader(folder).notes == [
        "5 files are not read: 2 .heix, 1 without ending, 1 .jp2, 1 .jpg2"
    ]
    (folder / "b").mkdir()
    (folder / "b/only.jp2").write_bytes(PNG)
    with pytest.raises(ValueError, match=r"no images; .*1 files are not read: 1 .jp2"):
        readers.FolderReader(folder / "b")


def test_heic_is_counted_with_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "suffixes", lambda: frozenset((".png",)))
    folder = _fill(tmp_path / "in", "0.png", *(f"{k}.HEIC" for k in range(5)), "a.avif")
    (note,) = readers.FolderReader(folder).notes
    assert note == (
        "6 files are not read: 5 .heic, 1 .avif (with pip install pillow-avif-plugin "
        "pillow-heif they are)"
    )


@pytest.mark.skipif(".avif" not in images.suffixes(), reason="Pillow without AVIF")
def test_avif_is_read_where_pillow_reads_it(tmp_path):
    Image.new("RGB", (8, 8), (200, 10, 10)).save(tmp_path / "a.avif", quality=100)
    found = stored.images(str(tmp_path))
    assert np.abs(found.images([0]).astype(int) - [200, 10, 10]).max() < 8


def test_empty_class_folders_are_said(tmp_path):
    folder = _pets(tmp_path / "in")
    (folder / "bird/deep").mkdir(parents=True)
    assert readers.FolderReader(folder).notes == [
        "1 folders hold no image, so they are no classes: bird"
    ]


def test_names_that_are_no_utf8_are_read(tmp_path):
    folder = tmp_path / "sjis"
    folder.mkdir()
    for k in range(3):
        name = os.fsencode(folder) + b"/" + b"\x94L" + str(k).encode()
        with open(name + b".png", "wb") as file:
            file.write(PNG)
    found = stored.images(str(folder))
    assert found.names == [f"\\x94L{k}.png" for k in range(3)]
    assert len(found.fingerprint()) == 16
    fetched = found.fetch(base.tf.constant([0, 2], base.tf.int64)).numpy()
    np.testing.assert_array_equal(fetched, found.images([0, 2]))


def test_class_names_of_any_characters(tmp_path):
    names = ["a,b", "it's", "k=v", "[x] *", "new\nline", "back\\nslash", "e\u0301"]
    for name in names:
        _fill(tmp_path / "in", f"{name}/0.png")
    listing = sources.find(str(tmp_path / "in"))
    assert listing.class_names == sorted([*names[:-1], "\xe9"])
    assert trees.composed("e\u0301") == "\xe9"


def test_dataset_json_one_folder_down_is_said(tmp_path):
    folder = _fill(tmp_path / "in", "pets/0.png", "pets/1.png")
    (folder / "pets/dataset.json").write_text(json.dumps({"labels": None}))
    assert readers.FolderReader(folder).notes == [
        "pets/dataset.json is not used: name the folder pets itself as the data"
    ]


def test_plugins_of_pillow_are_used_where_they_are(tmp_path, monkeypatch):
    """A stand-in for pillow_heif: files named .heic whose content is PNG."""
    plugin = types.ModuleType("pillow_heif")

    def register():
        Image.register_open("HEIFTEST", PngImagePlugin.PngImageFile, lambda _: False)
        Image.register_extension("HEIFTEST", ".heic")

    plugin.register_heif_opener = register
    broken = types.ModuleType("pillow_avif")
    broken.register_heif_opener = lambda: 1 / 0
    for name, module in (("pillow_heif", plugin), ("pillow_avif", broken)):
        monkeypatch.setitem(sys.modules, name, module)
    for registry in ("OPEN", "EXTENSION"):
        monkeypatch.setattr(Image, registry, dict(getattr(Image, registry)))
    monkeypatch.setattr(Image, "ID", list(Image.ID))
    images.suffixes.cache_clear()
    try:
        folder = _fill(tmp_path / "in", "a.HEIC")
        assert ".heic" in images.suffixes()
        np.testing.assert_array_equal(
            stored.images(str(folder)).images([0]), images.decode(PNG)[None]
        )
    finally:
        monkeypatch.undo()
        images.suffixes.cache_clear()
    assert images.suffixes() == images.suffixes()


@pytest.mark.skipif(".avif" not in images.suffixes(), reason="Pillow without AVIF")
def test_avif_is_turned_upright(tmp_path):
    pixels = np.zeros((16, 24, 3), np.uint8)
    pixels[:8] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it turned clockwise
    Image.fromarray(pixels).save(tmp_path / "a.avif", quality=100, exif=exif)
    header = images.inspect(tmp_path / "a.avif")
    assert (header.height, header.width) == (24, 16)
    upright = np.rot90(pixels, -1).astype(int)
    assert np.abs(images.decode(tmp_path / "a.avif") - upright).mean() < 4
