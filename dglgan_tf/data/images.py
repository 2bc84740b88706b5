"""Encoded images to uint8 pixels by one stated rule, and the resizing transforms.

The rule: the first frame; turned upright as the EXIF orientation of JPEG, TIFF, WebP
and AVIF says (HEIC and JPEG XL are turned by their decoders); 16-bit samples keep their
high byte; transparency (alpha channel, or a transparent palette entry, grey value or
colour) is composited on a grey level, white by default; palette, CMYK and every other
colour space become RGB as Pillow converts them; grey repeated for RGB, and ITU-R 601
luma where grey is asked of a colour image. 32-bit integer and floating-point images are
refused.
"""

import functools
import importlib
import io
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

RESIZE_FILTERS = {
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
TRANSFORMS = ("none", "stretch", "pad", "center-crop", "center-crop-wide")
_ALWAYS = ".bmp .gif .jfif .jpe .jpeg .jpg .pgm .png .ppm .tif .tiff .webp".split()
_WITH_PLUGINS = frozenset((".avif", ".heic", ".heif", ".hif", ".jxl"))
_PLUGINS = ("pillow_heif", "pillow_avif", "pillow_jxl")
_GREY_MODES = frozenset(("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L"))
_ROTATED_FORMATS = frozenset(("AVIF", "JPEG", "MPO", "TIFF", "WEBP"))
_ORIENTATION = 0x0112
_PNG_END = b"\x00\x00\x00\x00IEND\xae\x42\x60\x82"
_READ_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    struct.error,
    MemoryError,
    OverflowError,
)


class Header(NamedTuple):
    """What the beginning of a file says about an image.

    Attributes:
      height, width: size after turning it upright.
      grey: True where it holds no colour.
      plain: True where TensorFlow's decoder gives the same pixels as Pillow.
      kind: format and mode in words, such as 'PNG RGBA'.
    """

    height: int
    width: int
    grey: bool
    plain: bool
    kind: str


@functools.cache
def suffixes() -> frozenset[str]:
    """Returns the endings of the files that are read here, in lower case.

    HEIC, AVIF and JPEG XL are among them where Pillow, or one of its plug-ins
    pillow_heif, pillow_avif and pillow_jxl, reads them.
    """
    for name in _PLUGINS:
        try:
            module = importlib.import_module(name)
            if hasattr(module, "register_heif_opener"):
                module.register_heif_opener()
        except Exception:  # whatever is wrong with a plug-in, images are read without
            continue
    formats = Image.registered_extensions()
    more = {s for s in _WITH_PLUGINS if formats.get(s) in Image.OPEN}
    return frozenset((*_ALWAYS, *more))


def allow_megapixels(megapixels: float) -> None:
    """Sets how large an image may be, for the whole process.

    The limit guards against files made to fill the memory; 178 megapixels is Pillow's.

    Args:
      megapixels: million pixels of the largest image that is still read.
    """
    if not 0 < megapixels <= 1e6:
        raise ValueError(f"max_megapixels={megapixels} must be above 0, at most 10^6.")
    # Pillow refuses images of twice this number.
    Image.MAX_IMAGE_PIXELS = int(megapixels * 1e6) // 2


def most_bytes() -> int:
    """Returns how large an encoded image may be: two bytes for each allowed pixel."""
    return 4 * (Image.MAX_IMAGE_PIXELS or 1 << 40)


def inspect(data: bytes | Path) -> Header:
    """Reads the header of an encoded image, and all of it where its end looks cut off.

    Args:
      data: the file's bytes, or its path.

    Raises:
      ValueError: where it is not a readable image of a supported kind.
    """
    try:
        with _opened(data) as file:
            with Image.open(file) as image:
                header = _header(image, file)
                if not _ends_well(image.format, file):
                    file.seek(0)
                    image.load()
                    # Pillow forgives a missing end that other decoders do not.
                    header = header._replace(plain=False)
                return header
    except Image.DecompressionBombError as error:
        raise ValueError(_too_many_pixels()) from error
    except _READ_ERRORS as error:
        raise ValueError(f"cannot be read as an image ({_reason(error)})") from error


