"""Parts of ADA that change pixel values: color, frequency bands, noise, cutout.

Adaptive discriminator augmentation, 2006.06676, appendix B.
"""

import math

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.ops import wavelets
from dglgan_tf.training.augmentation import ada_draws, ada_geometry

_LUMA = np.full([3, 1], 3**-0.5)  # the grey axis, unit length
_ALONG = _LUMA @ _LUMA.T
_ACROSS = np.eye(3) - _ALONG
_CROSS = 3**-0.5 * np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])  # v x ...

_BANDS = wavelets.octave_bands(wavelets.SYM2)
_POWER = np.array([10.0, 1.0, 1.0, 1.0]) / 13.0  # expected share of each band


def draw_color(keys: tf.Tensor, batch_size: int, probability: tf.Tensor) -> dict:
    """Draws brightness, contrast, luma flip, hue and saturation.

    Args:
      keys: [10, 2] int32 seeds.
      batch_size: N.
      probability: [] of each transform.

    Returns:
      {'brightness', 'contrast', 'luma_flip', 'hue', 'saturation'}, each [N].
    """
    size = [batch_size]
    gate, uniform = ada_draws.gate, ada_draws.uniform
    brightness = ada_draws.normal(keys[1], size, 0.2)
    contrast = ada_draws.log_normal(keys[3], size, 0.5)
    flip = tf.floor(uniform(keys[5], size, 0.0, 2.0))
    hue = uniform(keys[7], size, -math.pi, math.pi)
    saturation = ada_draws.log_normal(keys[9], size, 1.0)
    return {
        "brightness": gate(keys[0], brightness, probability, 0.0),
        "contrast": gate(keys[2], contrast, probability, 1.0),
        "luma_flip": gate(keys[4], flip, probability, 0.0),
        "hue": gate(keys[6], hue, probability, 0.0),
        "saturation": gate(keys[8], saturation, probability, 1.0),
    }


def change_color(
    images: tf.Tensor,
    brightness: tf.Tensor,
    contrast: tf.Tensor,
    luma_flip: tf.Tensor,
    hue: tf.Tensor,
    saturation: tf.Tensor,
) -> tf.Tensor:
    """Brightens, scales, mirrors luma, turns hue, scales saturation, in this order.

    With v the grey axis: x + b; c x; (I - 2 v v^T)^flip x; rotation about v; v v^T x +
    s (I - v v^T) x. One channel is treated as three equal ones.

    Args:
      images: [N, H, W, C], C = 1 or 3.
      brightness: [N] added to every channel.
      contrast: [N] factor.
      luma_flip: [N], 0 or 1.
      hue: [N] radians.
      saturation: [N] factor.

    Returns:
      [N, H, W, C].
    """

    def each(value):
        return value[:, tf.newaxis, tf.newaxis]

    sign = 1.0 - 2.0 * luma_flip
    grey = each(contrast * sign)
    # Every factor commutes with v v^T, so the product has one part along v (luma) and
    # one across it (hue, saturation); the shift by b lies along v.
    shift = (grey * each(brightness))[..., tf.newaxis]
    if images.shape[3] == 1:
        return images * grey[..., tf.newaxis] + shift
    if images.shape[3] != 3:
        raise ValueError(
            f"images has shape {images.shape} but must have 1 or 3 channels"
        )
    along, across, cross = (
        tf.constant(matrix, tf.float32) for matrix in (_ALONG, _ACROSS, _CROSS)
    )
    turn = each(tf.cos(hue)) * across + each(tf.sin(hue)) * cross
    matrix = grey * along + each(contrast * saturation) * turn
    return tf.einsum("nhwc,ndc->nhwd", images, matrix) + shift


