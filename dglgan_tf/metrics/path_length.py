"""Perceptual path length (Karras et al., 2018): how smoothly images follow latents.

Two latents a hair apart on a path give two images; the distance between them over the
squared step is averaged over many paths, the largest and smallest hundredth left out.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

EPSILON = 1e-4
_LARGEST = 256


def lerp(a: np.ndarray, b: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Returns a + (b - a) t for a, b [N, ...] and t [N]."""
    return a + (b - a) * t.reshape([-1] + [1] * (a.ndim - 1))


def slerp(a: np.ndarray, b: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Returns unit vectors on the arc from a to b, [N, D]; lengths do not matter.

    This is how StyleGAN interpolates in Z, where lengths are normalized away.
    """
    a, b = _unit(a), _unit(b)
    cosine = np.sum(a * b, axis=-1, keepdims=True)
    angle = t.reshape(-1, 1) * np.arccos(np.clip(cosine, -1, 1))
    across = _unit(b - cosine * a)
    return _unit(a * np.cos(angle) + across * np.sin(angle))


def slerp_lengths(a: np.ndarray, b: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Returns the spherical interpolation that keeps the lengths, [N, D].

    This is torch-fidelity's for normal latents; straight where the ends are parallel.
    """
    t = t.reshape(-1, 1)
    cosine = np.sum(_unit(a) * _unit(b), axis=-1, keepdims=True)
    straight = 1 - np.abs(cosine) < 1e-7
    omega = np.arccos(np.clip(cosine, -1, 1))
    sine = np.where(straight, 1.0, np.sin(omega))
    first = np.where(straight, 1 - t, np.sin((1 - t) * omega) / sine)
    second = np.where(straight, t, np.sin(t * omega) / sine)
    return first * a + second * b


def _unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def crop_centre(images: np.ndarray) -> np.ndarray:
    """Returns the part with the face: rows 3/8 to 7/8, columns 2/8 to 6/8.

    Args:
      images: [N, H, W, C].

    Returns:
      [N, H/2, W/2, C] (sizes rounded down to eighths).
    """
    rows, columns = images.shape[1] // 8, images.shape[2] // 8
    return images[:, 3 * rows : 7 * rows, 2 * columns : 6 * columns]


def shrink(images: np.ndarray) -> np.ndarray:
    """Averages boxes of pixels until an image [N, H, W, C] has at most 256 columns."""
    factor = images.shape[1] // _LARGEST
    if factor <= 1:
        return images
    n, height, width, channels = images.shape
    boxes = (n, height // factor, factor, width // factor, factor, channels)
    return images.reshape(boxes).mean(axis=(2, 4))


@dataclasses.dataclass(frozen=True)
class Path:
    """A generator in the two halves that a path needs.

    Attributes:
      mapping: (z [N, D], labels) to w [N, ...]; the identity where there is none.
      synthesis: (w, labels) to images [N, H, W, C] in [-1, 1]; whatever is random in it
        must be the same for both ends, so it is called once for both.
    """

    mapping: Callable
    synthesis: Callable


def distances(
    path: Path,
    perceptual: Callable,
    z0: np.ndarray,
    z1: np.ndarray,
    t: np.ndarray,
    labels=None,
    space: str = "w",
    crop: bool = False,
    epsilon: float = EPSILON,
) -> np.ndarray:
    """Returns perceptual distance / epsilon^2 of each pair, [N] float64.

    Args:
      path: the generator.
      perceptual: (images [N, h, w, C] in [0, 255], the same) to distances [N].
      z0, z1: [N, D] ends of the paths.
      t: [N] positions.
      labels: [N] or None.
      space: 'w' maps the ends and goes straight; 'z' goes along the arc, then maps.
      crop: look at the centre only.
      epsilon: the step.
    """
    both = None if labels is None else np.concatenate([labels, labels])
    if space == "w":
        w = np.asarray(path.mapping(np.concatenate([z0, z1]), both))
        w0, w1 = np.split(w, 2)
        w = np.concatenate([lerp(w0, w1, t), lerp(w0, w1, t + epsilon)])
    elif space == "z":
        z = np.concatenate([slerp(z0, z1, t), slerp(z0, z1, t + epsilon)])
        w = np.asarray(path.mapping(z.astype(z0.dtype), both))
    else:
        raise ValueError(f"space={space!r} must be 'z' or 'w'")
    images = np.asarray(path.synthesis(w.astype(z0.dtype), both))
    if crop:
        images = crop_centre(images)
    images = (shrink(images) + 1) * 127.5
    first, second = np.split(images, 2)
    return np.asarray(perceptual(first, second), np.float64) / epsilon**2


def trim(values: np.ndarray) -> np.ndarray:
    """Returns the values [M] of [N] between the 1st and 99th percentile, included."""
    low = np.percentile(values, 1, method="lower")
    high = np.percentile(values, 99, method="higher")
    return values[(values >= low) & (values <= high)]
