"""Resampling by two with a FIR filter, and convolutions that resample.

One filter does everything (StyleGAN2 uses [1, 3, 3, 1] per axis): images are up- and
downsampled with it, and a convolution that changes resolution is followed or preceded
by it. Filters are applied as *convolutions*, that is flipped, which only an asymmetric
one shows.

Two forms of the filter pass give equal numbers. `depthwise` (the default) is the
fastest in graph mode, on GPUs, and converts to TFLite; `slices` is 8 to 10 times
faster than it where XLA compiles for a CPU, and much slower everywhere else. The rule:
whoever compiles with XLA for a CPU traces inside `with resample.use_form('slices')`.
"""

import contextlib

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.foundation import scope
from dglgan_tf.native import convolutions, filters

FORMS = ("depthwise", "slices")
_FORM = scope.Scope("ops.resample", default="depthwise")


@contextlib.contextmanager
def use_form(form: str):
    """Chooses the form of all filter passes traced inside the block (see above)."""
    if form not in FORMS:
        raise ValueError(f"form={form!r} must be one of {FORMS}")
    with _FORM.set_to(form):
        yield


def setup_filter(taps) -> np.ndarray:
    """Returns a filter of unit sum.

    Args:
      taps: [k] taps of a separable filter, or [k, k] of any filter.

    Returns:
      [k, k] float32.

    Raises:
      ValueError: another shape, or taps that add up to zero.
    """
    taps = np.asarray(taps, np.float32)
    if taps.ndim == 1:
        taps = np.outer(taps, taps)
    total = taps.sum()
    if taps.ndim != 2 or taps.shape[0] != taps.shape[1] or not taps.size or not total:
        raise ValueError(
            f"resample_filter={taps.tolist()} must be a list of taps or a square "
            "matrix of them, with a sum other than zero"
        )
    return taps / total


