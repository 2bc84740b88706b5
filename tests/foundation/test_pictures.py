"""Pictures: conversion, grids, captions, files."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from dglgan_tf.foundation import pictures


def test_uint8_is_nvidia_s_rule():
    values = np.array([-3, -1, -0.5, 0, 0.5, 0.99, 1, 7, np.nan], np.float32)
    # 127.5 x + 128, truncated: 1 gives 255.5 -> 255, -1 gives 0.5 -> 0
    expected = [0, 0, 64, 128, 191, 254, 255, 255, 0]
    np.testing.assert_array_equal(pictures.to_uint8(values), expected)
    same = np.arange(4, dtype=np.uint8)
    assert pictures.to_uint8(same) is same


@pytest.mark.parametrize("channels", [1, 3])
def test_grid_places_images_row_by_row(channels):
    tiles = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1) * 10 + 10
    tiles = np.broadcast_to(tiles, (5, 2, 2, channels))
    sheet = pictures.grid(tiles)
    assert sheet.shape == (4, 6, channels)
    expected = [[10, 20, 30], [40, 50, 0]]
    np.testing.assert_array_equal(sheet[::2, ::2, 0], expected)
    assert pictures.grid(tiles, columns=5).shape == (2, 10, channels)


def test_grid_refuses_what_is_no_batch_of_images():
    with pytest.raises(ValueError, match=r"\[N, H, W, 1 or 3\]"):
        pictures.grid(np.zeros((2, 4, 4, 2)))
    with pytest.raises(ValueError, match="N >= 1"):
        pictures.grid(np.zeros((0, 4, 4, 3)))


@pytest.mark.parametrize("channels,mode", [(1, "L"), (3, "RGB")])
def test_png_keeps_every_pixel(tmp_path, channels, mode):
    pixels = np.random.RandomState(0).randint(256, size=(5, 7, channels))
    pixels = pixels.astype(np.uint8)
    path = tmp_path / "new" / "image.png"
    pictures.save_png(path, pixels)
    with Image.open(path) as read:
        assert read.mode == mode
        np.testing.assert_array_equal(np.asarray(read).reshape(pixels.shape), pixels)
    assert [file.name for file in path.parent.iterdir()] == ["image.png"]


def test_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "image.png"
    path.write_bytes(b"old")

    def no_space(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", no_space)
    with pytest.raises(OSError, match="No space"):
        pictures.save_png(path, np.zeros((2, 2, 3), np.uint8))
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["image.png"]


def test_panels_show_the_same_grid_for_every_network():
    colours = {"teacher": 10, "student": 90, "control": 200}
    sets = {
        name: np.full((6, 32, 32, 1), value, np.uint8)
        for name, value in colours.items()
    }
    rows = ["trouser", "boot"]
    plain = pictures.panels(sets, columns=3)
    sheet = pictures.panels(
        sets, columns=3, row_captions=rows, column_captions=["0", "1", "2"]
    )
    assert sheet.shape[2] == 3 and sheet.dtype == np.uint8
    assert sheet.shape[0] > plain.shape[0] > 2 * 64
    assert sheet.shape[1] > plain.shape[1] > 9 * 64
    for value in colours.values():
        # 6 images, enlarged twice; the captions' grey values add a few pixels
        found = int((plain[..., 0] == value).sum())
        assert 6 * 64 * 64 <= found < 6 * 64 * 64 + 200


def test_panels_refuse_unequal_sets_and_captions():
    one, two = np.zeros((1, 4, 4, 1)), np.zeros((2, 4, 4, 1))
    with pytest.raises(ValueError, match="equally many"):
        pictures.panels({"teacher": one, "student": two})
    with pytest.raises(ValueError, match="row_captions has 1 entries"):
        pictures.panels({"teacher": two}, row_captions=["a"])


def test_png_bytes_of_floats_use_the_same_rule():
    data = pictures.png_bytes(np.zeros((2, 2, 1), np.float32))
    with Image.open(io.BytesIO(data)) as read:
        assert np.unique(np.asarray(read)) == 128
