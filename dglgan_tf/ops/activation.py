"""Leaky ReLU whose gradient needs the result alone."""

from dglgan_tf.compat import tf


def leaky_relu(x: tf.Tensor, slope: float) -> tf.Tensor:
    """Returns x where it is positive, slope * x elsewhere.

    TensorFlow's own gradient keeps `x`; the result has the same signs, so with it the
    memory of `x` is free at once, or taken over by the result.

    Args:
      x: [...], any shape and floating type.
      slope: above 0.

    Returns:
      [...], the shape and type of x.
    """

    @tf.custom_gradient
    def run(x):
        y = tf.nn.leaky_relu(x, slope)
        return y, lambda upstream: _scale(upstream, y, slope)

    return run(x)


def _scale(upstream, y, slope):
    """Multiplies by the slope where y is not positive; linear, to any order."""

    @tf.custom_gradient
    def run(upstream):
        scaled = tf.raw_ops.LeakyReluGrad(gradients=upstream, features=y, alpha=slope)
        return scaled, lambda outer: _scale(outer, y, slope)

    return run(upstream)
