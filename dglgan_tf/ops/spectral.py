"""Spectral norm by one power step, in the layout of the kernels as stored.

The matrix of a convolution has one column for each output channel (HWIO, flattened
without a transpose), so `u` belongs to the columns; the matrix of a class embedding
has one row for each class, and `u` belongs to the rows. Singular values do not
depend on the order of the other axis.
"""

from dglgan_tf.compat import tf


def power_step(kernel, u, eps: float, rows: bool = False):
    """Makes one power step from `u` and estimates the largest singular value.

    Args:
      kernel: [..., out] float32, or [out, features] where `rows` is True.
      u: [out] float32, the stored estimate of the left singular vector.
      eps: lower bound of the lengths in both normalisations.
      rows: whether `u` belongs to the first axis of a matrix.

    Returns:
      sigma: [] with a gradient to `kernel` (both vectors are constants in it).
      u: [out], the vector after the step; no gradient.
      v: [rest], the right singular vector's estimate; no gradient.
    """
    matrix = _matrix(kernel, rows)
    fixed = tf.stop_gradient(matrix)
    # Columns all the way: fewer operations than vectors, and there are many layers.
    v = _normalize(tf.matmul(fixed, tf.expand_dims(u, 1), transpose_a=rows), eps)
    u = _normalize(tf.matmul(fixed, v, transpose_a=not rows), eps)
    v, u = tf.stop_gradient(v), tf.stop_gradient(u)
    sigma = tf.reduce_sum(tf.matmul(matrix, v, transpose_a=not rows) * u)
    return sigma, tf.squeeze(u, 1), tf.squeeze(v, 1)


def value(kernel, u, v, rows: bool = False):
    """Returns u W v, [], of given vectors [out] and [rest] without a power step."""
    product = tf.linalg.matvec(_matrix(kernel, rows), v, transpose_a=not rows)
    return tf.reduce_sum(product * u)


def _matrix(kernel, rows):
    return kernel if rows else tf.reshape(kernel, [-1, kernel.shape[-1]])


def _normalize(column, eps):
    return column / tf.maximum(tf.sqrt(tf.reduce_sum(column * column)), eps)
