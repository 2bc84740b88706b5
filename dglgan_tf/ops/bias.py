"""Bias of a feature map, with the faster gradient."""

from dglgan_tf.compat import tf


def add(x: tf.Tensor, bias) -> tf.Tensor:
    """Adds a bias to each channel.

    oneDNN joins TensorFlow's own gradient of a bias with the kernel gradient of the
    convolution before it, and the pair takes up to 1.4 times as long as a sum beside
    the kernel gradient; the forward pass stays joined.

    Args:
      x: [..., C], of any floating type.
      bias: [C] float32, tensor or variable; its gradient adds up in float32.

    Returns:
      [..., C].
    """
    return _add(x, tf.convert_to_tensor(bias))


@tf.custom_gradient
def _add(x, bias):
    def gradient(upstream):
        wide = tf.cast(upstream, bias.dtype)
        return upstream, tf.reduce_sum(wide, list(range(x.shape.rank - 1)))

    return tf.nn.bias_add(x, tf.cast(bias, x.dtype)), gradient
