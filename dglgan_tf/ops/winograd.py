"""3x3 convolutions with half the multiplications, by the kernels of `ops.native`.

Three bilinear operations, closed under differentiation of any order (the algorithms are
explained in `kernels/algorithms.h`):

    SAME   zero padding                     4 products for an output instead of 9
    UP     after nearest upsampling         9 for an input instead of 16 folded, 36 plain
    DOWN   before sums over 2x2 pixels      9 for an output instead of 16, 36

UP and DOWN are each other's transposes, SAME is its own.
"""

import functools

from dglgan_tf.compat import tf
from dglgan_tf.ops import native

SAME, UP, DOWN = range(3)
_TRANSPOSE = {SAME: SAME, UP: DOWN, DOWN: UP}
_MULTIPLE, _LEAST, _MOST = 16, 32, 4096  # of channels, as kernels/convolution.h


def suits(x, kernel, resampling: int) -> bool:
    """Whether `convolve` is active and fit for these.

    Args:
      x: [N, H, W, C].
      kernel: [k, k, C, out].
      resampling: SAME, UP or DOWN.
    """
    if not native.active() or x.dtype != tf.float32 or kernel.shape[0] != 3:
        return False
    channels = kernel.shape[2:]
    if any(c % _MULTIPLE or not _LEAST <= c <= _MOST for c in channels):
        return False
    sides = x.shape[1:3]
    return None not in sides and (resampling == UP or all(s % 2 == 0 for s in sides))


def convolve(x, kernel, resampling: int = SAME, factor: float = 1.0) -> tf.Tensor:
    """Convolves with zero padding; differentiable to any order.

    Args:
      x: [N, H, W, C] float32; C a multiple of 16, H and W even unless UP.
      kernel: [3, 3, C, out] float32.
      resampling: SAME, UP (nearest upsampling by two before) or DOWN (sums over 2x2
        pixels after).
      factor: of the result.

    Returns:
      [N, H, W, out], [N, 2H, 2W, out] or [N, H/2, W/2, out].
    """
    return _convolve(x, tf.convert_to_tensor(kernel), resampling, False, factor)


def _convolve(x, kernel, resampling, turned, factor):
    """As `convolve`, or, turned, the transpose of the convolution with this kernel."""
    transpose = functools.partial(
        _convolve, resampling=_TRANSPOSE[resampling], turned=not turned, factor=factor
    )

    @tf.custom_gradient
    def run(x, kernel):
        y = native.library().dglgan_convolution(
            x=x, kernel=kernel, resampling=resampling, turned=turned, factor=factor
        )
        y = tf.ensure_shape(y, _shape(x, kernel.shape[2 if turned else 3], resampling))

        def gradient(upstream):
            if turned:
                back = _kernel_gradient(upstream, x, _TRANSPOSE[resampling], factor)
            else:
                back = _kernel_gradient(x, upstream, resampling, factor)
            return transpose(upstream, kernel), back

        return y, gradient

    return run(x, kernel)


def _kernel_gradient(x, gradient, resampling, factor):
    """The gradient [3, 3, C, out] of `_convolve`, not turned, to its kernel."""

    @tf.custom_gradient
    def run(x, gradient):
        result = native.library().dglgan_kernel_gradient(
            x=x, gradient=gradient, resampling=resampling, factor=factor
        )
        result = tf.ensure_shape(result, [3, 3, x.shape[3], gradient.shape[3]])

        def second(upstream):
            back = _TRANSPOSE[resampling]
            return (
                _convolve(gradient, upstream, back, True, factor),
                _convolve(x, upstream, resampling, False, factor),
            )

        return result, second

    return run(x, gradient)


def _shape(x, outputs, resampling):
    scale = {SAME: 1, UP: 2, DOWN: 0.5}[resampling]
    return [x.shape[0], *(int(side * scale) for side in x.shape[1:3]), outputs]