def decode(
    data: bytes | Path, num_channels: int | None = None, background: int = 255
) -> np.ndarray:
    """Decodes an image by the module's rule.

    Args:
      data: the file's bytes, or its path.
      num_channels: 1 or 3; None keeps grey images grey.
      background: grey level under transparent pixels.

    Returns:
      image: [H, W, C] uint8.

    Raises:
      ValueError: where it is not a readable image of a supported kind.
    """
    try:
        with _opened(data) as file:
            with Image.open(file) as image:
                depth = _depth(file) if image.format == "PNG" else 8
                return _to_array(image, num_channels, background, depth)
    except Image.DecompressionBombError as error:
        raise ValueError(_too_many_pixels()) from error
    except _READ_ERRORS as error:
        raise ValueError(f"cannot be read as an image ({_reason(error)})") from error


def encode_png(image: np.ndarray) -> bytes:
    """Encodes [H, W, C] uint8, C = 1 or 3, as PNG."""
    stream = io.BytesIO()
    _to_pil(image).save(stream, "png", compress_level=4)
    return stream.getvalue()


def fit(
    image: np.ndarray,
    height: int,
    width: int,
    transform: str = "center-crop",
    resize_filter: str = "lanczos",
    background: int = 255,
) -> np.ndarray | None:
    """Brings an image to a size.

    Args:
      image: [H, W, C] uint8.
      height, width: of the result ('center-crop-wide' gives width x width).
      transform: 'none' leaves it; 'stretch' resizes both sides; 'pad' shrinks a larger
        image to fit, never enlarges, and centres it on `background`; 'center-crop'
        resizes the largest central square; 'center-crop-wide' resizes the largest
        central part of the wanted proportions and letterboxes it to a square with
        black, or gives None where that part is too small, as NVIDIA's tool does.
      resize_filter: 'box', 'bilinear', 'bicubic' or 'lanczos', antialiased.
      background: grey level around a padded image.

    Returns:
      image: uint8 [height, width, C] (or as said above).
    """
    check_names(transform, resize_filter)
    if transform == "none":
        return image
    if transform == "stretch":
        return resize(image, height, width, resize_filter)
    if transform == "pad":
        return _pad(image, height, width, resize_filter, background)
    rows, columns = image.shape[:2]
    if transform == "center-crop":
        side = min(rows, columns)
        return resize(_crop(image, side, side), height, width, resize_filter)
    kept = round(columns * height / width)
    if columns < width or kept > rows or kept < height:
        return None
    wide = resize(_crop(image, kept, columns), height, width, resize_filter)
    return _centre(wide, width, width, 0)


def check_size(height: int, width: int) -> None:
    """Raises ValueError for a size that no image can have here."""
    most = 2 * (Image.MAX_IMAGE_PIXELS or 1 << 40)
    if min(height, width) < 1:
        raise ValueError(f"the size {height}x{width} must be at least 1x1.")
    if height * width > most:
        raise ValueError(
            f"the size {height}x{width} has more than {most // 1_000_000} megapixels: "
            "choose a smaller resolution."
        )


def check_names(transform: str, resize_filter: str) -> None:
    """Raises ValueError unless both are known by name."""
    if transform not in TRANSFORMS:
        raise ValueError(
            f"transform={transform!r} must be one of {', '.join(TRANSFORMS)}."
        )
    if resize_filter not in RESIZE_FILTERS:
        raise ValueError(
            f"resize_filter={resize_filter!r} must be one of "
            f"{', '.join(RESIZE_FILTERS)}."
        )


def resize(
    image: np.ndarray, height: int, width: int, resize_filter: str
) -> np.ndarray:
    """Resizes [H, W, C] uint8 to [height, width, C]."""
    if image.shape[:2] == (height, width):
        return image
    resized = _to_pil(image).resize((width, height), RESIZE_FILTERS[resize_filter])
    return np.asarray(resized).reshape(height, width, image.shape[2])


def _opened(data: bytes | Path):
    suffixes()  # plug-ins must be registered before a file is opened
    return open(data, "rb") if isinstance(data, Path) else io.BytesIO(data)


def _too_many_pixels() -> str:
    return (
        f"has more than {2 * Image.MAX_IMAGE_PIXELS // 1_000_000} megapixels (a guard "
        "against files made to fill the memory; --max_megapixels of dglgan_tf.prepare "
        "or data.Conversion.max_megapixels in gin raises it)"
    )


