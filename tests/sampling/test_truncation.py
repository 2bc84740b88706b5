"""Truncation of latents: closed forms and distribution."""

import math

import numpy as np
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.sampling import truncation


def test_erf_and_its_inverse_agree_with_tensorflow():
    x = np.linspace(-4.5, 4.5, 2001, dtype=np.float32)
    exact = [math.erf(float(value)) for value in x]
    np.testing.assert_allclose(truncation.erf(x), exact, rtol=0, atol=4e-7)
    y = np.linspace(-0.9999, 0.9999, 2001, dtype=np.float32)
    exact = tf.math.erfinv(y.astype(np.float64))
    np.testing.assert_allclose(truncation.erfinv(y), exact, rtol=5e-7, atol=1e-7)


@pytest.mark.parametrize("threshold", [0.3, 1.0, 2.0, 4.0])
def test_truncated_values_have_the_truncated_normal_distribution(threshold):
    z = np.random.RandomState(0).randn(200_000).astype(np.float32)
    mapped = truncation.truncate(z, threshold).numpy()
    assert np.abs(mapped).max() <= threshold
    # the reference draws again what exceeds the threshold
    kept = np.random.RandomState(1).randn(2_000_000)
    kept = kept[np.abs(kept) <= threshold]
    for share in (0.05, 0.25, 0.5, 0.75, 0.95):
        expected = np.quantile(kept, share)
        assert np.quantile(mapped, share) == pytest.approx(expected, abs=0.012)
    order = np.argsort(z)
    assert (np.diff(mapped[order]) >= -4e-6).all()
    np.testing.assert_array_equal(np.sign(mapped), np.sign(z))


def test_a_large_threshold_changes_nothing():
    z = np.random.RandomState(0).randn(1000).astype(np.float32)
    np.testing.assert_array_equal(truncation.truncate(z, 5.0), z)
    np.testing.assert_allclose(truncation.truncate(z, 4.5), z, atol=2e-3)
