"""The power step against NumPy, its gradient against central differences."""

import numpy as np
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.ops import spectral


def _numpy_step(matrix, u, eps):
    """matrix [out, rest] in float64, as the papers write it."""
    v = u @ matrix
    v /= max(np.linalg.norm(v), eps)
    u = v @ matrix.T
    u /= max(np.linalg.norm(u), eps)
    return v, u, (v @ matrix.T) @ u


@pytest.mark.parametrize("rows", [False, True])
def test_power_step(rows):
    rng = np.random.default_rng(3)
    shape = (6, 4) if rows else (3, 3, 2, 4)
    kernel = rng.normal(size=shape)
    u = rng.normal(size=6 if rows else 4)
    matrix = kernel if rows else kernel.reshape(-1, 4).T
    v, after, sigma = _numpy_step(matrix, u, 1e-6)
    variable = tf.constant(kernel, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        ours, moved, right = spectral.power_step(
            variable, tf.constant(u, tf.float32), 1e-6, rows
        )
    np.testing.assert_allclose(ours, sigma, rtol=1e-6)
    np.testing.assert_allclose(moved, after, atol=1e-6)
    np.testing.assert_allclose(right, v, atol=1e-6)
    np.testing.assert_allclose(spectral.value(variable, moved, right, rows), ours)
    gradient = np.outer(after, v)  # both vectors are constants
    gradient = gradient if rows else gradient.T.reshape(shape)
    np.testing.assert_allclose(
        tape.gradient(ours, variable), gradient, rtol=1e-5, atol=1e-7
    )


def test_converges_to_the_largest_singular_value():
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(5, 7)).astype(np.float32)
    u = tf.ones([7])
    for _ in range(60):
        sigma, u, _ = spectral.power_step(tf.constant(kernel), u, 1e-12)
    np.testing.assert_allclose(sigma, np.linalg.norm(kernel, 2), rtol=1e-5)


def test_eps_bounds_the_length_of_a_vanishing_kernel():
    kernel = np.full((4, 1), 1e-5, np.float32)
    sigma, u, _ = spectral.power_step(tf.constant(kernel), tf.ones([1]), 1e-3)
    _, after, expected = _numpy_step(kernel.T.astype(np.float64), np.ones(1), 1e-3)
    np.testing.assert_allclose([sigma, u[0]], [expected, after[0]], rtol=1e-5)
    assert float(u[0]) < 1e-3  # not of unit length: the bound was at work
