"""Animated pictures through Pillow: WebP, GIF, APNG."""

import io
from pathlib import Path

import numpy as np

from dglgan_tf import atomic, images

_OPTIONS = {
    ".webp": {"format": "WEBP", "lossless": True, "quality": 60, "method": 4},
    ".gif": {"format": "GIF", "optimize": False},
    ".png": {"format": "PNG"},
}


def save(path, frames, frames_per_second: float = 20.0) -> Path:
    """Writes an animation that repeats for ever.

    Args:
      path: ends in .webp (small, all colours), .gif (256 colours, opens everywhere) or
        .png (APNG, all colours).
      frames: [F, H, W, C] float in [-1, 1] or uint8, C = 1 or 3.
      frames_per_second: above 0, at most 100.

    Raises:
      ValueError: another ending, no frames, an impossible speed.
    """
    from PIL import Image

    path = Path(path)
    if path.suffix not in _OPTIONS:
        raise ValueError(f"{path} must end in one of {', '.join(_OPTIONS)}")
    if not len(frames) or not 0 < frames_per_second <= 100:
        raise ValueError(
            f"{len(frames)} frames at {frames_per_second:g} a second: give at least "
            "one frame, and a speed above 0 and up to 100"
        )
    pixels = images.to_uint8(frames)
    drawn = [Image.fromarray(np.repeat(f, 3 // f.shape[-1], -1)) for f in pixels]
    stream = io.BytesIO()
    drawn[0].save(
        stream,
        save_all=True,
        append_images=drawn[1:],
        duration=round(1000 / frames_per_second),
        loop=0,
        **_OPTIONS[path.suffix],
    )
    atomic.write(path, stream.getvalue())
    return path
