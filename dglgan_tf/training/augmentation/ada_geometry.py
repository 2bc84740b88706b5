"""Geometric part of ADA: pixel copies (flip, quarter turns, shifts) and warps.

Adaptive discriminator augmentation, 2006.06676, appendix B. Both parts treat the
image as reflected without end at its border.
"""

import math

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.ops import wavelets
from dglgan_tf.training.augmentation import ada_draws

_HALF_TAPS = len(wavelets.SYM6) // 2


def draw_copies(keys: tf.Tensor, batch_size: int, probability: tf.Tensor) -> dict:
    """Draws flip, quarter turns and whole-pixel shift.

    Args:
      keys: [6, 2] int32 seeds.
      batch_size: N.
      probability: [] of each transform.

    Returns:
      {'flip': bool [N], 'quarter_turns': int32 [N], 'shift': float32 [N, 2] share of
      height and width (down, right)}.
    """
    coin = ada_draws.uniform(keys[0], [batch_size], 0.0, 2.0) >= 1.0
    turns = tf.cast(ada_draws.uniform(keys[1], [batch_size], 0.0, 4.0), tf.int32)
    shift = ada_draws.uniform(keys[2], [batch_size, 2], -0.125, 0.125)
    return {
        "flip": tf.logical_and(
            coin, ada_draws.chosen(keys[3], batch_size, probability)
        ),
        "quarter_turns": tf.where(
            ada_draws.chosen(keys[4], batch_size, probability), turns, 0
        ),
        "shift": ada_draws.gate(keys[5], shift, probability, 0.0),
    }


def copy_pixels(
    images: tf.Tensor, flip: tf.Tensor, quarter_turns: tf.Tensor, shift: tf.Tensor
) -> tf.Tensor:
    """Flips left to right, turns counter-clockwise, then shifts; values are copied.

    Args:
      images: [N, S, S, C].
      flip: bool [N].
      quarter_turns: int32 [N], 0 to 3.
      shift: float32 [N, 2], share of the size (down, right), rounded to pixels.

    Returns:
      [N, S, S, C].
    """
    size = _square(images)
    middle = (size - 1) / 2
    grid = np.stack(np.mgrid[:size, :size], 0).reshape(2, 1, -1) - middle
    moved = tf.transpose(tf.round(shift * size))[:, :, tf.newaxis]
    y, x = tf.unstack(tf.constant(grid, tf.float32) - moved)
    # A quarter turn back takes (y, x) to (x, -y); k of them by cosine and sine.
    cosine = tf.gather([1.0, 0.0, -1.0, 0.0], quarter_turns)[:, tf.newaxis]
    sine = tf.gather([0.0, 1.0, 0.0, -1.0], quarter_turns)[:, tf.newaxis]
    y, x = cosine * y + sine * x, cosine * x - sine * y
    x = tf.where(flip[:, tf.newaxis], -x, x)
    rows = tf.cast(tf.round(reflect(y + middle, 0.0, size - 1.0)), tf.int32)
    columns = tf.cast(tf.round(reflect(x + middle, 0.0, size - 1.0)), tf.int32)
    pixels = _gather(images, rows * size + columns)
    return tf.reshape(pixels, tf.shape(images))


def draw_warp(keys: tf.Tensor, batch_size: int, probability: tf.Tensor) -> dict:
    """Draws scale, rotations, stretch and fractional shift.

    The two rotations have probability 1 - sqrt(1 - p) each, so that p of the images
    are rotated.

    Args:
      keys: [10, 2] int32 seeds.
      batch_size: N.
      probability: [] of each transform.

    Returns:
      {'scale' [N], 'first_angle' [N], 'stretch' [N], 'second_angle' [N],
      'offset' [N, 2] share of height and width}, float32.
    """
    size = [batch_size]
    rotation = 1.0 - tf.sqrt(tf.maximum(1.0 - probability, 0.0))
    pi = math.pi
    return {
        "scale": ada_draws.gate(
            keys[0], ada_draws.log_normal(keys[1], size, 0.2), probability, 1.0
        ),
        "first_angle": ada_draws.gate(
            keys[2], ada_draws.uniform(keys[3], size, -pi, pi), rotation, 0.0
        ),
        "stretch": ada_draws.gate(
            keys[4], ada_draws.log_normal(keys[5], size, 0.2), probability, 1.0
        ),
        "second_angle": ada_draws.gate(
            keys[6], ada_draws.uniform(keys[7], size, -pi, pi), rotation, 0.0
        ),
        "offset": ada_draws.gate(
            keys[8], ada_draws.normal(keys[9], [batch_size, 2], 0.125), probability, 0.0
        ),
    }


