"""What the parity of both families shares: layouts, gradients, interpolations."""

import numpy as np

from dglgan_tf.compat import tf


def to_nhwc(array):
    """[N, C, H, W] to a float32 tensor [N, H, W, C]."""
    return tf.constant(np.asarray(array, np.float32).transpose(0, 2, 3, 1))


def to_nchw(images):
    """[N, H, W, C] to an array [N, C, H, W]."""
    return np.asarray(images).transpose(0, 3, 1, 2)


def first(labels, count):
    """Returns the first `count` labels; None where there are none."""
    return None if labels is None else labels[:count]


def image_gradient(discriminator, images, labels):
    """Gradient of the summed scores with respect to the images, [N, H, W, C]."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(discriminator(images, labels))
    return tape.gradient(total, images)


def interpolated(discriminator, reference, wrap, labels):
    """WGAN-GP's penalty per sample on mixtures of real and fake images."""
    count = len(reference["out_wgan_gp_penalty"])
    alpha = tf.constant(reference["in_gp_alpha"][:count], tf.float32)
    alpha = alpha[:, None, None, None]
    real = to_nhwc(reference["in_real"][:count])
    fake = to_nhwc(reference["out_img"][:count])
    mixed = alpha * real + (1 - alpha) * fake
    labels = first(labels, count)

    def compute():
        gradient = image_gradient(discriminator, mixed, labels)
        length = tf.sqrt(tf.reduce_sum(tf.square(gradient), axis=[1, 2, 3]))
        return tf.square(length - 1)

    return wrap(compute)()
