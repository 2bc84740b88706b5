"""Separable FIR filter passes in native code (`library`), resampling included."""

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.native import library

_MULTIPLE, _MOST = 16, 16  # of channels; taps along an axis


def suit(x, taps: np.ndarray) -> bool:
    """Whether native code is in use (`library.use`) and takes these.

    Args:
      x: [N, H, W, C].
      taps: [k, k].
    """
    if not library.active() or x.dtype != tf.float32 or None in x.shape[1:]:
        return False
    if x.shape[3] % _MULTIPLE or len(taps) > _MOST:
        return False
    return separate(taps) is not None


def separate(taps: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Returns (column, row) [k] with taps = outer(column, row), or None."""
    column, row = taps.sum(axis=1), taps.sum(axis=0) / taps.sum()
    exact = np.allclose(np.outer(column, row), taps, rtol=1e-6, atol=1e-9)
    return (column, row) if exact else None


def resample(
    x, taps: np.ndarray, before: int, sides: list, up: int = 1, down: int = 1
) -> tf.Tensor:
    """Inserts zeros, pads, correlates every channel with the taps, keeps some outputs.

    Output (i, j) is the sum over t, s of taps[t, s] times the zero-inserted input at
    (i * down + t - before, j * down + s - before), zero outside. Its gradient, of any
    order, is another one.

    Args:
      x: [N, H, W, C] float32, see `suit`.
      taps: [k, k], separable.
      before: pixels of padding above and on the left; negative ones crop.
      sides: height and width of the output.
      up: distance of the inputs after zeros were inserted between them.
      down: every so many outputs are computed.

    Returns:
      [N, *sides, C].
    """

    @tf.custom_gradient
    def run(x):
        y = library.library().dglgan_filter(
            x=x,
            taps=tf.constant(np.stack(separate(taps)), tf.float32),
            before=before,
            up=up,
            down=down,
            height=sides[0],
            width=sides[1],
        )
        y = tf.ensure_shape(y, [x.shape[0], *sides, x.shape[3]])

        def gradient(upstream):
            turned, edge = taps[::-1, ::-1], len(taps) - 1 - before
            return resample(upstream, turned, edge, x.shape[1:3], down, up)

        return y, gradient

    return run(x)
