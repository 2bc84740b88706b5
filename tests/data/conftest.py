"""Images of every kind that people have, with the pixels that they must give."""

import io
import os
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def _encode(image, **arguments):
    stream = io.BytesIO()
    image.save(stream, **arguments)
    return stream.getvalue()


def _rgb(random, height, width):
    return random.randint(0, 256, (height, width, 3), np.uint8)


def _grey(pixels):
    return np.repeat(pixels[..., None], 3, axis=2)


def _png_rgb(pixels, random):
    return "png", _encode(Image.fromarray(pixels), format="png"), pixels


def _png_grey(pixels, random):
    grey = pixels[..., 0]
    return "png", _encode(Image.fromarray(grey), format="png"), _grey(grey)


def _rgba(pixels, random):
    opaque = random.rand(*pixels.shape[:2]) < 0.7
    alpha = np.where(opaque, 255, 0).astype(np.uint8)
    data = _encode(Image.fromarray(np.dstack([pixels, alpha])), format="png")
    return "png", data, np.where(opaque[..., None], pixels, 255).astype(np.uint8)


def _grey_alpha(pixels, random):
    opaque = random.rand(*pixels.shape[:2]) < 0.7
    alpha = np.where(opaque, 255, 0).astype(np.uint8)
    image = Image.merge("LA", [Image.fromarray(pixels[..., 1]), Image.fromarray(alpha)])
    grey = np.where(opaque, pixels[..., 1], 255).astype(np.uint8)
    return "png", _encode(image, format="png"), _grey(grey)


def _palette(pixels, random):
    colours = random.randint(0, 256, (256, 3), np.uint8)
    image = Image.fromarray(pixels[..., 0]).convert("L")
    image.putpalette(colours.tobytes())
    return "png", _encode(image, format="png"), colours[pixels[..., 0]]


def _transparent_palette(pixels, random):
    colours = random.randint(0, 256, (256, 3), np.uint8)
    image = Image.fromarray(pixels[..., 0]).convert("L")
    image.putpalette(colours.tobytes())
    expected = colours[pixels[..., 0]]
    expected[pixels[..., 0] == 7] = 255
    return "png", _encode(image, format="png", transparency=7), expected


def _sixteen_bit(pixels, random):
    low = random.randint(0, 256, pixels.shape[:2])
    samples = (pixels[..., 2].astype(np.uint16) << 8) + low.astype(np.uint16)
    data = _encode(Image.fromarray(samples), format="png")
    return "png", data, _grey(pixels[..., 2])


def _one_bit(pixels, random):
    on = pixels[..., 0] > 127
    data = _encode(Image.fromarray(on), format="png")
    return "png", data, _grey(np.where(on, 255, 0).astype(np.uint8))


def _cmyk(pixels, random):
    ink = np.dstack([255 - pixels, np.zeros(pixels.shape[:2], np.uint8)])
    data = _encode(Image.fromarray(ink, mode="CMYK"), format="tiff")
    return "tif", data, pixels


def _smooth_jpeg(pixels, **arguments):
    smooth = np.asarray(
        Image.fromarray(pixels[:4, :4]).resize(pixels.shape[1::-1], Image.BICUBIC)
    )
    data = _encode(Image.fromarray(smooth), format="jpeg", quality=90, **arguments)
    with Image.open(io.BytesIO(data)) as decoded:
        decoded = np.asarray(decoded)
    assert np.abs(decoded.astype(int) - smooth).mean() < 12
    return data, decoded


def _jpeg(pixels, random):
    return "jpg", *_smooth_jpeg(pixels)


def _rotated_jpeg(pixels, random):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it turned clockwise
    data, stored = _smooth_jpeg(np.rot90(pixels, 1), exif=exif)
    return "jpg", data, np.rot90(stored, -1)


def _bmp(pixels, random):
    return "bmp", _encode(Image.fromarray(pixels), format="bmp"), pixels


def _webp(pixels, random):
    data = _encode(Image.fromarray(pixels), format="webp", lossless=True)
    return "webp", data, pixels


KINDS = {
    kind.__name__.strip("_"): kind
    for kind in (
        _png_rgb,
        _png_grey,
        _rgba,
        _grey_alpha,
        _palette,
        _transparent_palette,
        _sixteen_bit,
        _one_bit,
        _cmyk,
        _jpeg,
        _rotated_jpeg,
        _bmp,
        _webp,
    )
}


@pytest.fixture(scope="session")
def make_image():
    """Returns f(kind, height, width, seed) -> (suffix, file bytes, pixels [H,W,3])."""

    def make(kind, height, width, seed=0):
        random = np.random.RandomState(seed)
        return KINDS[kind](_rgb(random, height, width), random)

    return make


@pytest.fixture(scope="session")
def write_mixed(make_image):
    """Returns f(folder, count, sizes, classes) -> {name: (pixels, class)}.

    Image k is of kind k in turn and lies in the sub-folder of class k in turn.
    """

    def write(folder, count, sizes=((16, 16),), classes=("ant", "bee", "cat")):
        expected = {}
        for k in range(count):
            kind = list(KINDS)[k % len(KINDS)]
            height, width = sizes[k % len(sizes)]
            suffix, data, pixels = make_image(kind, height, width, seed=k)
            label = k % len(classes)
            name = f"{classes[label]}/{k:04d}_{kind}.{suffix}"
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            expected[name] = (pixels, label)
        return dict(sorted(expected.items()))

    return write


def _cases_folder() -> Path:
    """Folder of inputs that people reported (`DGLGAN_CASES` overrides it)."""
    default = Path(__file__).resolve().parents[3] / "shared" / "cases"
    return Path(os.environ.get("DGLGAN_CASES", default))


@pytest.fixture
def case(tmp_path):
    """Returns f(start of a case's name) -> a copy of its folder that may be written."""
    folder = _cases_folder()
    if not (folder / "README.md").is_file():
        message = (
            f"no cases in {folder}: set DGLGAN_CASES to the folder that holds them"
        )
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)

    def copy(start):
        (found,) = folder.glob(f"{start}_*")
        if found.is_dir():
            shutil.copytree(found, tmp_path / found.name)
            return tmp_path / found.name
        with tarfile.open(found) as archive:  # links and odd names do not travel
            archive.extractall(tmp_path, filter="fully_trusted")
        return tmp_path / found.name.removesuffix(".tar.gz")

    return copy
