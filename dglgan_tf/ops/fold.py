"""3x3 convolutions joined exactly with nearest upsampling or with average pooling.

A 3x3 convolution of a nearest-upsampled image sees each input pixel through two
neighbouring taps on either axis, so the pair equals one transposed convolution of
stride 2 whose 4x4 kernel is the 3x3 one summed over 2x2 boxes: 16 instead of 36
multiplications for each input pixel. A 3x3 convolution followed by 2x2 average pooling
equals one stride-2 convolution with the same box sums over 4. Zero padding ('SAME')
agrees at the borders. Where the folding happens, the multiplications fall 2.25 times
and the full-resolution activation between the two never exists.

Each function returns the result and what the ledger needs about it, so that layers
take the function as an argument.
"""

import dataclasses

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.native import convolutions

# One axis: the taps of [w0, w1, w2] * [1, 1] = [w0, w0 + w1, w1 + w2, w2].
_BOX = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 1], [0, 0, 1]], np.float32)


@dataclasses.dataclass(frozen=True)
class Count:
    """Multiply-accumulates of one call: as the paper's layers, and as executed."""

    kind: str
    nominal: int
    executed: int


def convolve(x, kernel):
    """Convolves with zero padding, stride 1.

    Args:
      x: [N, H, W, in] float32.
      kernel: [k, k, in, out] float32, k odd.

    Returns:
      y: [N, H, W, out].
      count: `Count`.
    """
    if convolutions.suits(x, kernel, convolutions.SAME):
        y = convolutions.convolve(x, kernel)
    else:
        y = tf.nn.conv2d(x, kernel, 1, "SAME")
    macs = _macs(y, kernel)
    return y, Count("conv", macs, macs)


def upsample_convolve(x, kernel):
    """Upsamples 2x by nearest neighbours, then convolves with zero padding.

    Args:
      x: [N, H, W, in] float32.
      kernel: [3, 3, in, out], or [1, 1, in, out], which runs before the upsampling.

    Returns:
      y: [N, 2H, 2W, out].
      count: `Count`; nominal is at the output resolution.
    """
    if kernel.shape[0] == 1:
        small = tf.nn.conv2d(x, kernel, 1, "SAME")
        macs = _macs(small, kernel)
        return upsample(small), Count("up_conv", 4 * macs, macs)
    if convolutions.suits(x, kernel, convolutions.UP):
        y = convolutions.convolve(x, kernel, convolutions.UP)
    else:
        y = _folded_up(x, kernel)
    return y, Count("up_conv", _macs(y, kernel), 16 * _macs(x, kernel) // 9)


def convolve_downsample(x, kernel):
    """Convolves with zero padding, then averages 2x2 blocks.

    Args:
      x: [N, H, W, in] float32, H and W even.
      kernel: [3, 3, in, out], or [1, 1, in, out], which runs after the averaging.

    Returns:
      y: [N, H/2, W/2, out].
      count: `Count`; nominal is at the input resolution.
    """
    if kernel.shape[0] == 1:
        y = tf.nn.conv2d(downsample(x), kernel, 1, "SAME")
        macs = _macs(y, kernel)
        return y, Count("down_conv", 4 * macs, macs)
    if convolutions.suits(x, kernel, convolutions.DOWN):
        y = convolutions.convolve(x, kernel, convolutions.DOWN, factor=1 / 4)
    else:
        y = tf.nn.conv2d(x, _box_sum(kernel, _BOX) / 4, 2, "SAME")
    return y, Count("down_conv", 4 * _macs(y, kernel), 16 * _macs(y, kernel) // 9)


def _folded_up(x, kernel):
    height, width = 2 * x.shape[1], 2 * x.shape[2]
    folded = tf.transpose(_box_sum(kernel, _BOX[::-1]), [0, 1, 3, 2])
    shape = [batch_size(x), height, width, kernel.shape[-1]]
    y = tf.nn.conv2d_transpose(x, folded, shape, 2, "SAME")
    return tf.ensure_shape(y, [x.shape[0], height, width, kernel.shape[-1]])


@tf.custom_gradient
def upsample(x):
    """Repeats each pixel 2x2: [N, H, W, C] -> [N, 2H, 2W, C]."""
    size = [2 * x.shape[1], 2 * x.shape[2]]
    # TensorFlow has no second gradient of this operation; pooling has all of them.
    y = tf.raw_ops.ResizeNearestNeighbor(images=x, size=size)
    return y, lambda upstream: 4 * downsample(upstream)


def downsample(x):
    """Averages 2x2 blocks: [N, H, W, C] -> [N, H/2, W/2, C]."""
    return tf.nn.avg_pool2d(x, 2, 2, "VALID")


def batch_size(x):
    """Returns the batch size N of x [N, ...]: an int where known, else [] int32."""
    return tf.shape(x)[0] if x.shape[0] is None else x.shape[0]


def _box_sum(kernel, box):
    """Sums [3, 3, in, out] over 2x2 boxes: [4, 4, in, out]; `box` [4, 3] per axis."""
    inputs, outputs = kernel.shape[2:]
    both = tf.constant(np.kron(box, box), kernel.dtype)
    flat = tf.matmul(both, tf.reshape(kernel, [9, inputs * outputs]))
    return tf.reshape(flat, [4, 4, inputs, outputs])


def _macs(y, kernel) -> int:
    """Multiply-accumulates when `kernel` is applied at each pixel of `y`."""
    return (y.shape[0] or 1) * y.shape[1] * y.shape[2] * int(np.prod(kernel.shape))
