"""The resizers of the reference metrics as pairs of matrices.

Bilinear and bicubic resizing are linear and separable, so each is
`rows @ image @ columns^T`: the same numbers as the reference packages, on any device.

* `legacy_tensorflow`: bilinear of TensorFlow 1, source = target * in / out, positions
  in float32, no antialiasing (torch-fidelity, StyleGAN2's and the original FID).
* `legacy_pytorch`: bilinear with half-pixel centres, no antialiasing (pytorch-fid).
* `clean`: Pillow's bicubic on floats, antialiased when shrinking, clipped to [0, 255],
  not rounded (clean-fid; Parmar et al., CVPR 2022).
"""

import functools

import numpy as np

from dglgan_tf.compat import tf

MODES = ("legacy_tensorflow", "legacy_pytorch", "clean")


def require_mode(mode: str) -> None:
    """Raises ValueError unless `mode` is one of `MODES`."""
    if mode not in MODES:
        raise ValueError(f"resize={mode!r} must be one of {', '.join(MODES)}")


@functools.lru_cache(maxsize=64)
def matrix(mode: str, source: int, target: int) -> np.ndarray:
    """Returns the weights [target, source] float32 of one axis; rows sum to 1.

    Besides the modes of extractors there is `area`, the mean of the pixels under each
    new one (adaptive average pooling).
    """
    if mode == "area":
        weights = _area(source, target)
    elif mode == "clean":
        weights = _bicubic(source, target)
    else:
        weights = _bilinear(source, target, half_pixel=mode == "legacy_pytorch")
    weights = weights.astype(np.float32)
    weights.setflags(write=False)
    return weights


def _bilinear(source, target, half_pixel):
    ratio = np.float32(source) / np.float32(target)
    position = np.arange(target, dtype=np.float32)
    if half_pixel:
        half = np.float32(0.5)
        position = np.maximum((position + half) * ratio - half, 0)
    else:
        position = position * ratio
    low = np.minimum(np.floor(position).astype(int), source - 1)
    high = np.minimum(low + 1, source - 1)
    share = (position - low).astype(np.float64)
    weights = np.zeros((target, source))
    rows = np.arange(target)
    np.add.at(weights, (rows, low), 1 - share)
    np.add.at(weights, (rows, high), share)
    return weights


def _area(source, target):
    weights = np.zeros((target, source))
    for row in range(target):
        first, last = row * source // target, -(-(row + 1) * source // target)
        weights[row, first:last] = 1 / (last - first)
    return weights


def _bicubic(source, target):
    """Keys' cubic with a = -0.5, stretched by the shrinking factor."""
    ratio = source / target
    stretch = max(ratio, 1.0)
    weights = np.zeros((target, source))
    for row in range(target):
        centre = (row + 0.5) * ratio
        first = max(int(centre - 2 * stretch + 0.5), 0)
        last = min(int(centre + 2 * stretch + 0.5), source)
        x = np.abs((np.arange(first, last) + 0.5 - centre) / stretch)
        near = (1.5 * x - 2.5) * x * x + 1
        far = ((-0.5 * x + 2.5) * x - 4) * x + 2
        value = np.where(x < 1, near, np.where(x < 2, far, 0.0))
        weights[row, first:last] = value / value.sum()
    return weights


def resize(images: tf.Tensor, size: int, mode: str) -> tf.Tensor:
    """Resizes images to a square.

    Args:
      images: [N, H, W, C] uint8 or float32; H, W, C static; `clean` wants [0, 255].
      size: height and width of the result.
      mode: one of `MODES`, or `area`.

    Returns:
      [N, size, size, C] float32, not rounded.
    """
    if mode != "area":
        require_mode(mode)
    images = tf.cast(images, tf.float32)
    height, width = images.shape[1], images.shape[2]
    if (height, width) != (size, size):
        # Plain 2-D products: TensorFlow 2.21 crashes here on a broadcast batch product.
        x = tf.transpose(images, [0, 3, 1, 2])
        x = _product(x, matrix(mode, width, size))
        x = _product(tf.transpose(x, [0, 1, 3, 2]), matrix(mode, height, size))
        images = tf.transpose(x, [0, 3, 2, 1])
    return tf.clip_by_value(images, 0.0, 255.0) if mode == "clean" else images


def _product(x, weights):
    """Multiplies the last axis of x [N, C, A, B] by weights [S, B]: [N, C, A, S]."""
    channels, rows, length = x.shape[1:]
    flat = tf.matmul(tf.reshape(x, [-1, length]), weights, transpose_b=True)
    return tf.reshape(flat, [-1, channels, rows, weights.shape[0]])
