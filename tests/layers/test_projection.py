"""Feature projections: the product, the gain, what passes unchanged."""

import numpy as np
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.layers import projection
from dglgan_tf.networks import base


def test_projection_is_an_equalized_matrix_product():
    layer = projection.Projection([4, 6], [8, 6])
    narrow = np.random.RandomState(0).randn(2, 3, 3, 4).astype(np.float32)
    equal = tf.ones([2, 5, 5, 6])
    projected, passed = layer([tf.constant(narrow), equal])
    expected = narrow @ layer.kernels["0"].numpy() / 2.0
    np.testing.assert_allclose(projected, expected, rtol=1e-5, atol=1e-6)
    assert passed is equal
    assert list(base.named_variables(layer)) == ["kernels/0"]
    assert len(layer.trainable_variables) == 1


def test_projection_starts_with_unit_variance():
    kernel = projection.Projection([64], [128]).kernels["0"].numpy()
    assert kernel.std() == pytest.approx(1.0, abs=0.05)


def test_lists_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="one entry for each feature"):
        projection.Projection([4], [8, 8])
