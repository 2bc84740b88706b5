"""Draws for augmentation: one seed, one number, on every device, under XLA or not."""

import math

from dglgan_tf.compat import tf
from dglgan_tf.ops import philox


def keys(seed, use: int, count: int) -> tf.Tensor:
    """Returns [count, 2] int32 seeds, each for one draw of a use of `seed`."""
    seed = philox.fold(seed, use)
    return tf.random.experimental.stateless_split(seed, count, alg="philox")


def uniform(key, shape, low, high):
    """Returns float32 uniform values."""
    return low + (high - low) * philox.uniform(shape, key)


def normal(key, shape, deviation):
    """Returns float32 normal values of mean 0."""
    return deviation * philox.normal(shape, key)


def log_normal(key, shape, octaves):
    """Returns 2^normal: a factor whose logarithm to base 2 has this deviation."""
    return tf.exp(normal(key, shape, octaves * math.log(2.0)))


def chosen(key, batch_size, probability):
    """Returns bool [N], true with a probability."""
    return uniform(key, [batch_size], 0.0, 1.0) < probability


def gate(key, values, probability, otherwise):
    """Returns values where the sample is chosen, else the neutral value."""
    picked = chosen(key, values.shape[0], probability)
    picked = tf.reshape(picked, [-1] + [1] * (values.shape.rank - 1))
    return tf.where(picked, values, otherwise)
