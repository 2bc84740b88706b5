"""Conversion from any format to any format."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import commands

from dglgan_tf.data import (
    images,
    manifests,
    pipeline,
    plan,
    prepare,
    sources,
    stored,
    writers,
)

COUNT = 500
SIZE = plan.Settings(height=16, width=16, transform="center-crop", resize_filter="box")


def _need(form):
    if form == "lmdb":
        pytest.importorskip("lmdb")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory, write_mixed):
    """500 mixed images, two of them corrupt, and the pixels they must become."""
    folder = tmp_path_factory.mktemp("mixed")
    sizes = ((16, 16), (20, 31), (33, 17), (16, 19))
    expected = write_mixed(folder, COUNT, sizes)
    names = list(expected)
    path = folder / names[5]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (folder / names[100]).write_bytes(b"not an image")
    for bad in (5, 100):
        del expected[names[bad]]
    wanted = [
        (images.fit(pixels, 16, 16, "center-crop", "box"), label)
        for pixels, label in expected.values()
    ]
    return folder, wanted, [names[5], names[100]]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, mixed):
    """Returns f(form) -> (path, manifest) of the mixed images in that format."""
    done = {}
    place = tmp_path_factory.mktemp("prepared")

    def convert(form):
        if form not in done:
            path = place / (form + writers.SUFFIXES.get(form, ""))
            found = sources.find(str(mixed[0]))
            manifest = prepare.prepare(
                found, path, form, SIZE, chunk_images=130, shard_images=128
            )
            done[form] = path, manifest
        return done[form]

    return convert


def _pairs(source):
    return {(image.tobytes(), label) for image, label in source}


@pytest.mark.parametrize(
    "form", ["folder", "zip", "tfrecord", "nvidia", "hdf5", "lmdb"]
)
def test_round_trip_of_mixed_images(prepared, mixed, form):
    _need(form)
    path, manifest = prepared(form)
    _, wanted, bad = mixed
    assert [name for name, _ in manifest["left_out"]] == bad
    source = sources.open_source(str(path))
    assert source.num_examples == len(wanted) == COUNT - 2
    assert (source.resolution, source.num_channels) == (16, 3)
    if form not in ("nvidia", "hdf5"):
        assert source.class_names == ["ant", "bee", "cat"]
    if form != "hdf5" and form != "lmdb":
        for (image, label), (pixels, number) in zip(source, wanted, strict=True):
            np.testing.assert_array_equal(image, pixels)
            assert label == number
    expected = {(pixels.tobytes(), label) for pixels, label in wanted}
    assert _pairs(source) == expected
    dataset = pipeline.make_dataset(source, 83, repeat=False, num_classes=3)
    got = set()
    for batch in dataset:
        pixels = np.round((batch["images"].numpy() + 1) * 127.5).astype(np.uint8)
        got |= {
            (image.tobytes(), int(label))
            for image, label in zip(pixels, batch["labels"], strict=True)
        }
    assert got == expected


@pytest.mark.parametrize(
    ("first", "second"),
    [("zip", "tfrecord"), ("nvidia", "folder"), ("hdf5", "zip"), ("tfrecord", "hdf5")],
)
def test_any_to_any_keeps_pixels_and_classes(tmp_path, prepared, mixed, first, second):
    path, manifest = prepared(first)
    out = tmp_path / ("out" + writers.SUFFIXES.get(second, ""))
    again = prepare.prepare(sources.find(str(path)), out, second, strict=True)
    assert again["num_examples"] == manifest["num_examples"]
    assert _pairs(sources.open_source(str(out))) == {
        (pixels.tobytes(), label) for pixels, label in mixed[1]
    }
    if again["class_names"] == manifest["class_names"]:
        assert again["fingerprint"] == manifest["fingerprint"]


def test_manifest_lists_what_was_converted(prepared):
    path, manifest = prepared("folder")
    assert json.loads((path / "manifest.json").read_text()) == manifest
    assert writers.stored_manifest(path) == manifest
    assert writers.stored_manifest(prepared("zip")[0])["source"] == manifest["source"]
    converted = manifest["converted"]
    assert sum(manifest["class_histogram"]) == COUNT - 2
    assert {"PNG RGBA", "PNG I;16", "PNG P", "TIFF CMYK", "JPEG RGB rotated"} <= set(
        converted
    )
    assert converted["PNG I;16"]["count"] == len(range(6, COUNT, 13))
    assert len(converted["PNG I;16"]["examples"]) == 5
    assert manifest["settings"]["resize_filter"] == "box"


def test_strict_names_offenders_and_writes_nothing(tmp_path, mixed):
    found = sources.find(str(mixed[0]))
    with pytest.raises(ValueError, match=f"strict: .*{mixed[2][0]} cannot be read"):
        prepare.prepare(found, tmp_path / "out", "zip", SIZE, strict=True)
    assert list(tmp_path.iterdir()) == []


class _Stop(Exception):
    pass


def test_an_interrupted_conversion_goes_on(tmp_path, mixed, monkeypatch):
    folder, wanted, _ = mixed

    def stop_after_two(iterable, total, text):
        if text == "converting":
            iterable = itertools.islice(iterable, 2)
        yield from iterable
        if text == "converting":
            raise _Stop

    out = tmp_path / "out.zip"
    arguments = {"form": "zip", "settings": SIZE, "chunk_images": 100}
    with pytest.raises(_Stop):
        prepare.prepare(
            sources.find(str(folder)), out, progress=stop_after_two, **arguments
        )
    assert not out.exists()
    other = {**arguments, "settings": plan.Settings(height=8, width=8)}
    with pytest.raises(ValueError, match="is of another conversion"):
        prepare.prepare(sources.find(str(folder)), out, **other)
    loaded = []
    load = plan.Items.load
    monkeypatch.setattr(
        plan.Items,
        "load",
        lambda self, index, *rest: (loaded.append(index), load(self, index, *rest))[1],
    )
    manifest = prepare.prepare(sources.find(str(folder)), out, **arguments)
    assert min(loaded) == 200 and len(manifest["left_out"]) == 2
    assert _pairs(sources.open_source(str(out))) == {
        (pixels.tobytes(), label) for pixels, label in wanted
    }
    assert [path.name for path in tmp_path.iterdir()] == ["out.zip"]


def test_embedded_to_idx_and_back(tmp_path):
    found = sources.subset(sources.embedded(), 60)
    prepare.prepare(found, tmp_path / "idx", "idx", plan.Settings(max_images=50))
    source = sources.open_source(str(tmp_path / "idx"))
    assert source.num_examples == 50 and source.num_channels == 1
    np.testing.assert_array_equal(source.images(range(50)), found.images(range(50)))
    np.testing.assert_array_equal(source.labels, found.labels[:50])


def test_nvidia_levels_are_means_of_two_by_two(prepared, mixed):
    path, _ = prepared("nvidia")
    names = sorted(file.name for file in path.glob("*.tfrecords"))
    assert names == [f"images-r{level:02d}.tfrecords" for level in (2, 3, 4)]
    low = stored.nvidia_tfrecords(str(path), resolution=4)
    pixels = mixed[1][0][0].astype(np.float64)
    means = pixels.reshape(4, 4, 4, 4, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(low.images([0])[0], means, atol=0.51)
    with pytest.raises(ValueError, match="resolution=64 is not among .* 4, 8, 16"):
        stored.nvidia_tfrecords(str(path), resolution=64)


def _gradient(height, width):
    rows = np.arange(height)[:, None] * 3
    columns = np.arange(width)[None] * 2
    return np.stack(np.broadcast_arrays(rows, columns, rows + columns), 2).astype(
        np.uint8
    )


@pytest.mark.parametrize("resize_filter", ["box", "lanczos"])
def test_transforms(resize_filter):
    image = _gradient(24, 40)
    method = {"box": Image.BOX, "lanczos": Image.LANCZOS}[resize_filter]

    def resized(crop, width, height):
        return np.asarray(Image.fromarray(crop).resize((width, height), method))

    def fit(transform, height, width):
        return images.fit(image, height, width, transform, resize_filter, 9)

    np.testing.assert_array_equal(
        fit("center-crop", 16, 16), resized(image[:, 8:32], 16, 16)
    )
    np.testing.assert_array_equal(fit("stretch", 16, 16), resized(image, 16, 16))
    wide = fit("center-crop-wide", 16, 32)
    assert wide.shape == (32, 32, 3) and not wide[:8].any() and not wide[24:].any()
    np.testing.assert_array_equal(wide[8:24], resized(image[2:22], 32, 16))
    assert fit("center-crop-wide", 8, 64) is None
    padded = fit("pad", 64, 64)
    np.testing.assert_array_equal(padded[20:44, 12:52], image)
    assert (padded[:20] == 9).all() and (padded[:, 52:] == 9).all()
    shrunk = fit("pad", 20, 20)
    np.testing.assert_array_equal(shrunk[4:16], resized(image, 20, 12))
    assert fit("none", 1, 1) is image


def test_box_halving_is_a_mean():
    image = _gradient(8, 8)
    means = image.reshape(4, 2, 4, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(images.resize(image, 4, 4, "box"), means, atol=0.51)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "images would be 20x30, .* center-crop and 16"),
        ({"transform": "center-crop"}, "needs a resolution; 16 would suit"),
        ({"transform": "crop"}, "transform='crop' must be one of"),
        ({"height": 24, "width": 24}, "images would be 24x24"),
        (
            {"height": 16, "width": 16, "resize_filter": "cubic"},
            "resize_filter='cubic'",
        ),
    ],
)
def test_wrong_settings(tmp_path, settings, message):
    (tmp_path / "a.png").write_bytes(images.encode_png(_gradient(20, 30)))
    with pytest.raises(ValueError, match=message):
        prepare.prepare(
            sources.find(str(tmp_path)),
            tmp_path / "o",
            settings=plan.Settings(**settings),
        )


def test_other_sizes_are_left_out_and_listed(tmp_path):
    for k, size in enumerate([8, 8, 16, 8]):
        (tmp_path / f"{k}.png").write_bytes(images.encode_png(_gradient(size, size)))
    out = tmp_path / "out"
    manifest = prepare.prepare(sources.find(str(tmp_path)), out)
    assert manifest["left_out"] == [["2.png", "is 16x16, not 8x8"]]
    assert sources.open_source(str(out)).num_examples == 3
    with pytest.raises(ValueError, match="exists already"):
        prepare.prepare(sources.find(str(out)), out)


def test_a_manifest_no_longer_true_is_not_trusted(tmp_path):
    for k in range(3):
        (tmp_path / f"{k}.png").write_bytes(images.encode_png(_gradient(8, 8)))
    out = tmp_path / "out"
    prepare.prepare(sources.find(str(tmp_path)), out)
    assert sources.open_source(str(out)).resolution == 8
    Path(out, "extra.png").write_bytes(images.encode_png(_gradient(16, 16)))
    (out / "dataset.json").unlink()
    with pytest.raises(ValueError, match="differ in size"):
        sources.open_source(str(out))


def test_the_command_offers_what_there_is():
    """It lists the choices itself: --help imports neither numpy nor TensorFlow."""
    module = commands.Command("dglgan_tf/prepare.py").module
    assert module.FORMATS == list(writers.FORMATS)
    assert module.TRANSFORMS == list(images.TRANSFORMS)
    assert module.RESIZE_FILTERS == list(images.RESIZE_FILTERS)


@pytest.mark.parametrize(
    ("key", "value"),
    [("height", -1), ("num_channels", 4), ("class_names", "ab"), ("format", "x")],
)
def test_manifests_that_state_nonsense_are_not_taken(tmp_path, key, value):
    good = prepare.prepare(sources.synthetic(3, 8), tmp_path / "out")
    assert manifests.is_manifest(good) and writers.stored_manifest(tmp_path / "out")
    assert not manifests.is_manifest({**good, key: value})
    (tmp_path / "out/manifest.json").write_text(json.dumps({**good, key: value}))
    assert writers.stored_manifest(tmp_path / "out") is None
