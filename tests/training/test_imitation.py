"""What a student imitates, and discriminators whose features are kept."""

import numpy as np
import pytest
from support import tiny_training as tiny

from dglgan_tf.compat import tf
from dglgan_tf.training import imitation, state, tapped


@pytest.fixture
def networks():
    made = state.Networks(tiny.Linear(), tiny.Quadratic(), tiny.Linear())
    made.teachers, made.teacher_generator = [tiny.Quadratic()], tiny.Linear(width=4)
    for seed, network in enumerate((made.teachers[0], made.teacher_generator)):
        tiny.fill(network, seed)
    return made


def test_the_teacher_draws_from_the_same_latents(networks):
    z = tf.constant(np.random.RandomState(0).randn(5, 3), tf.float32)
    inputs = {"z": z, "seed": tf.constant([1, 2])}
    found = imitation.Imitation(networks, inputs, augment=lambda images: -images)
    teacher = networks.teacher_generator
    expected = z.numpy() @ teacher.mapping.numpy() @ teacher.kernel.numpy()
    np.testing.assert_allclose(
        found.images, expected.reshape(5, tiny.SIDE, tiny.SIDE, 1), rtol=1e-5
    )
    np.testing.assert_allclose(found.logits, networks.teachers[0](-found.images))
    assert found.features[1].shape == (5, 1, 1, 4)
    assert found.images is found.images  # computed once


def test_no_gradient_reaches_the_teacher(networks):
    inputs = {"z": tf.ones([2, 3]), "seed": tf.constant([1, 2])}
    with tf.GradientTape() as tape:
        images = imitation.Imitation(networks, inputs).images
    assert tape.gradient(images, networks.teacher_generator.kernel) is None


def test_features_of_all_calls_are_joined(networks):
    judge = tapped.Tapped(networks.teachers[0])
    images = tf.random.stateless_normal([3, tiny.SIDE, tiny.SIDE, 1], [0, 1])
    logits = judge(images), judge(2.0 * images)
    joined = tapped.joined(judge.calls)[1]
    assert joined.shape == (6, 1, 1, 2)
    np.testing.assert_allclose(joined[3:], 2.0 * joined[:3], rtol=1e-5)
    np.testing.assert_allclose(logits[0], networks.teachers[0](images))