def upsample2(x: tf.Tensor, fir: np.ndarray) -> tf.Tensor:
    """Doubles height and width: zero insertion, then the filter with gain 4.

    Args:
      x: [N, H, W, C].
      fir: [k, k] filter of `setup_filter`.

    Returns:
      [N, 2H, 2W, C].
    """
    size = fir.shape[0]
    if filters.suit(x, fir):
        sides = [2 * side for side in x.shape[1:3]]
        return filters.resample(x, 4 * fir[::-1, ::-1], (size + 1) // 2, sides, up=2)
    if _FORM.get() == "slices":
        return _fir(_insert_zeros(x), 4 * fir, (size + 1) // 2, (size - 2) // 2)
    channels = x.shape[-1]
    if size > 1 and channels <= 4:
        kernel = 4 * fir[:, :, None, None] * np.eye(channels)
        shape = _shape(x, 2 * x.shape[1], 2 * x.shape[2], channels)
        kernel = tf.constant(kernel, x.dtype)
        return tf.nn.conv2d_transpose(x, kernel, shape, strides=2, padding="SAME")
    return _fir(_insert_zeros(x), 4 * fir, (size + 1) // 2, (size - 2) // 2)


def downsample2(x: tf.Tensor, fir: np.ndarray) -> tf.Tensor:
    """Halves height and width: the filter, then every second sample.

    Args:
      x: [N, H, W, C], H and W even.
      fir: [k, k] filter of `setup_filter`.

    Returns:
      [N, H/2, W/2, C].
    """
    size = fir.shape[0]
    return _fir(x, fir, (size - 1) // 2, (size - 2) // 2, stride=2)


def up_conv(x: tf.Tensor, kernel: tf.Tensor, fir: np.ndarray) -> tf.Tensor:
    """Convolves a zero-inserted input, with the filter (gain 4) between the two.

    Args:
      x: [N, H, W, C].
      kernel: [k, k, C, out] in correlation order, like every other kernel here.
      fir: [f, f] filter of `setup_filter`.

    Returns:
      [N, 2H, 2W, out].
    """
    width = kernel.shape[0]
    if width == 1:
        return upsample2(tf.nn.conv2d(x, kernel, strides=1, padding="VALID"), fir)
    x = _conv_doubled(x, kernel)
    size = fir.shape[0]
    before = width // 2 + (size + 1) // 2 - (width - 1)
    after = width // 2 + (size - 2) // 2 - (width - 2)
    return _fir(x, 4 * fir, before, after)


def down_conv(x: tf.Tensor, kernel: tf.Tensor, fir: np.ndarray) -> tf.Tensor:
    """Applies the filter, then a convolution with stride 2.

    Args:
      x: [N, H, W, C], H and W even.
      kernel: [k, k, C, out].
      fir: [f, f] filter of `setup_filter`.

    Returns:
      [N, H/2, W/2, out].
    """
    width, size = kernel.shape[0], fir.shape[0]
    if width == 1:
        return tf.nn.conv2d(downsample2(x, fir), kernel, strides=1, padding="VALID")
    pad = width // 2
    x = _fir(x, fir, pad + (size - 1) // 2, pad + (size - 2) // 2)
    if convolutions.suits(x, kernel, convolutions.HALVE):
        return convolutions.convolve(x, kernel, convolutions.HALVE)
    return tf.nn.conv2d(x, kernel, strides=2, padding="VALID")


def _conv_doubled(x, kernel):
    """Convolves a zero-inserted [N, H, W, C]: [N, 2H + k - 2, 2W + k - 2, out]."""
    if convolutions.suits(x, kernel, convolutions.DOUBLE):
        return convolutions.convolve(x, kernel, convolutions.DOUBLE)
    height_width = [2 * side + kernel.shape[0] - 2 for side in x.shape[1:3]]
    # A transposed convolution is a true convolution with its kernel: flip ours.
    flipped = tf.transpose(tf.reverse(kernel, [0, 1]), [0, 1, 3, 2])
    shape = _shape(x, *height_width, kernel.shape[3])
    return tf.nn.conv2d_transpose(x, flipped, shape, strides=2, padding="VALID")


def _shape(x, height, width, channels):
    batch = tf.shape(x)[0] if x.shape[0] is None else x.shape[0]
    return [batch, height, width, channels]


def _insert_zeros(x: tf.Tensor) -> tf.Tensor:
    """[N, H, W, C] -> [N, 2H, 2W, C]: each sample first, then a zero.

    Rank 4 throughout: TFLite has no builtin for the six-dimensional way.
    """
    _, height, width, channels = x.shape
    x = tf.concat([x, tf.zeros_like(x)], axis=3)
    x = tf.reshape(x, [-1, height, 2 * width, channels])
    x = tf.concat([x, tf.zeros_like(x)], axis=2)
    return tf.reshape(x, [-1, 2 * height, 2 * width, channels])


def _pad(x: tf.Tensor, before: int, after: int) -> tf.Tensor:
    """Pads height and width with zeros; a negative amount crops."""
    rows, columns = x.shape[1], x.shape[2]
    if min(before, after) < 0:
        x = x[
            :,
            max(-before, 0) : rows + min(after, 0),
            max(-before, 0) : columns + min(after, 0),
        ]
    before, after = max(before, 0), max(after, 0)
    if before or after:
        x = tf.pad(x, [[0, 0], [before, after], [before, after], [0, 0]])
    return x


def _fir(x, fir, before, after, stride=1):
    """Pads, convolves every channel with `fir`, keeps every `stride`-th sample."""
    if filters.suit(x, fir):
        edge = before + after - len(fir)
        sides = [(side + edge) // stride + 1 for side in x.shape[1:3]]
        return filters.resample(x, fir[::-1, ::-1], before, sides, down=stride)
    if _FORM.get() == "slices":
        return _fir_slices(_pad(x, before, after), fir[::-1, ::-1], stride)
    if stride == 1:
        return _fir_same_rate(x, fir, before, after)
    return _depthwise(_pad(x, before, after), fir[::-1, ::-1], stride)


def _depthwise(x, taps, stride):
    """Correlates every channel with `taps`, keeps every `stride`-th sample."""
    kernel = np.tile(taps[:, :, None, None], [1, 1, x.shape[-1], 1])
    kernel = tf.constant(kernel, x.dtype)
    return tf.nn.depthwise_conv2d(x, kernel, [1, stride, stride, 1], padding="VALID")


def _fir_same_rate(x, fir, before, after):
    """The filter pass whose gradient, of any order, is the same kind of pass.

    TensorFlow's own gradient of a depthwise convolution takes 2.5 times as long, and
    that of the padding is a copy more.
    """
    rest = fir.shape[0] - 1

    @tf.custom_gradient
    def run(x):
        y = _depthwise(_pad(x, before, after), fir[::-1, ::-1], 1)

        def gradient(upstream):
            turned = fir[::-1, ::-1]
            return _fir_same_rate(upstream, turned, rest - before, rest - after)

        return y, gradient

    return run(x)


def _fir_slices(x, fir, stride):
    separated = filters.separate(fir)
    if separated is not None:
        column, row = separated
        return _fir_axis(_fir_axis(x, column, 1, stride), row, 2, stride)
    rows = (x.shape[1] - len(fir)) // stride + 1
    parts = [x[:, t : t + (rows - 1) * stride + 1 : stride] for t in range(len(fir))]
    lines = [_fir_axis(p, taps, 2, stride) for p, taps in zip(parts, fir, strict=True)]
    return sum(lines[1:], lines[0])


def _fir_axis(x, taps, axis, stride):
    length = (x.shape[axis] - len(taps)) // stride + 1
    total = None
    for start, tap in enumerate(taps):
        part = slice(start, start + (length - 1) * stride + 1, stride)
        term = (x[:, part] if axis == 1 else x[:, :, part]) * float(tap)
        total = term if total is None else total + term
    return total