def warp(
    images: tf.Tensor,
    scale: tf.Tensor,
    first_angle: tf.Tensor,
    stretch: tf.Tensor,
    second_angle: tf.Tensor,
    offset: tf.Tensor,
) -> tf.Tensor:
    """Scales, rotates, stretches, rotates and shifts, with little aliasing.

    The image is mirrored at its border, upsampled by 2 with an orthogonal low-pass
    filter (sym6), sampled bilinearly, and downsampled by the same filter, so that no
    transform at all gives the image back. Further outside than an eighth of the image
    the *upsampled* image is mirrored, so that no padding depends on the draws: the
    paper mirrors first everywhere, up to one image size. Both differ there by the
    slight asymmetry of the filter.

    Args:
      images: [N, S, S, C].
      scale: [N], above 1 enlarges.
      first_angle: [N] radians, clockwise as seen (y points down).
      stretch: [N], width times this, height divided by it.
      second_angle: [N] radians, after the stretch.
      offset: [N, 2] share of the size (down, right).

    Returns:
      [N, S, S, C].
    """
    size = _square(images)
    margin = size // 8 + 3
    fine = images
    for axis in (1, 2):
        fine = _upsample(mirror_pad(fine, axis, margin + 3), axis)
    middle = (2 * size - 1) / 2
    line = np.arange(-_HALF_TAPS + 1, 2 * size + _HALF_TAPS - 1) - middle
    points = np.stack(np.meshgrid(line, line, indexing="ij")).reshape(2, 1, -1)
    y, x = tf.unstack(tf.constant(points, tf.float32))
    moved = offset * (2.0 * size)
    y, x = y - moved[:, :1], x - moved[:, 1:]
    y, x = _turn_back(y, x, second_angle)
    y, x = y * stretch[:, tf.newaxis], x / stretch[:, tf.newaxis]
    y, x = _turn_back(y, x, first_angle)
    y, x = y / scale[:, tf.newaxis], x / scale[:, tf.newaxis]
    sampled = _bilinear(fine, y + middle, x + middle, 2 * margin)
    sampled = tf.reshape(sampled, [-1, len(line), len(line), images.shape[3]])
    return _downsample(_downsample(sampled, 1), 2)


def _turn_back(y, x, angle):
    cosine, sine = tf.cos(angle)[:, tf.newaxis], tf.sin(angle)[:, tf.newaxis]
    return cosine * y - sine * x, sine * y + cosine * x


def _bilinear(images, y, x, margin):
    """Samples [N, M, M, C], which has a margin, at y, x [N, P]; returns [N, P, C].

    Positions count from the first pixel inside the margin; those beyond it are mirrored
    at the middle of the last original pixel.
    """
    size = images.shape[1]
    y, x = (_inside(position, size, margin) for position in (y, x))
    top = tf.clip_by_value(tf.floor(y), 0.0, size - 2.0)
    left = tf.clip_by_value(tf.floor(x), 0.0, size - 2.0)
    down, right = (y - top)[..., tf.newaxis], (x - left)[..., tf.newaxis]
    first = tf.cast(top, tf.int32) * size + tf.cast(left, tf.int32)
    upper = (1.0 - right) * _gather(images, first) + right * _gather(images, first + 1)
    below = first + size
    lower = (1.0 - right) * _gather(images, below) + right * _gather(images, below + 1)
    return (1.0 - down) * upper + down * lower


def _inside(position, size, margin):
    mirrored = reflect(position, 0.5, size - 2 * margin - 1.5)
    far = tf.abs(position - (size - 1) / 2 + margin) > (size - 1) / 2
    return tf.where(far, mirrored, position) + margin


def _gather(images, index):
    """Takes pixels by flat index [N, P] of [N, S, S, C]; returns [N, P, C]."""
    flat = tf.reshape(images, [-1, images.shape[1] * images.shape[2], images.shape[3]])
    return tf.gather(flat, index, batch_dims=1)


def reflect(position: tf.Tensor, low: float, high: float) -> tf.Tensor:
    """Returns positions folded into [low, high] as by mirrors at both ends."""
    span = high - low
    if span <= 0:
        return tf.zeros_like(position) + low
    turned = tf.math.floormod(position - low, 2.0 * span)
    return low + span - tf.abs(turned - span)


def _upsample(images, axis):
    """Doubles one axis less 3 pixels at each end: sqrt(2) sum_i h[k - 2 i + 5] x[i]."""
    channels = images.shape[3]
    taps = np.zeros((2, 7))  # phase, neighbour i - 3 .. i + 3
    taps[0, :6] = wavelets.SYM6[::-1][0::2]
    taps[1, 1:] = wavelets.SYM6[::-1][1::2]
    kernel = np.einsum("pt,cd->tcpd", taps * 2**0.5, np.eye(channels))
    kernel = kernel.reshape(7, channels, 2 * channels)
    fine = _convolve(images, kernel, axis, 1)
    height, width = fine.shape[1:3]
    if axis == 2:
        return tf.reshape(fine, [-1, height, 2 * width, channels])
    fine = tf.reshape(fine, [-1, height, width, 2, channels])
    fine = tf.transpose(fine, [0, 1, 3, 2, 4])
    return tf.reshape(fine, [-1, 2 * height, width, channels])


def _downsample(images, axis):
    """Halves one axis: the transpose of `_upsample` over 2, without border."""
    diagonal = np.eye(images.shape[3]) / 2**0.5
    kernel = np.einsum("t,cd->tcd", wavelets.SYM6, diagonal)
    return _convolve(images, kernel, axis, 2)


def _convolve(images, kernel, axis, stride):
    """Correlates along one axis with [taps, C, D], without padding."""
    kernel = tf.constant(np.expand_dims(kernel, 2 - axis), images.dtype)
    strides = [stride, 1] if axis == 1 else [1, stride]
    return tf.nn.conv2d(images, kernel, strides, "VALID")


def mirror_pad(images: tf.Tensor, axis: int, amount: int) -> tf.Tensor:
    """Pads both ends of an axis by reflection, by more than its size if need be."""
    while amount > 0:
        part = min(amount, images.shape[axis] - 1)
        paddings = [[0, 0]] * images.shape.rank
        paddings[axis] = [part, part]
        images = tf.pad(images, paddings, "REFLECT")
        amount -= part
    return images


def _square(images):
    height, width = images.shape[1:3]
    if height != width:
        raise ValueError(
            f"images has shape {images.shape}, but rotations need square images"
        )
    return height
