"""Sparse training: densities, masks, replacement, by hand."""

import math

import numpy as np
import pytest

from dglgan_tf.training.sparsity import sparse


def test_densities_follow_the_rule_and_meet_the_total():
    shapes = [[3, 3, 64, 64], [3, 3, 64, 32], [1, 1, 32, 128]]
    sizes = [math.prod(shape) for shape in shapes]
    found = sparse.erk_densities(shapes, 0.1)
    kept = sum(d * s for d, s in zip(found, sizes, strict=True))
    assert kept == pytest.approx(0.1 * sum(sizes))
    raw = [sum(shape) / size for shape, size in zip(shapes, sizes, strict=True)]
    ratios = [d / r for d, r in zip(found, raw, strict=True)]
    assert ratios == pytest.approx([ratios[0]] * 3)


def test_small_layers_become_dense_and_the_rest_shares():
    shapes = [[1, 1, 4, 3], [3, 3, 64, 64]]
    found = sparse.erk_densities(shapes, 0.3)
    assert found[0] == 1.0
    assert found[1] == pytest.approx((0.3 * (12 + 36864) - 12) / 36864)
    assert sparse.erk_densities(shapes, 1.0) == pytest.approx([1.0, 1.0])


def test_masks_have_their_density():
    mask = sparse.random_mask([3, 3, 4, 5], 0.3, seed=0)
    assert mask.sum() == 54 and set(np.unique(mask)) == {0.0, 1.0}
    assert not np.array_equal(mask, sparse.random_mask([3, 3, 4, 5], 0.3, seed=1))
    kernel = np.array([[0.1, -3.0], [2.0, 0.2]])
    np.testing.assert_array_equal(
        sparse.magnitude_mask(kernel, 0.5), [[0.0, 1.0], [1.0, 0.0]]
    )


def test_small_weights_go_and_steep_places_come():
    kernel = np.array([5.0, -0.1, 0.3, 0.0, 0.0, 0.0])
    gradient = np.array([9.0, 9.0, 9.0, 0.2, -0.8, 0.5])
    mask = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    found = sparse.drop_and_grow(kernel, gradient, mask, 0.67)
    np.testing.assert_array_equal(found, [1, 0, 0, 0, 1, 1])
    np.testing.assert_array_equal(
        sparse.drop_and_grow(kernel, gradient, mask, 0.0), mask
    )


def test_a_nearly_dense_layer_replaces_only_what_it_can_grow():
    mask = np.array([1.0, 1.0, 1.0, 0.0])
    found = sparse.drop_and_grow(np.array([1.0, 2, 3, 0]), np.ones(4), mask, 1.0)
    np.testing.assert_array_equal(found, [0, 1, 1, 1])


def test_share_falls_along_a_cosine():
    shares = [sparse.cosine_share(n, 100, 0.5, 0.1) for n in (0, 50, 100, 300)]
    assert shares == pytest.approx([0.5, 0.3, 0.1, 0.1])


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: sparse.erk_densities([[1, 1]], 0.0), "density=0.0 must be"),
        (lambda: sparse.drop_and_grow([1.0], [1.0], [1.0], 2.0), "share=2.0 must be"),
        (lambda: sparse.cosine_share(0, 0), "total_images=0 must be"),
    ],
)
def test_bad_values_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
