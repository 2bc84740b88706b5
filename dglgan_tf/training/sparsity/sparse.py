"""Dynamic sparse training: masks on convolution kernels that move while training.

As in the sparse variant of the DGL-GAN code and in RigL (Evci et al., 1911.11134):
densities by Erdos-Renyi-Kernel, every few thousand steps the smallest active weights
are dropped and as many are grown where the gradient is largest. All functions are host
functions on NumPy arrays and run between steps; the mask itself is re-applied after
every optimizer step by multiplying.
"""

import math
from collections.abc import Sequence

import numpy as np


def erk_densities(shapes: Sequence[Sequence[int]], density: float) -> list[float]:
    """Returns the density of each layer: scale * sum(shape) / prod(shape), at most 1.

    The scale is such that all layers together keep `density` of their weights; layers
    that would exceed 1 are dense and the rest shares what is left.

    Args:
      shapes: kernel shapes, for instance [3, 3, 64, 128].
      density: share of weights to keep over all layers, above 0 and at most 1.
    """
    if not 0 < density <= 1:
        raise ValueError(f"density={density} must be above 0 and at most 1")
    sizes = [math.prod(shape) for shape in shapes]
    raw = [sum(shape) / size for shape, size in zip(shapes, sizes, strict=True)]
    dense = [False] * len(sizes)
    while not all(dense):
        free = [k for k in range(len(sizes)) if not dense[k]]
        left = density * sum(sizes) - sum(
            s for s, d in zip(sizes, dense, strict=True) if d
        )
        scale = max(left, 0.0) / sum(raw[k] * sizes[k] for k in free)
        full = [k for k in free if scale * raw[k] > 1]
        if not full:
            return [1.0 if dense[k] else scale * raw[k] for k in range(len(sizes))]
        for k in full:
            dense[k] = True
    return [1.0] * len(sizes)


def random_mask(shape: Sequence[int], density: float, seed: int) -> np.ndarray:
    """Returns a float32 mask with round(density * size) ones at random places.

    Args:
      shape: of the kernel.
      density: share of ones.
      seed: of the places.
    """
    size = math.prod(shape)
    mask = np.zeros(size, np.float32)
    count = int(round(density * size))
    mask[np.random.RandomState(seed).permutation(size)[:count]] = 1.0
    return mask.reshape(shape)


def magnitude_mask(kernel: np.ndarray, density: float) -> np.ndarray:
    """Returns a float32 mask of the round(density * size) largest weights.

    Args:
      kernel: weights.
      density: share of ones.
    """
    flat = np.abs(np.asarray(kernel)).ravel()
    mask = np.zeros(flat.size, np.float32)
    count = int(round(density * flat.size))
    mask[np.argsort(-flat, kind="stable")[:count]] = 1.0
    return mask.reshape(np.shape(kernel))


def drop_and_grow(
    kernel: np.ndarray, gradient: np.ndarray, mask: np.ndarray, share: float
) -> np.ndarray:
    """Returns the next mask, with as many ones.

    Drops the smallest active weights, then grows where the gradient is largest among
    all places that are now inactive and were inactive before. The authors' code keeps
    the share constant although it computes a decaying one; here the caller's share,
    for instance of `cosine_share`, is what is used.

    Args:
      kernel: weights.
      gradient: dense gradient of the loss with respect to the kernel.
      mask: zeros and ones.
      share: of the active weights to replace, 0 to 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share={share} must be between 0 and 1")
    active = np.asarray(mask).ravel() > 0
    count = min(int(share * active.sum()), int((~active).sum()))
    magnitude = np.where(active, np.abs(np.asarray(kernel)).ravel(), np.inf)
    slope = np.where(active, -np.inf, np.abs(np.asarray(gradient)).ravel())
    following = active.copy()
    following[np.argsort(magnitude, kind="stable")[:count]] = False
    following[np.argsort(-slope, kind="stable")[:count]] = True
    return following.astype(np.float32).reshape(np.shape(mask))


def cosine_share(
    images: int, total_images: int, share: float = 0.5, final_share: float = 0.005
) -> float:
    """Returns the share to replace, falling along half a cosine.

    Args:
      images: real images seen.
      total_images: when the final share is reached.
      share: at the start.
      final_share: at the end.
    """
    if total_images <= 0:
        raise ValueError(f"total_images={total_images} must be positive")
    done = min(images / total_images, 1.0)
    return final_share + (share - final_share) * 0.5 * (1 + math.cos(math.pi * done))
