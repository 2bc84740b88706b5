"""Weight initialisation of the BigGAN family, by the names that its recipes use."""

import numpy as np

from dglgan_tf.compat import keras, tf


class Orthogonal(keras.initializers.Initializer):
    """Random matrix with orthonormal columns or rows, of a kernel flattened to 2-D.

    The distribution is uniform (the signs of the triangular factor are fixed).
    """

    def __call__(self, shape, dtype=None, **kwargs):
        del kwargs
        rows, columns = int(np.prod(shape[:-1])), int(shape[-1])
        tall = (max(rows, columns), min(rows, columns))
        sample = tf.random.normal(tall, dtype=dtype or tf.float32)
        if tf.executing_eagerly():
            matrix = _orthonormal(sample.numpy())
        else:
            matrix, triangle = tf.linalg.qr(sample)
            matrix = matrix * tf.sign(tf.linalg.diag_part(triangle))
        matrix = matrix if rows >= columns else tf.transpose(matrix)
        return tf.reshape(tf.cast(matrix, sample.dtype), shape)

    def get_config(self) -> dict:
        """Returns the constructor's arguments: none."""
        return {}


def _orthonormal(sample):
    """Returns a tall random matrix's orthonormal factor (positive triangle).

    Twice as tall as wide, a Gaussian matrix is so well conditioned that its Gram
    matrix gives the same factor by matrix products alone, many times faster.
    """
    if sample.shape[0] >= 2 * sample.shape[1]:
        gram = (sample.T @ sample).astype(np.float64)
        inverse = np.linalg.inv(np.linalg.cholesky(gram)).T
        return sample @ inverse.astype(sample.dtype)
    matrix, triangle = np.linalg.qr(sample)
    return matrix * np.sign(np.diag(triangle))


_BY_NAME = {
    "orthogonal": Orthogonal,
    "N02": lambda: keras.initializers.RandomNormal(stddev=0.02),
    "xavier": keras.initializers.GlorotUniform,
}


def make(name: str) -> keras.initializers.Initializer:
    """Returns the initializer 'orthogonal', 'N02' or 'xavier'.

    Raises:
      ValueError: another name.
    """
    if name not in _BY_NAME:
        raise ValueError(f"init={name!r} must be one of {sorted(_BY_NAME)}")
    return _BY_NAME[name]()


def uniform_bias(fan_in: int) -> keras.initializers.Initializer:
    """Returns the initializer of biases: uniform in +-1/sqrt(fan_in)."""
    limit = 1 / np.sqrt(fan_in)
    return keras.initializers.RandomUniform(-limit, limit)
