"""Animated pictures through Pillow (WebP, GIF, APNG), videos (MP4) through ffmpeg."""

import importlib
import io
import tempfile
from pathlib import Path

import numpy as np

from dglgan_tf.foundation import atomic, pictures

_OPTIONS = {
    ".webp": {"format": "WEBP", "lossless": True, "quality": 60, "method": 4},
    ".gif": {"format": "GIF", "optimize": False},
    ".png": {"format": "PNG"},
}
ENDINGS = (*_OPTIONS, ".mp4")


def check(ending: str) -> None:
    """Says before anything is drawn what an animation would lack.

    Raises:
      ValueError: an ending that nothing here writes, or `.mp4` without its package.
    """
    if ending not in ENDINGS:
        raise ValueError(f"{ending} must be one of {', '.join(ENDINGS)}")
    if ending == ".mp4":
        _ffmpeg()


def save(path, frames, frames_per_second: float = 20.0) -> Path:
    """Writes an animation that repeats for ever, or a video that plays once.

    Args:
      path: ends in .webp (small, all colours), .gif (256 colours, opens everywhere),
        .png (APNG, all colours) or .mp4 (H.264, lossy, for films and slides; an odd
        side gets one more row or column of the same pixels).
      frames: [F, H, W, C] float in [-1, 1] or uint8, C = 1 or 3.
      frames_per_second: above 0, at most 100.

    Raises:
      ValueError: another ending, no frames, an impossible speed, no package for .mp4.
      OSError: ffmpeg failed; it says why.
    """
    path = Path(path)
    if path.suffix not in ENDINGS:
        raise ValueError(f"{path} must end in one of {', '.join(ENDINGS)}")
    if not len(frames) or not 0 < frames_per_second <= 100:
        raise ValueError(
            f"{len(frames)} frames at {frames_per_second:g} a second: give at least "
            "one frame, and a speed above 0 and up to 100"
        )
    pixels = pictures.to_uint8(frames)
    pixels = np.repeat(pixels, 3 // pixels.shape[-1], -1)
    encode = _video if path.suffix == ".mp4" else _pictures
    atomic.write(path, encode(pixels, frames_per_second, path.suffix))
    return path


def _pictures(pixels, frames_per_second, suffix) -> bytes:
    from PIL import Image

    drawn = [Image.fromarray(frame) for frame in pixels]
    stream = io.BytesIO()
    drawn[0].save(
        stream,
        save_all=True,
        append_images=drawn[1:],
        duration=round(1000 / frames_per_second),
        loop=0,
        **_OPTIONS[suffix],
    )
    return stream.getvalue()


def _video(pixels, frames_per_second, suffix) -> bytes:
    ffmpeg = _ffmpeg()
    height, width = pixels.shape[1:3]
    even = ((0, 0), (0, height % 2), (0, width % 2), (0, 0))
    pixels = np.pad(pixels, even, mode="edge")  # half as many colours as pixels
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "film" + suffix)
        writer = ffmpeg.write_frames(
            str(path),
            pixels.shape[2:0:-1],
            fps=frames_per_second,
            codec="libx264",
            quality=9,
            macro_block_size=1,
            ffmpeg_log_level="error",
        )
        writer.send(None)
        for frame in pixels:
            writer.send(np.ascontiguousarray(frame))
        writer.close()
        return path.read_bytes()


def _ffmpeg():
    try:
        return importlib.import_module("imageio_ffmpeg")
    except ImportError as error:
        raise ValueError(
            "an .mp4 needs the package imageio-ffmpeg, which is not installed: pip "
            "install 'dglgan_tf[video]', or take webp, gif or png"
        ) from error
