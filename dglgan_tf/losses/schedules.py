"""How the guidance weight moves: host functions of the number of real images seen."""

import math


def constant(images: int, weight: float) -> float:
    """Returns the weight, whatever the number of images (the authors' choice).

    Args:
      images: real images seen so far.
      weight: the guidance weight.
    """
    del images
    return float(weight)


def linear_warmup(images: int, weight: float, warmup_images: int) -> float:
    """Returns a weight that rises linearly from 0 and then stays.

    Args:
      images: real images seen so far.
      weight: the weight from `warmup_images` on.
      warmup_images: length of the rise.
    """
    return float(weight) * _progress(images, "warmup_images", warmup_images)


def linear_decay(
    images: int, weight: float, total_images: int, final_weight: float = 0.0
) -> float:
    """Returns a weight that falls linearly and then stays.

    Args:
      images: real images seen so far.
      weight: the weight at image 0.
      total_images: length of the fall.
      final_weight: the weight from `total_images` on.
    """
    done = _progress(images, "total_images", total_images)
    return float(weight) + done * (float(final_weight) - float(weight))


def cosine_decay(
    images: int, weight: float, total_images: int, final_weight: float = 0.0
) -> float:
    """Returns a weight that falls along half a cosine and then stays.

    Args:
      images: real images seen so far.
      weight: the weight at image 0.
      total_images: length of the fall.
      final_weight: the weight from `total_images` on.
    """
    done = _progress(images, "total_images", total_images)
    share = 0.5 * (1.0 + math.cos(math.pi * done))
    return float(final_weight) + share * (float(weight) - float(final_weight))


def exponential_decay(images: int, weight: float, half_life_images: int) -> float:
    """Returns a weight that halves every `half_life_images`.

    Args:
      images: real images seen so far.
      weight: the weight at image 0.
      half_life_images: images in which the weight halves.
    """
    _positive("half_life_images", half_life_images)
    return float(weight) * 0.5 ** (float(images) / float(half_life_images))


def _progress(images, name, length) -> float:
    _positive(name, length)
    return min(max(float(images) / float(length), 0.0), 1.0)


def _positive(name, value):
    if value <= 0:
        raise ValueError(f"{name}={value} must be positive")
