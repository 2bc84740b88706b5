"""Stateless draws for augmentation: one seed, one number, on every device."""

import math

from dglgan_tf.compat import tf


def uniform(key, shape, low, high):
    """Returns float32 uniform values."""
    return tf.random.stateless_uniform(shape, key, low, high, alg="philox")


def normal(key, shape, deviation):
    """Returns float32 normal values of mean 0."""
    return tf.random.stateless_normal(shape, key, 0.0, deviation, alg="philox")


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