def _header(image: Image.Image, file) -> Header:
    width, height = image.size
    orientation = 1
    if image.format in _ROTATED_FORMATS:
        orientation = image.getexif().get(_ORIENTATION, 1)
    if image.mode == "F":
        raise ValueError("32-bit floating-point samples are not supported")
    plain = (
        image.mode in ("L", "RGB")
        and orientation == 1
        and "transparency" not in image.info
        and (image.format == "JPEG" or (image.format == "PNG" and _depth(file) == 8))
    )
    if orientation in (5, 6, 7, 8):
        height, width = width, height
    kind = f"{image.format} {image.mode}"
    if orientation != 1:
        kind += " rotated"
    if "transparency" in image.info:
        kind += " transparent"
    return Header(height, width, image.mode in _GREY_MODES, plain, kind)


def _depth(file) -> int:
    """Returns the bit depth in a PNG file's header; the place in the file stays."""
    place = file.tell()
    file.seek(24)
    depth = file.read(1)[0]
    file.seek(place)
    return depth


def _ends_well(file_format: str | None, file) -> bool:
    """Tells whether a file has the end that its format asks for."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    start = file.read(8)
    file.seek(max(0, size - 12))
    tail = file.read()
    if file_format == "WEBP":
        return struct.unpack("<I", start[4:])[0] + 8 <= size
    if file_format == "JPEG":
        return tail.endswith(b"\xff\xd9")
    return file_format == "PNG" and tail == _PNG_END


def _reason(error: BaseException) -> str:
    text = str(error).split("\n")[0]
    # Pillow prints the address of the stream it was given.
    return "unknown format" if "cannot identify" in text else text or repr(error)


def _to_array(image, num_channels, background, depth) -> np.ndarray:
    image.load()
    grey = image.mode in _GREY_MODES
    clear = _transparent_grey(image, depth)
    if image.format in _ROTATED_FORMATS:
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        image = _high_byte(image)
    if clear is not None:
        samples = np.asarray(image.convert("L"))
        image = Image.fromarray(np.where(clear, np.uint8(background), samples))
    elif image.has_transparency_data:
        if depth == 16 and isinstance(image.info.get("transparency"), tuple):
            # Pillow keeps the high bytes of the pixels, but not of this colour.
            image.info["transparency"] = tuple(
                value >> 8 for value in image.info["transparency"]
            )
        white = Image.new("RGBA", image.size, (background,) * 3 + (255,))
        image = Image.alpha_composite(white, image.convert("RGBA"))
    if num_channels is None:
        num_channels = 1 if grey else 3
    mode = "L" if num_channels == 1 else "RGB"
    if mode == "L" and image.mode not in ("1", "L", "RGB"):
        image = image.convert("RGB")
    image = image.convert(mode)
    return np.array(image).reshape(image.height, image.width, num_channels)


def _transparent_grey(image: Image.Image, depth: int) -> np.ndarray | None:
    """Returns where the transparent grey value of a PNG stands; None without one."""
    value = image.info.get("transparency")
    if image.format != "PNG" or not isinstance(value, int):
        return None
    if image.mode not in ("1", "L") and not image.mode.startswith("I"):
        return None
    # Pillow spreads samples of 1, 2 and 4 bits over 0..255, but not this value.
    value *= 255 // (2**depth - 1) if depth < 8 else 1
    samples = np.asarray(image.convert("L") if image.mode == "1" else image)
    image.info.pop("transparency")
    return samples == value


def _high_byte(image: Image.Image) -> Image.Image:
    samples = np.asarray(image).astype(np.int64)
    if samples.min() < 0 or samples.max() > 65535:
        raise ValueError("32-bit integer samples are not supported")
    return Image.fromarray((samples >> 8).astype(np.uint8))


def _to_pil(image: np.ndarray) -> Image.Image:
    return Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)


def _crop(image: np.ndarray, height: int, width: int) -> np.ndarray:
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return image[top : top + height, left : left + width]


def _centre(image: np.ndarray, height: int, width: int, background: int) -> np.ndarray:
    canvas = np.full((height, width, image.shape[2]), background, np.uint8)
    top, left = (height - image.shape[0]) // 2, (width - image.shape[1]) // 2
    canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
    return canvas


def _pad(image, height, width, resize_filter, background) -> np.ndarray:
    scale = min(1.0, height / image.shape[0], width / image.shape[1])
    rows, columns = (max(1, round(size * scale)) for size in image.shape[:2])
    return _centre(
        resize(image, rows, columns, resize_filter), height, width, background
    )
