"""3x3 convolutions with half the multiplications, in native code (`library.library`).

Five bilinear operations, closed under differentiation of any order; the algorithms are
explained in `code/algorithms.h`. SAME is its own transpose, UP and DOWN are each
other's, and so are HALVE and DOUBLE.
"""

import dataclasses
import functools
from collections.abc import Callable

from dglgan_tf.compat import tf
from dglgan_tf.native import library


@dataclasses.dataclass(frozen=True)
class Way:
    """One of the five operations, along one axis.

    Attributes:
      number: its place in `code/tensorflow.cc`.
      step: inputs from one tile to the next.
      products: multiplications of a tile for each pair of channels.
      fits: whether an input of this length is accepted.
      resampled: the output's length for that of the input.
    """

    number: int
    step: int
    products: int
    fits: Callable[[int], bool]
    resampled: Callable[[int], int]


def _is_any(side) -> bool:
    del side
    return True


def _is_even(side):
    return side % 2 == 0


# Zero padding: 4 products for an output instead of 9 (along both axes).
SAME = Way(0, 2, 4, _is_even, lambda side: side)
# Nearest upsampling by two first: 9 for an input instead of 36, or 16 folded.
UP = Way(1, 1, 3, _is_any, lambda side: 2 * side)
# Sums over 2x2 pixels last: 9 for an output instead of 36, or 16 folded.
DOWN = Way(2, 2, 3, _is_even, lambda side: side // 2)
# Stride 2 without padding: 6.25 for an output instead of 9.
HALVE = Way(3, 4, 5, lambda side: side % 4 == 1 and side > 1, lambda side: side // 2)
# Zeros between the inputs, which all meet every tap: 6.25 for an input instead of 9.
DOUBLE = Way(4, 2, 5, _is_even, lambda side: 2 * side + 1)
WAYS = (SAME, UP, DOWN, HALVE, DOUBLE)
_TRANSPOSE = {SAME: SAME, UP: DOWN, DOWN: UP, HALVE: DOUBLE, DOUBLE: HALVE}
_MULTIPLE, _MOST = 16, 2048  # of channels, as code/convolution.h
_FEWEST = 8  # tiles for which transforming the kernel pays


def suits(x, kernel, way: Way) -> bool:
    """Whether native code is in use (`library.use`) and takes these.

    Args:
      x: [N, H, W, C].
      kernel: [k, k, C, out].
      way: one of the five.
    """
    if not library.active() or x.dtype != tf.float32 or kernel.shape[0] != 3:
        return False
    if any(c % _MULTIPLE or c > _MOST for c in kernel.shape[2:]):
        return False
    if not all(side and way.fits(side) for side in x.shape[1:3]):
        return False
    return _tiles(x, way) >= _FEWEST


def products(x, outputs: int, way: Way) -> int:
    """Returns the multiplications of `convolve`, and of its kernel's gradient.

    Args:
      x: [N, H, W, C]; an unknown N counts as 1.
      outputs: channels of the output.
      way: one of the five.
    """
    return _tiles(x, way) * way.products**2 * x.shape[3] * outputs


def _tiles(x, way):
    batch, height, width, _ = x.shape
    return (batch or 1) * (height // way.step) * (width // way.step)


def convolve(x, kernel, way: Way = SAME, factor: float = 1.0) -> tf.Tensor:
    """Convolves in one of the five ways; differentiable to any order.

    Args:
      x: [N, H, W, C] float32, see `suits`.
      kernel: [3, 3, C, out] float32.
      way: SAME, UP, DOWN, HALVE or DOUBLE.
      factor: of the result.

    Returns:
      [N, H', W', out] with H' = H, 2H, H/2, (H - 1)/2 or 2H + 1.
    """
    return _convolve(x, tf.convert_to_tensor(kernel), way, False, factor)


def _convolve(x, kernel, way, turned, factor):
    """As `convolve`, or, turned, the transpose of the convolution with this kernel."""

    @tf.custom_gradient
    def run(x, kernel):
        y = library.library().dglgan_convolution(
            x=x, kernel=kernel, way=way.number, turned=turned, factor=factor
        )
        sides = (way.resampled(side) for side in x.shape[1:3])
        y = tf.ensure_shape(y, [x.shape[0], *sides, kernel.shape[2 if turned else 3]])

        def gradient(upstream):
            back = _TRANSPOSE[way]
            if turned:
                to_kernel = _kernel_gradient(upstream, x, back, factor)
            else:
                to_kernel = _kernel_gradient(x, upstream, way, factor)
            return _convolve(upstream, kernel, back, not turned, factor), to_kernel

        return y, gradient

    return run(x, kernel)


def _kernel_gradient(x, gradient, way, factor):
    """The gradient [3, 3, C, out] of `_convolve`, not turned, to its kernel."""

    @tf.custom_gradient
    def run(x, gradient):
        result = library.library().dglgan_kernel_gradient(
            x=x, gradient=gradient, way=way.number, factor=factor
        )
        result = tf.ensure_shape(result, [3, 3, x.shape[3], gradient.shape[3]])

        def second(upstream):
            back = functools.partial(_convolve, kernel=upstream, factor=factor)
            return (
                back(gradient, way=_TRANSPOSE[way], turned=True),
                back(x, way=way, turned=False),
            )

        return result, second

    return run(x, gradient)
