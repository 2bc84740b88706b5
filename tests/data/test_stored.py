"""Folders and zip files of images: pixels, labels, errors."""

import itertools
import json
import struct
import zipfile
import zlib

import gin
import numpy as np
import pytest
from PIL import Image

from dglgan_tf.data import (
    archives,
    base,
    encoded,
    images,
    pipeline,
    readers,
    sources,
    stored,
)

KINDS = [
    "png_rgb",
    "png_grey",
    "rgba",
    "grey_alpha",
    "palette",
    "transparent_palette",
    "sixteen_bit",
    "one_bit",
    "cmyk",
    "jpeg",
    "rotated_jpeg",
    "bmp",
    "webp",
]


def _zip(folder, path, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder).as_posix())
    return path


def _write_png(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(images.encode_png(pixels))


def _plain_folder(folder, count=10, side=8, channels=3, classes=2):
    random = np.random.RandomState(0)
    pixels = random.randint(0, 256, (count, side, side, channels), np.uint8)
    for k in range(count):
        _write_png(folder / f"class{k % classes}" / f"{k:03d}.png", pixels[k])
    order = np.argsort(np.arange(count) % classes, kind="stable")
    return pixels[order], order % classes


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_gives_the_stated_pixels(make_image, kind):
    _, data, expected = make_image(kind, 11, 14, seed=3)
    header = images.inspect(data)
    assert (header.height, header.width) == (11, 14)
    assert header.plain == (kind in ("png_rgb", "png_grey", "jpeg"))
    np.testing.assert_array_equal(images.decode(data, 3), expected)
    grey = header.grey
    assert grey == (kind in ("png_grey", "grey_alpha", "sixteen_bit", "one_bit"))
    assert images.decode(data).shape[2] == (1 if grey else 3)
    luma = images.decode(data, 1)[..., 0]
    np.testing.assert_allclose(
        luma, expected @ np.array([0.299, 0.587, 0.114]), atol=0.51
    )


@pytest.mark.parametrize("where", ["folder", "stored zip", "deflated zip"])
def test_mixed_kinds_keep_pixels_and_labels(tmp_path, write_mixed, where):
    expected = write_mixed(tmp_path / "mixed", 26)
    path = tmp_path / "mixed"
    if where != "folder":
        method = zipfile.ZIP_STORED if "stored" in where else zipfile.ZIP_DEFLATED
        path = _zip(path, tmp_path / "mixed.zip", method)
    source = sources.open_source(str(path))
    assert source.names == list(expected)
    assert source.class_names == ["ant", "bee", "cat"]
    assert (source.resolution, source.num_channels) == (16, 3)
    for (image, label), (pixels, number) in zip(source, expected.values(), strict=True):
        np.testing.assert_array_equal(image, pixels)
        assert label == number
    batch = next(iter(pipeline.make_dataset(source, 26, shuffle=False)))
    np.testing.assert_allclose(
        batch["images"], source.images(np.arange(26)) / 127.5 - 1, atol=1e-6
    )


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("form", ["folder", "zip"])
def test_plain_images_are_decoded_natively_in_the_same_order(tmp_path, form, channels):
    pixels, labels = _plain_folder(tmp_path / "plain", channels=channels)
    path = tmp_path / "plain"
    if form == "zip":
        path = _zip(path, tmp_path / "plain.zip")
    source = stored.images(str(path))
    assert source.num_channels == channels
    dataset = pipeline.make_dataset(source, 4, seed=3, mirror=True, start_image=7)
    memory = sources.base.ArraySource(pixels, labels)
    same = pipeline.make_dataset(memory, 4, seed=3, mirror=True, start_image=7)
    assert dataset.element_spec == same.element_spec
    for got, wanted in itertools.islice(zip(dataset, same, strict=True), 6):
        np.testing.assert_array_equal(got["images"], wanted["images"])
        np.testing.assert_array_equal(got["labels"], wanted["labels"])


def test_native_jpeg_equals_pillow(tmp_path, make_image):
    for k in range(4):
        _, data, _ = make_image("jpeg", 24, 24, seed=k)
        (tmp_path / f"{k}.jpg").write_bytes(data)
    source = stored.images(str(tmp_path))
    indices = np.arange(4)
    np.testing.assert_array_equal(
        source.fetch(sources.base.tf.constant(indices)), source.images(indices)
    )


def test_transform_brings_odd_sizes_to_one(tmp_path, write_mixed):
    write_mixed(tmp_path, 13, sizes=((20, 31), (17, 17), (40, 19)))
    with pytest.raises(ValueError, match="differ in size: .* are 20x31, but .* is "):
        stored.images(str(tmp_path))
    source = stored.images(
        str(tmp_path), conversion=encoded.Conversion(transform="center-crop")
    )
    assert source.resolution == 16
    index = source.names.index("ant/0000_png_rgb.png")
    with Image.open(tmp_path / source.names[index]) as image:
        whole = image.crop((5, 0, 25, 20)).resize((16, 16), Image.LANCZOS)
    np.testing.assert_array_equal(source.images([index])[0], np.asarray(whole))
    sized = encoded.Conversion(resolution=32, transform="pad", background=0)
    padded = stored.images(str(tmp_path), conversion=sized).images([index])[0]
    np.testing.assert_array_equal(padded[6:26, :31].any(), True)
    assert not padded[:5].any() and not padded[27:].any()


def test_grey_on_request(tmp_path):
    pixels, _ = _plain_folder(tmp_path)
    source = stored.images(str(tmp_path), conversion=encoded.Conversion(num_channels=1))
    luma = pixels @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(source.images(range(10))[..., 0], luma, atol=0.51)
    batch = next(iter(pipeline.make_dataset(source, 10, shuffle=False)))
    got = (batch["images"].numpy() + 1) * 127.5
    np.testing.assert_allclose(got, source.images(range(10)), atol=1e-4)


def _png(samples, depth, transparent):
    """Encodes grey or RGB samples of any depth with a transparent colour."""

    def part(kind, content):
        checksum = zlib.crc32(kind + content)
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", checksum)
        )

    height, width = samples.shape[:2]
    rows = samples.reshape(height, -1)
    if depth == 16:
        rows = rows.astype(">u2").view(np.uint8).reshape(height, -1)
    elif depth < 8:
        bits = np.unpackbits(rows.astype(np.uint8)[..., None], axis=2)[..., -depth:]
        rows = np.packbits(bits.reshape(height, -1), axis=1)
    data = b"".join(b"\0" + row.astype(np.uint8).tobytes() for row in rows)
    colour = 2 if samples.ndim == 3 else 0
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    clear = np.atleast_1d(transparent).astype(">u2").tobytes()
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        part(*pair)
        for pair in (
            (b"IHDR", head),
            (b"tRNS", clear),
            (b"IDAT", zlib.compress(data)),
            (b"IEND", b""),
        )
    )


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("background", [255, 0, 100])
def test_a_transparent_grey_value_is_put_on_the_background(depth, background):
    most = 2**depth - 1
    samples = np.random.RandomState(0).randint(0, most + 1, (8, 8))
    value = int(samples[0, 0])
    samples[3, :4] = value
    expected = samples >> 8 if depth == 16 else samples * (255 // most)
    expected = np.where(samples == value, background, expected)
    data = _png(samples, depth, value)
    got = images.decode(data, 1, background)[..., 0]
    np.testing.assert_array_equal(got, expected)
    three = images.decode(data, 3, background)
    np.testing.assert_array_equal(three, np.repeat(expected[..., None], 3, axis=2))


@pytest.mark.parametrize("depth", [8, 16])
def test_a_transparent_colour_is_put_on_white(depth):
    samples = np.random.RandomState(0).randint(0, 2**depth, (8, 8, 3))
    samples[2] = samples[0, 0]
    expected = samples >> (depth - 8)
    expected[(samples == samples[0, 0]).all(axis=2)] = 255
    data = _png(samples, depth, samples[0, 0])
    np.testing.assert_array_equal(images.decode(data, 3), expected)


def test_unreadable_images_are_named(tmp_path):
    _plain_folder(tmp_path)
    good = (tmp_path / "class0/000.png").read_bytes()
    (tmp_path / "class0/cut.png").write_bytes(good[: len(good) // 2])
    (tmp_path / "class1/text.jpg").write_text("this is no image")
    with pytest.raises(ValueError, match=r"class0/cut.png cannot be read.*2 of 12"):
        stored.images(str(tmp_path))


def test_damage_after_opening_is_named(tmp_path):
    _plain_folder(tmp_path)
    source = stored.images(str(tmp_path))
    (tmp_path / "class1/003.png").write_bytes(b"gone")
    with pytest.raises(ValueError, match="class1/003.png cannot be read"):
        source.images(range(10))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no images; files named"),
        (lambda path: (path / "notes.txt").write_text("x"), "no images; files named"),
        (lambda path: path.rmdir(), "there is no such file or folder"),
    ],
)
def test_places_without_images(tmp_path, make, message):
    folder = tmp_path / "data"
    folder.mkdir()
    make(folder)
    with pytest.raises(ValueError, match=message):
        sources.open_source(str(folder))


def test_damaged_and_odd_zip_members_are_named(tmp_path):
    _plain_folder(tmp_path / "plain", count=2)
    path = _zip(tmp_path / "plain", tmp_path / "plain.zip")
    reader = archives.ZipReader(path)
    assert reader.names == ["class0/000.png", "class1/001.png"]
    assert reader.extra("dataset.json") is None
    content = bytearray(path.read_bytes())
    content[0] = 0
    path.write_bytes(content)
    with pytest.raises(ValueError, match="class0/000.png: damaged zip file"):
        archives.ZipReader(path).read(0)
    path = _zip(tmp_path / "plain", tmp_path / "bz.zip", zipfile.ZIP_BZIP2)
    with pytest.raises(ValueError, match="only stored and deflated members"):
        archives.ZipReader(path).read(0)


def test_hidden_and_foreign_files_are_ignored(tmp_path):
    _plain_folder(tmp_path, count=2)
    for name in (".cache/a.png", "class0/.b.png", "class0/notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    assert readers.FolderReader(tmp_path).names == ["class0/000.png", "class1/001.png"]


def test_other_files_are_refused(tmp_path):
    (tmp_path / "a.zip").write_text("no zip")
    with pytest.raises(ValueError, match="not a readable zip file"):
        sources.open_source(str(tmp_path / "a.zip"))
    (tmp_path / "a.tar").write_text("x")
    with pytest.raises(ValueError, match="must be .zip, .h5 or .hdf5"):
        sources.open_source(str(tmp_path / "a.tar"))


def test_wrong_resolution_and_transform(tmp_path):
    _plain_folder(tmp_path)
    with pytest.raises(ValueError, match="resolution=16 is asked for: give transform="):
        stored.images(str(tmp_path), conversion=encoded.Conversion(resolution=16))
    with pytest.raises(ValueError, match="transform='crop' must be one of"):
        stored.images(str(tmp_path), conversion=encoded.Conversion(transform="crop"))


def test_fingerprint_follows_files_and_conversion(tmp_path):
    _plain_folder(tmp_path)
    before = stored.images(str(tmp_path)).fingerprint()
    assert stored.images(str(tmp_path)).fingerprint() == before
    grey = encoded.Conversion(num_channels=1)
    assert stored.images(str(tmp_path), conversion=grey).fingerprint() != before
    (tmp_path / "class0/000.png").rename(tmp_path / "class0/00.png")
    assert stored.images(str(tmp_path)).fingerprint() != before


def test_dataset_json_wins_over_folders(tmp_path):
    _plain_folder(tmp_path, count=4)
    names = ["class0/000.png", "class0/002.png", "class1/001.png", "class1/003.png"]
    rows = [[name, number] for name, number in zip(names, [5, 0, 1, 5], strict=True)]
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": rows}))
    source = stored.images(str(tmp_path))
    assert source.labels.tolist() == [5, 0, 1, 5] and source.num_classes == 6
    assert stored.images(str(tmp_path), "folders").labels.tolist() == [0, 0, 1, 1]
    assert stored.images(str(tmp_path), "none").num_classes == 0
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": None}))
    assert stored.images(str(tmp_path)).num_classes == 0


def test_gin_bindings_of_the_documentation(tmp_path, write_mixed):
    write_mixed(tmp_path, 13, sizes=((20, 31), (17, 17)))
    gin.parse_config(
        f"""
        open_source.name = '{tmp_path}'
        data.Conversion.resolution = 8
        data.Conversion.transform = 'center-crop'
        make_dataset.mirror = True
        """
    )
    source = sources.open_source()
    assert source.resolution == 8 and source.num_classes == 3
    batch = next(iter(pipeline.make_dataset(source, 4, num_classes=3)))
    assert batch["images"].shape == (4, 8, 8, 3)


def test_stretching_remembers_the_shape(tmp_path):
    for index in range(3):
        pixels = np.full([16, 24 + 8 * (index == 2), 3], 60 * index, np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
    listing = sources.find(str(tmp_path))
    stretched = encoded.EncodedSource(listing, encoded.Conversion(16, None, "stretch"))
    assert stretched.stretched == (16, 24)  # the most frequent one
    assert base.Subset(stretched, [0, 1]).stretched == (16, 24)
    cropped = encoded.EncodedSource(listing, encoded.Conversion(16, None, "pad"))
    assert cropped.stretched is None
