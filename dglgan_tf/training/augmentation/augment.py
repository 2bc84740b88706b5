"""Augmentation of what a discriminator sees, as choices in gin.

An augmentation is `augment(images, seed, probability) -> images`: differentiable, a
pure function of its arguments, the same with and without XLA. `ada.augment` is the
adaptive one; those here have a fixed strength.
"""

from collections.abc import Callable, Sequence

import gin
import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.ops import philox
from dglgan_tf.training.augmentation import ada_draws


@gin.configurable(module="augment")
def none(images: tf.Tensor, seed: tf.Tensor, probability: tf.Tensor) -> tf.Tensor:
    """Returns the images.

    Args:
      images: [N, H, W, C].
      seed: not used.
      probability: not used.
    """
    del seed, probability
    return images


@gin.configurable(module="augment")
def mirror(
    images: tf.Tensor, seed: tf.Tensor, probability: tf.Tensor, share: float = 0.5
) -> tf.Tensor:
    """Flips a share of the images left to right.

    Args:
      images: [N, H, W, C], N static.
      seed: [2] int32.
      probability: not used: mirroring is no matter of overfitting.
      share: of the images that are flipped.
    """
    del probability
    images = tf.convert_to_tensor(images)
    flip = ada_draws.chosen(seed, images.shape[0], share)
    return tf.where(flip[:, None, None, None], images[:, :, ::-1], images)


@gin.configurable(module="augment")
def diffaugment(
    images: tf.Tensor,
    seed: tf.Tensor,
    probability: tf.Tensor,
    color: bool = True,
    translation: float = 0.125,
    cutout: float = 0.5,
) -> tf.Tensor:
    """Differentiable augmentation of every image (Zhao et al., 2006.10738).

    Color: brightness uniform in [-0.5, 0.5], saturation factor in [0, 2], contrast
    factor in [0.5, 1.5]. Translation by whole pixels with zeros beyond the border.
    Cutout of one square.

    Args:
      images: [N, H, W, C] float32 in [-1, 1], N static.
      seed: [2] int32.
      probability: not used, every image is augmented.
      color: whether to change colors.
      translation: largest shift as a share of the size; 0 = none.
      cutout: side of the square as a share of the size; 0 = none.

    Returns:
      [N, H, W, C]; not clipped.
    """
    del probability
    images = tf.convert_to_tensor(images)
    size = images.shape[0]
    keys = ada_draws.keys(seed, 0, 5)
    if color:
        brightness = ada_draws.uniform(keys[0], [size], -0.5, 0.5)
        saturation = ada_draws.uniform(keys[1], [size], 0.0, 2.0)
        contrast = ada_draws.uniform(keys[2], [size], 0.5, 1.5)
        images = change_color(images, brightness, saturation, contrast)
    if translation:
        images = translate(images, _offsets(keys[3], images.shape, translation))
    if cutout:
        side = [int(round(length * cutout)) for length in images.shape[1:3]]
        spans = [
            length + 1 - part % 2
            for length, part in zip(images.shape[1:3], side, strict=True)
        ]
        corner = _integers(keys[4], size, [0, 0], spans) - np.array(side) // 2
        images = erase(images, corner, side)
    return images


def change_color(images, brightness, saturation, contrast) -> tf.Tensor:
    """Adds brightness, then scales saturation, then contrast.

    Args:
      images: [N, H, W, C].
      brightness: [N] added.
      saturation: [N] factor of the distance from the pixel's mean channel.
      contrast: [N] factor of the distance from the image's mean.

    Returns:
      [N, H, W, C].
    """
    images = images + brightness[:, None, None, None]
    grey = tf.reduce_mean(images, axis=3, keepdims=True)
    images = grey + saturation[:, None, None, None] * (images - grey)
    mean = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
    return mean + contrast[:, None, None, None] * (images - mean)


def translate(images, shift) -> tf.Tensor:
    """Shifts images by whole pixels; zeros come in.

    Args:
      images: [N, H, W, C].
      shift: [N, 2] int32, down and right.

    Returns:
      [N, H, W, C].
    """
    for axis in (1, 2):
        length = images.shape[axis]
        source = np.arange(length) - shift[:, axis - 1, tf.newaxis]
        inside = tf.logical_and(source >= 0, source < length)
        index = tf.clip_by_value(source, 0, length - 1)
        moved = tf.gather(images, index, axis=axis, batch_dims=1)
        shape = [-1, length, 1, 1] if axis == 1 else [-1, 1, length, 1]
        images = tf.where(tf.reshape(inside, shape), moved, 0.0)
    return images


def erase(images, corner, side: Sequence[int]) -> tf.Tensor:
    """Sets one box of each image to zero.

    Args:
      images: [N, H, W, C].
      corner: [N, 2] int32, its upper left corner; may lie outside.
      side: its height and width.

    Returns:
      [N, H, W, C].
    """
    inside = []
    for axis in (0, 1):
        place = np.arange(images.shape[1 + axis]) - corner[:, axis, tf.newaxis]
        inside.append(tf.logical_and(place >= 0, place < side[axis]))
    box = tf.logical_and(inside[0][:, :, tf.newaxis], inside[1][:, tf.newaxis, :])
    return tf.where(box[..., tf.newaxis], 0.0, images)


def _offsets(key, shape, ratio):
    largest = [int(round(length * ratio)) for length in shape[1:3]]
    low = [-value for value in largest]
    return _integers(key, shape[0], low, [2 * value + 1 for value in largest])


def _integers(key, size, low, count):
    """Draws int32 [size, 2], column k uniform in low[k] .. low[k] + count[k] - 1."""
    drawn = ada_draws.uniform(key, [size, 2], 0.0, 1.0) * np.array(count, np.float32)
    return tf.cast(tf.floor(drawn), tf.int32) + np.array(low, np.int32)


@gin.configurable(module="augment")
def chain(
    images: tf.Tensor,
    seed: tf.Tensor,
    probability: tf.Tensor,
    parts: Sequence[Callable] = (),
) -> tf.Tensor:
    """Applies several augmentations, each with a seed of its own.

    Args:
      images: [N, H, W, C].
      seed: [2] int32.
      probability: [] handed to each.
      parts: augmentations, first to last.
    """
    for index, part in enumerate(parts):
        images = part(images, philox.fold(seed, index), probability)
    return images
