"""Random numbers from a seed, equal in graph mode, under XLA and on every device.

`tf.random.stateless_uniform` and `stateless_normal` with alg='philox' make floats of
other bits of the same integers when XLA compiles them, and take a negative seed another
way (seen with TensorFlow 2.21 on a CPU). The integers of a seed that is not negative
agree everywhere, so everything here is made of those.
"""

import math

from dglgan_tf.compat import tf

_POSITIVE = 0x7FFFFFFF
_MANTISSA = 0x7FFFFF
_STEP = 2.0**-23


def fold(seed: tf.Tensor, number: int) -> tf.Tensor:
    """Returns a new seed [2] int32, not negative, for the use `number` of a seed.

    Args:
      seed: [2] int32; the sign bits do not count.
      number: tells the uses apart.
    """
    folded = tf.random.experimental.stateless_fold_in(
        _not_negative(seed), number, alg="philox"
    )
    return _not_negative(folded)


def uniform(shape, seed: tf.Tensor) -> tf.Tensor:
    """Returns float32 numbers in [0, 1), multiples of 2^-23.

    Args:
      shape: of the result: integers, or an integer tensor.
      seed: [2] int32; the sign bits do not count.

    Returns:
      [*shape] float32.
    """
    return tf.cast(_integers(shape, seed), tf.float32) * _STEP


def normal(shape, seed: tf.Tensor) -> tf.Tensor:
    """Returns standard normal numbers, none beyond 5.8.

    Args:
      shape: of the result: integers, or an integer tensor.
      seed: [2] int32; the sign bits do not count.

    Returns:
      [*shape] float32.
    """
    first = _integers(shape, fold(seed, 0))
    second = _integers(shape, fold(seed, 1))
    # Box and Muller; half a step keeps the logarithm away from zero.
    radius = tf.sqrt(-2.0 * tf.math.log((tf.cast(first, tf.float32) + 0.5) * _STEP))
    angle = tf.cast(second, tf.float32) * (2.0 * math.pi * _STEP)
    return radius * tf.cos(angle)


def _integers(shape, seed):
    """Uniform integers of 23 bits."""
    drawn = tf.random.stateless_uniform(
        shape,
        _not_negative(seed),
        minval=None,
        maxval=None,
        dtype=tf.int32,
        alg="philox",
    )
    return tf.bitwise.bitwise_and(drawn, tf.constant(_MANTISSA))


def _not_negative(seed):
    return tf.bitwise.bitwise_and(tf.cast(seed, tf.int32), tf.constant(_POSITIVE))
