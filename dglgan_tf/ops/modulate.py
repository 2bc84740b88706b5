"""Modulated convolution as scale, convolve, scale.

Equal to a convolution with weights of its own for each sample (Karras et al. 2020,
section 2.2), but the weights stay constant: faster than a grouped convolution, and an
exported network keeps them as constants that a quantizer can shrink.
"""

from collections.abc import Callable

from dglgan_tf.compat import tf

EPSILON = 1e-8


def modulated_conv(
    x: tf.Tensor,
    kernel: tf.Tensor,
    styles: tf.Tensor,
    conv: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
) -> tf.Tensor:
    """Convolves after scaling the input channels; no demodulation.

    Args:
      x: [N, H, W, C].
      kernel: [k, k, C, out].
      styles: [N, C] factors of the input channels, run-time gain included.
      conv: (input, kernel) -> output, the convolution itself.

    Returns:
      The convolution's output, [N, H', W', out].
    """
    return conv(x * styles[:, None, None, :], kernel)


def demodulation(kernel: tf.Tensor, styles: tf.Tensor) -> tf.Tensor:
    """Returns the factors that give each modulated filter unit length.

    Args:
      kernel: [k, k, C, out].
      styles: [N, C] as given to `modulated_conv`.

    Returns:
      [N, out]: 1 / sqrt(sum of squares of kernel * style, plus 1e-8).
    """
    energy = tf.reduce_sum(tf.square(kernel), axis=[0, 1])
    return tf.math.rsqrt(tf.matmul(tf.square(styles), energy) + EPSILON)


def bounded(kernel: tf.Tensor, styles: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Scales kernel and styles to a largest value of 1, for float16's range.

    Demodulation takes the factors out again, up to its epsilon (StyleGAN2-ADA,
    appendix B): give it the same pair.

    Args:
      kernel: [k, k, C, out]; each of its filters is scaled.
      styles: [N, C]; each row is scaled.
    """
    largest = tf.reduce_max(tf.abs(kernel), axis=[0, 1, 2], keepdims=True)
    length = tf.sqrt(tf.cast(tf.size(kernel[..., 0]), styles.dtype))
    most = tf.reduce_max(tf.abs(styles), axis=1, keepdims=True)
    return kernel / (largest + EPSILON), styles / (length * (most + EPSILON))
