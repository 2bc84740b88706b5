"""Initial weights: orthonormal, of the right spread, by name."""

import numpy as np
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.layers import initializers


@pytest.mark.parametrize("shape", [(3, 3, 8, 5), (1, 1, 6, 5), (2, 9), (4, 4)])
@pytest.mark.parametrize("graph", [False, True])
def test_orthogonal(shape, graph):
    make = initializers.make("orthogonal")
    if graph:
        kernel = tf.function(lambda: make(shape))().numpy()
    else:
        kernel = make(shape).numpy()
    matrix = kernel.reshape(-1, shape[-1])
    if matrix.shape[0] < matrix.shape[1]:
        matrix = matrix.T
    gram = matrix.T @ matrix
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=2e-6)


def test_both_ways_to_the_factor_agree():
    """The Gram matrix gives what Householder reflections give."""
    sample = np.random.default_rng(0).normal(size=(64, 32))
    matrix, triangle = np.linalg.qr(sample)
    expected = matrix * np.sign(np.diag(triangle))
    ours = initializers._orthonormal(sample)
    np.testing.assert_allclose(ours, expected, atol=1e-10)


def test_orthogonal_is_uniform():
    """No preferred sign: entries of the first column average to zero."""
    make = initializers.make("orthogonal")
    firsts = [float(make((4, 2))[0, 0]) for _ in range(200)]
    assert abs(np.mean(firsts)) < 0.15  # standard error 0.035
    assert abs(np.mean(np.square(firsts)) - 0.25) < 0.1


def test_spread_and_bias():
    assert 0.018 < np.std(initializers.make("N02")((50, 60))) < 0.022
    xavier = initializers.make("xavier")((3, 3, 20, 10)).numpy()
    assert np.abs(xavier).max() <= np.sqrt(6 / (9 * 30)) < 1.05 * np.abs(xavier).max()
    bias = initializers.uniform_bias(16)((1000,)).numpy()
    assert 0.24 < np.abs(bias).max() <= 0.25


def test_unknown_name():
    with pytest.raises(ValueError, match="init='he' must be one of"):
        initializers.make("he")
