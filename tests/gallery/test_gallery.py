"""Pictures and animations on the disk, of one network and of two."""

import sys

import numpy as np
import pytest
from PIL import Image

from dglgan_tf.data import sources
from dglgan_tf.gallery import animation, gallery


@pytest.mark.parametrize("suffix", [".webp", ".png", ".gif"])
def test_animations_come_back(tmp_path, suffix):
    frames = np.random.RandomState(0).randint(0, 256, (5, 8, 8, 1)).astype(np.uint8)
    path = animation.save(tmp_path / f"a{suffix}", frames, 10)
    with Image.open(path) as image:
        assert image.n_frames == 5
        assert image.info["loop"] == 0
        for index, frame in enumerate(frames):
            image.seek(index)
            image.load()
            assert image.info["duration"] == 100
            found = np.asarray(image.convert("RGB"))
            np.testing.assert_array_equal(found, np.repeat(frame, 3, -1))


def test_a_video_has_its_frames_in_order_and_its_speed(tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    colours = np.array([[250, 10, 10], [10, 250, 10], [10, 10, 250], [128, 128, 128]])
    frames = np.broadcast_to(colours[:, None, None], [4, 33, 50, 3]).astype(np.uint8)
    path = animation.save(tmp_path / "a.mp4", frames, 8)
    found = ffmpeg.read_frames(str(path))
    facts = next(found)
    assert facts["codec"] == "h264" and facts["pix_fmt"].startswith("yuv420p")
    assert facts["size"] == (50, 34)  # an odd side is made even
    assert (facts["fps"], facts["duration"]) == (8, 0.5)
    shown = [np.frombuffer(frame, np.uint8).reshape(34, 50, 3) for frame in found]
    assert len(shown) == 4
    for frame, colour in zip(shown, colours, strict=True):
        assert np.abs(frame.astype(int) - colour).max() <= 12


def test_a_video_without_its_package_is_refused_before_anything_is_drawn(monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    wanted = gallery.Wanted(animation="mp4")
    with pytest.raises(ValueError, match="imageio-ffmpeg.*pip install .*video"):
        gallery.check(wanted, ["walk"])


def test_impossible_animations_are_named(tmp_path):
    frames = np.zeros([2, 8, 8, 1], np.uint8)
    with pytest.raises(ValueError, match="must end in one of .webp, .gif, .png, .mp4"):
        animation.save(tmp_path / "a.avi", frames)
    with pytest.raises(ValueError, match="0 frames"):
        animation.save(tmp_path / "a.gif", frames[:0])


def test_two_networks_side_by_side(stored, tmp_path):
    path = str(stored["biggan"])
    wanted = gallery.Wanted(seeds=(0, 1), steps=2, classes="boot,coat")
    shown = gallery.Gallery({"teacher": path, "student": path}, wanted)
    picture, moving = shown.draw("walk", tmp_path)
    assert (picture.name, moving.name) == ("walk.png", "walk_moving.webp")
    with Image.open(moving) as image:
        assert image.n_frames == 4  # two classes, two steps each
    with Image.open(picture) as image:
        pixels = np.asarray(image)
    assert pixels.shape[1] > 2 * 4 * 64
    (sheet,) = shown.draw("classes", tmp_path)
    assert sheet.is_file()
    picture, moving = shown.draw("interpolation", tmp_path)
    with Image.open(moving) as image:
        assert image.n_frames == 4


def test_neighbours_of_a_network_among_real_images(stored, tmp_path, monkeypatch):
    held = sources.base.ArraySource(
        np.random.RandomState(0).randint(0, 256, (20, 32, 32, 1)).astype(np.uint8),
        np.zeros([20], np.int64),
        ("all",),
        "noise",
    )
    monkeypatch.setattr(sources, "open_source", lambda name: held)
    wanted = gallery.Wanted(seeds=(0, 1), data="noise", features="pixels", count=2)
    shown = gallery.Gallery({"net": str(stored["biggan"])}, wanted)
    (path,) = shown.draw("neighbours", tmp_path)
    assert path.name == "neighbours.png"


def test_projection_of_an_image_file(stored, tmp_path):
    Image.new("RGB", (40, 20), "grey").save(tmp_path / "grey.png")
    wanted = gallery.Wanted(images=(str(tmp_path / "grey.png"),), search_steps=2)
    shown = gallery.Gallery({"net": str(stored["stylegan2"])}, wanted)
    picture, numbers = shown.draw("projection", tmp_path)
    with np.load(numbers) as found:
        assert found["codes"].shape == (1, 6, 12) and found["losses"].shape == (3, 1)
    assert picture.is_file()


def test_what_is_missing_is_said_before_anything_is_loaded():
    for show, wanted, message in (
        ("neighbours", gallery.Wanted(), "give --data"),
        ("projection", gallery.Wanted(), "give --image"),
        ("interpolation", gallery.Wanted(seeds=(1,)), "two --seeds"),
    ):
        with pytest.raises(ValueError, match=message):
            gallery.check(wanted, [show])