def draw_bands(keys: tf.Tensor, batch_size: int, probability: tf.Tensor) -> dict:
    """Draws the gain of each frequency band.

    Each band in turn is amplified with the given probability, and all gains are then
    divided so that an image with the expected spectrum keeps its power.

    Args:
      keys: [8, 2] int32 seeds.
      batch_size: N.
      probability: [] for each band.

    Returns:
      {'gains': [N, 4]}, lowest band first.
    """
    gains = tf.ones([batch_size, len(_BANDS)])
    power = tf.constant(_POWER, tf.float32)
    for band in range(len(_BANDS)):
        factor = ada_draws.log_normal(keys[2 * band + 1], [batch_size], 1.0)
        factor = ada_draws.gate(keys[2 * band], factor, probability, 1.0)
        here = tf.one_hot(band, len(_BANDS))
        change = 1.0 + here * (factor[:, tf.newaxis] - 1.0)
        change /= tf.sqrt(tf.reduce_sum(power * change**2, axis=1, keepdims=True))
        gains *= change
    return {"gains": gains}


def filter_bands(images: tf.Tensor, gains: tf.Tensor) -> tf.Tensor:
    """Amplifies four octaves by their gains, along rows and along columns.

    Bands of frequency [0, 1/8], [1/8, 1/4], [1/4, 1/2], [1/2, 1] of Nyquist, from the
    sym2 wavelet; mirrored border.

    Args:
      images: [N, H, W, C].
      gains: [N, 4].

    Returns:
      [N, H, W, C].
    """
    channels, half = images.shape[3], _BANDS.shape[1] // 2
    kernel = np.einsum("bt,cd->tcbd", _BANDS, np.eye(channels))
    kernel = kernel.reshape(_BANDS.shape[1], channels, -1)
    for axis in (1, 2):
        padded = ada_geometry.mirror_pad(images, axis, half)
        bands = tf.nn.conv2d(
            padded,
            tf.constant(np.expand_dims(kernel, 2 - axis), tf.float32),
            1,
            "VALID",
        )
        shape = [-1, *images.shape[1:3], len(_BANDS), channels]
        images = tf.einsum("nhwbc,nb->nhwc", tf.reshape(bands, shape), gains)
    return images


def draw_noise(keys: tf.Tensor, shape: tuple[int, ...], probability: tf.Tensor) -> dict:
    """Draws Gaussian noise whose deviation is half-normal (0.1).

    Args:
      keys: [3, 2] int32 seeds.
      shape: (N, H, W, C).
      probability: [] of noise at all.

    Returns:
      {'noise': [N, H, W, C]}, to be added.
    """
    deviation = tf.abs(ada_draws.normal(keys[1], [shape[0]], 0.1))
    deviation = ada_draws.gate(keys[0], deviation, probability, 0.0)
    noise = ada_draws.normal(keys[2], shape, 1.0)
    return {"noise": noise * deviation[:, tf.newaxis, tf.newaxis, tf.newaxis]}


def draw_cutout(keys: tf.Tensor, batch_size: int, probability: tf.Tensor) -> dict:
    """Draws the centre of a box of half the image's size.

    Args:
      keys: [2, 2] int32 seeds.
      batch_size: N.
      probability: [] of a box at all.

    Returns:
      {'centre': [N, 2] share of height and width; -1 where nothing is cut out}.
    """
    centre = ada_draws.uniform(keys[1], [batch_size, 2], 0.0, 1.0)
    return {"centre": ada_draws.gate(keys[0], centre, probability, -1.0)}


def cut_out(images: tf.Tensor, centre: tf.Tensor) -> tf.Tensor:
    """Sets a box of half the image's height and width to zero (grey).

    Args:
      images: [N, H, W, C].
      centre: [N, 2] share of height and width.

    Returns:
      [N, H, W, C].
    """
    inside = []
    for axis in (0, 1):
        size = images.shape[1 + axis]
        place = tf.constant((np.arange(size) + 0.5) / size, tf.float32)
        inside.append(tf.abs(place - centre[:, axis, tf.newaxis]) < 0.25)
    box = tf.logical_and(inside[0][:, :, tf.newaxis], inside[1][:, tf.newaxis, :])
    return tf.where(box[..., tf.newaxis], 0.0, images)
