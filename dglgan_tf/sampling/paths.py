"""Paths through latents: straight, spherical, closed loops."""

from collections.abc import Callable, Sequence

import numpy as np

_PARALLEL = 1e-6


def lerp(first, second, share) -> np.ndarray:
    """Returns (1 - share) first + share second, float32; the inputs broadcast."""
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    share = np.asarray(share, np.float64)
    return ((1 - share) * first + share * second).astype(np.float32)


def slerp(first, second, share) -> np.ndarray:
    """Interpolates on the great circle between directions, last axis.

    Shoemake (1985): with the angle a between the two,
    sin((1 - t) a) / sin(a) first + sin(t a) / sin(a) second. Lengths of normal latents
    stay what they are for z of many dimensions, which straight lines shorten. Parallel
    vectors are interpolated on the straight line.

    Args:
      first, second: [..., D]; they broadcast.
      share: 0 gives the first, 1 the second; broadcasts against [...].

    Returns:
      [..., D] float32.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    share = np.asarray(share, np.float64)[..., None]
    lengths = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    cosine = (first * second).sum(-1) / np.maximum(lengths, 1e-300)
    angle = np.arccos(np.clip(cosine, -1, 1))[..., None]
    sine = np.sin(angle)
    flat = sine < _PARALLEL
    safe = np.where(flat, 1.0, sine)
    on_circle = (
        np.sin((1 - share) * angle) / safe * first
        + np.sin(share * angle) / safe * second
    )
    straight = (1 - share) * first + share * second
    return np.where(flat, straight, on_circle).astype(np.float32)


def through(
    points: Sequence, frames: int, between: Callable = slerp, loop: bool = True
) -> np.ndarray:
    """Returns a path through points at even steps.

    Args:
      points: K arrays [..., D], at least two.
      frames: from each point to the next.
      between: `slerp` or `lerp`.
      loop: the path returns to the first point; its last frame is one step before it,
        so that an animation goes round without a stop.

    Returns:
      [K * frames, ..., D] with loop, else [(K - 1) * frames + 1, ..., D].
    """
    if len(points) < 2 or frames < 1:
        raise ValueError(
            f"a path needs two points and a frame: got {len(points)} and {frames}"
        )
    ends = [*points[1:], points[0]] if loop else points[1:]
    path = [
        between(first, second, step / frames)
        for first, second in zip(points, ends, strict=False)
        for step in range(frames)
    ]
    return np.stack(path if loop else [*path, np.asarray(points[-1], np.float32)])
