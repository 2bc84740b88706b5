"""Truncation of latents to a threshold, from operations that every runtime has.

BigGAN (Brock et al. 2019, section 3.1) draws latents again until none exceeds a
threshold. Here each value is mapped instead onto the same truncated normal
distribution by its own quantile: equal in distribution, the sign and the order of
values kept, smooth in the threshold, no loop, and a latent still belongs to its seed.
"""

import math

from dglgan_tf.compat import tf

# From this threshold on latents are left alone: 6 of 10 million values exceed it.
UNLIMITED = 5.0

# Rational approximation of erf on [-4, 4]: odd numerator, even denominator.
_ERF_ABOVE = (
    -2.72614225801306e-10,
    2.77068142495902e-08,
    -2.10102402082508e-06,
    -5.69250639462346e-05,
    -7.34990630326855e-04,
    -2.95459980854025e-03,
    -1.60960333262415e-02,
)
_ERF_BELOW = (
    -1.45660718464996e-05,
    -2.13374055278905e-04,
    -1.68282697438203e-03,
    -7.37332916720468e-03,
    -1.42647390514189e-02,
)
# M. Giles, Approximating the erfinv function (2012), single precision.
_ERFINV_CENTRE = (
    2.81022636e-08,
    3.43273939e-07,
    -3.5233877e-06,
    -4.39150654e-06,
    0.00021858087,
    -0.00125372503,
    -0.00417768164,
    0.246640727,
    1.50140941,
)
_ERFINV_TAIL = (
    -0.000200214257,
    0.000100950558,
    0.00134934322,
    -0.00367342844,
    0.00573950773,
    -0.0076224613,
    0.00943887047,
    1.00167406,
    2.83297682,
)


def truncate(z, threshold) -> tf.Tensor:
    """Maps standard normal values to the normal distribution within a threshold.

    Args:
      z: float32 of any shape.
      threshold: float or [] float32, above 0; from `UNLIMITED` on z stays as it is.

    Returns:
      the shape of z, absolute values at most `threshold`.
    """
    z = tf.convert_to_tensor(z)
    threshold = tf.cast(threshold, z.dtype)
    inside = erf(z * math.sqrt(0.5)) * erf(threshold * math.sqrt(0.5))
    mapped = math.sqrt(2) * erfinv(inside)
    mapped = tf.clip_by_value(mapped, -threshold, threshold)
    return tf.where(threshold < UNLIMITED, mapped, z)


def erf(x) -> tf.Tensor:
    """Returns the error function of float32 values; absolute error below 3e-7."""
    x = tf.clip_by_value(x, -4.0, 4.0)
    square = x * x
    return x * _polynomial(_ERF_ABOVE, square) / _polynomial(_ERF_BELOW, square)


def erfinv(y) -> tf.Tensor:
    """Returns the inverse error function of float32 values; relative error 3e-7."""
    w = -tf.math.log(tf.maximum((1 - y) * (1 + y), 1e-12))
    centre = _polynomial(_ERFINV_CENTRE, tf.minimum(w, 5.0) - 2.5)
    tail = _polynomial(_ERFINV_TAIL, tf.sqrt(tf.maximum(w, 5.0)) - 3)
    return y * tf.where(w < 5, centre, tail)


def _polynomial(coefficients, x):
    value = tf.fill(tf.shape(x), coefficients[0])
    for coefficient in coefficients[1:]:
        value = value * x + coefficient
    return value
