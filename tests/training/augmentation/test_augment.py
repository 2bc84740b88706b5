"""Fixed-strength augmentation against NumPy, its draws, gradients and XLA."""

import numpy as np
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.training.augmentation import augment

SEED = np.array([7, 11], np.int32)
ONE = tf.constant(1.0)


def pictures(count=3, size=8, channels=3):
    shape = count, size, size, channels
    return np.random.RandomState(0).uniform(-1, 1, shape).astype(np.float32)


def test_color_equals_numpy():
    images = pictures()
    values = np.array([[0.3, -0.5, 0.0], [0.0, 2.0, 0.7], [0.5, 1.5, 1.1]], np.float32)
    found = augment.change_color(tf.constant(images), *tf.constant(values))
    for n, image in enumerate(images):
        brightness, saturation, contrast = values[:, n]
        image = image + brightness
        grey = image.mean(2, keepdims=True)
        image = grey + saturation * (image - grey)
        image = image.mean() + contrast * (image - image.mean())
        np.testing.assert_allclose(found[n], image, atol=1e-6)


def test_translation_brings_in_zeros():
    images = pictures(count=2)
    found = augment.translate(tf.constant(images), tf.constant([[1, 0], [-2, 3]]))
    expected = np.zeros_like(images)
    expected[0, 1:] = images[0, :-1]
    expected[1, :-2, 3:] = images[1, 2:, :-3]
    np.testing.assert_array_equal(found, expected)


def test_erased_box_may_lie_partly_outside():
    found = augment.erase(tf.ones([2, 6, 6, 1]), tf.constant([[1, 2], [-2, 4]]), [3, 4])
    expected = np.ones((2, 6, 6, 1))
    expected[0, 1:4, 2:6] = 0
    expected[1, :1, 4:] = 0
    np.testing.assert_array_equal(found, expected)


def test_draws_reach_the_limits_of_the_paper_and_not_beyond():
    shifts = augment._offsets(SEED, (4000, 16, 32, 3), 0.125).numpy()
    assert shifts.min(0).tolist() == [-2, -4]
    assert shifts.max(0).tolist() == [2, 4]
    counts = np.unique(shifts[:, 0], return_counts=True)[1]
    assert np.abs(counts / 4000 - 1 / 5).max() < 0.03


@pytest.mark.parametrize("size", [8, 9])
def test_cutout_hits_every_pixel_and_keeps_its_area(size):
    images = tf.ones([500, size, size, 1])
    kept = augment.diffaugment(images, SEED, ONE, color=False, translation=0)
    erased = (1 - kept.numpy()).sum((1, 2, 3))
    assert erased.max() == round(size / 2) ** 2
    assert erased.min() >= (round(size / 2) // 2) ** 2
    assert ((1 - kept.numpy()).mean(0) > 0).all()


def test_mirror_flips_about_half_and_only_flips():
    images = pictures(count=400, size=4)
    found = augment.mirror(images, SEED, ONE).numpy()
    flipped = np.array(
        [np.array_equal(f, i[:, ::-1]) for f, i in zip(found, images, strict=True)]
    )
    np.testing.assert_array_equal(found[~flipped], images[~flipped])
    assert flipped.mean() == pytest.approx(0.5, abs=0.08)


def test_chain_gives_each_part_its_own_seed():
    images = pictures(count=16)
    parts = [augment.mirror, augment.mirror]
    twice = augment.chain(images, SEED, ONE, parts).numpy()
    assert not np.array_equal(twice, images)  # one seed for both would undo the flips
    np.testing.assert_array_equal(augment.chain(images, SEED, ONE, []), images)
    np.testing.assert_array_equal(augment.none(images, SEED, ONE), images)


@pytest.mark.slow
def test_gradient_flows_and_xla_agrees():
    images = tf.constant(pictures())
    weights = tf.constant(pictures()[::-1].copy())

    def value_and_gradient(images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            changed = augment.diffaugment(images, SEED, ONE)
            product = tf.reduce_sum(changed * weights)
        return changed, tape.gradient(product, images)

    graph = tf.function(value_and_gradient)(images)
    compiled = tf.function(value_and_gradient, jit_compile=True)(images)
    for expected, value in zip(graph, compiled, strict=True):
        np.testing.assert_allclose(value, expected, atol=1e-5)
    # The map is affine: its value at x minus its value at 0 is <gradient, x>.
    zero = tf.reduce_sum(augment.diffaugment(0 * images, SEED, ONE) * weights)
    product = tf.reduce_sum(graph[0] * weights)
    linear = float(tf.reduce_sum(graph[1] * images))
    assert float(product - zero) == pytest.approx(linear, rel=1e-4, abs=1e-3)
