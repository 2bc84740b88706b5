"""Pictures: uint8 conversion, grids, captions, PNG files."""

import io

import numpy as np

from dglgan_tf.foundation import atomic

_MARGIN = 6


def to_uint8(images) -> np.ndarray:
    """Converts images as the NVIDIA tools do: 127.5 x + 128, saturated, truncated.

    Args:
      images: float [..., H, W, C], nominally in [-1, 1]; uint8 passes through.

    Returns:
      uint8 array of the same shape.
    """
    images = np.asarray(images)
    if images.dtype == np.uint8:
        return images
    scaled = images.astype(np.float32) * 127.5 + 128
    return np.clip(np.nan_to_num(scaled), 0, 255).astype(np.uint8)


def grid(images, columns: int | None = None) -> np.ndarray:
    """Tiles images row by row.

    Args:
      images: [N, H, W, C] float in [-1, 1] or uint8; C is 1 or 3.
      columns: None = the most nearly square grid. An incomplete last row is black.

    Returns:
      uint8 [rows * H, columns * W, C].
    """
    images = to_uint8(images)
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or not len(images):
        raise ValueError(
            f"images have shape {images.shape}: a grid takes [N, H, W, 1 or 3], N >= 1"
        )
    count, height, width, channels = images.shape
    columns = columns or int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    tiles = np.zeros((rows * columns, height, width, channels), np.uint8)
    tiles[:count] = images
    tiles = tiles.reshape(rows, columns, height, width, channels)
    return tiles.swapaxes(1, 2).reshape(rows * height, columns * width, channels)


def scaled(image, most: int) -> np.ndarray:
    """Returns a picture [H, W, C] uint8 of `most` pixels a side or less.

    Blocks of a whole number of pixels are averaged; what is smaller stays as it is.
    """
    factor = -(-max(image.shape[:2]) // most)
    if factor == 1:
        return image
    height, width = (size // factor for size in image.shape[:2])
    cut = image[: height * factor, : width * factor]
    blocks = cut.reshape(height, factor, width, factor, -1)
    return blocks.mean(axis=(1, 3), dtype=np.float32).round().astype(np.uint8)


def png_bytes(image) -> bytes:
    """Encodes one image, [H, W, C] or [H, W], float in [-1, 1] or uint8, as PNG."""
    from PIL import Image

    pixels = to_uint8(image)
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def save_png(path, image) -> None:
    """Writes one image as PNG; a reader never sees half a file.

    Args:
      path: file to write; its folder is made.
      image: [H, W, C] or [H, W], float in [-1, 1] or uint8.
    """
    atomic.write(path, png_bytes(image))


def panels(
    sets: dict,
    columns: int | None = None,
    row_captions=(),
    column_captions=(),
    min_image_size: int = 64,
) -> np.ndarray:
    """Draws the same grid for several networks side by side, with captions.

    Args:
      sets: {'teacher': images, 'student': images, 'control': images}, each [N, H, W, C]
        float in [-1, 1] or uint8, the same N; C and H may differ.
      columns: images in a row of each panel; None = 1, so that every row is one seed
        seen through all networks.
      row_captions: text to the left of each row, or nothing.
      column_captions: text over each column of each panel, or nothing.
      min_image_size: smaller images are enlarged by a whole factor, pixels kept.

    Returns:
      uint8 [height, width, 3].
    """
    from PIL import Image

    counts = {name: len(images) for name, images in sets.items()}
    if not counts or len(set(counts.values())) != 1 or not min(counts.values()):
        raise ValueError(
            f"sets must hold equally many images, at least 1: got {counts}"
        )
    columns = columns or 1
    drawn = {name: _enlarged(images, min_image_size) for name, images in sets.items()}
    size = max(images.shape[1] for images in drawn.values())
    rows = -(-next(iter(counts.values())) // columns)
    _check_captions(row_captions, rows, "row_captions")
    _check_captions(column_captions, columns, "column_captions")
    text = _font(14)
    left = _MARGIN + max([_text_width(text, c) + _MARGIN for c in row_captions] or [0])
    top = 2 * _MARGIN + 20 + (20 if len(column_captions) else 0)
    panel = columns * size
    least = max(_text_width(_font(16), name) for name in sets)
    pitch = max(panel, least) + 2 * _MARGIN
    canvas = Image.new(
        "RGB", (left + pitch * len(sets), top + rows * size + _MARGIN), "white"
    )
    for index, (name, images) in enumerate(drawn.items()):
        x = left + index * pitch
        _draw_panel(canvas, x, top, name, images, columns, size, column_captions)
    _draw_rows(canvas, top, size, row_captions)
    return np.asarray(canvas)


def _draw_panel(canvas, x, top, name, images, columns, size, captions):
    from PIL import Image, ImageDraw

    draw = ImageDraw.Draw(canvas)
    draw.text((x, _MARGIN), name, fill="black", font=_font(16))
    for column, caption in enumerate(captions):
        draw.text((x + column * size, _MARGIN + 22), caption, "black", _font(12))
    for number, pixels in enumerate(images):
        tile = Image.fromarray(np.repeat(pixels, 3 // pixels.shape[-1], axis=-1))
        row, column = divmod(number, columns)
        canvas.paste(tile, (x + column * size, top + row * size))


def _draw_rows(canvas, top, size, captions):
    from PIL import ImageDraw

    draw = ImageDraw.Draw(canvas)
    for row, caption in enumerate(captions):
        y = top + row * size + size // 2
        draw.text((_MARGIN, y), caption, fill="black", font=_font(14), anchor="lm")


def _enlarged(images, least: int) -> np.ndarray:
    images = to_uint8(images)
    factor = max(1, -(-least // images.shape[1]))
    return images.repeat(factor, axis=1).repeat(factor, axis=2)


def _check_captions(captions, count, name):
    if len(captions) not in (0, count):
        raise ValueError(
            f"{name} has {len(captions)} entries: give one for each of {count}, or none"
        )


def _font(size: int):
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _text_width(font, text: str) -> int:
    return int(np.ceil(font.getlength(text)))
