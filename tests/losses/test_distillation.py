"""Distillation baselines on fixed logits and features, by hand."""

import math

import numpy as np
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.losses import distillation
from dglgan_tf.metrics import kernel


def softplus(value):
    return math.log1p(math.exp(value))


def sigmoid(value):
    return 1 / (1 + math.exp(-value))


def normal(seed, shape):
    return np.random.RandomState(seed).randn(*shape).astype(np.float32)


def gradients(function, *tensors):
    tensors = [tf.constant(value) for value in tensors]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        loss = function(*tensors)
    return tape.gradient(loss, tensors)


def test_self_supervised_equals_the_formula_and_trains_the_student_only():
    student, teacher = [0.5, -1.0, 2.0], [1.5, -1.0, -0.5]

    def formula(s, t):
        generator = (softplus(-t) - softplus(-s)) ** 2 / softplus(-t) ** 2
        discriminator = (softplus(t) - softplus(s)) ** 2 / softplus(t) ** 2
        return generator + 0.5 * discriminator

    value = distillation.self_supervised(tf.constant(student), tf.constant(teacher))
    expected = [formula(s, t) for s, t in zip(student, teacher, strict=True)]
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-7)
    to_student, to_teacher = gradients(distillation.self_supervised, student, teacher)
    assert to_teacher is None
    assert float(to_student[0]) < 0 < float(to_student[2])


def test_self_supervised_stays_finite_for_a_certain_teacher():
    value = distillation.self_supervised(
        tf.constant([0.0, 0.0]), tf.constant([200.0, -200.0])
    )
    assert np.isfinite(value).all()


def test_output_l1_averages_over_each_image():
    student = np.zeros((2, 2, 2, 1), np.float32)
    teacher = student.copy()
    teacher[1, 0, 0, 0] = -2.0
    value = distillation.output_l1(tf.constant(student), tf.constant(teacher))
    np.testing.assert_allclose(value, [0.0, 0.5])
    assert gradients(distillation.output_l1, student, teacher)[1] is None


def test_feature_l1_sums_the_means_of_the_features():
    student = [normal(0, (2, 4, 4, 3)), normal(1, (2, 5))]
    teacher = [normal(2, (2, 4, 4, 3)), normal(3, (2, 5))]
    expected = np.abs(student[0] - teacher[0]).mean((1, 2, 3))
    expected = expected + np.abs(student[1] - teacher[1]).mean(1)
    value = distillation.feature_l1(student, teacher)
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_feature_l1_names_what_does_not_fit():
    feature = normal(0, (2, 4, 4, 3))
    with pytest.raises(ValueError, match=r"student_features\[0\] has shape"):
        distillation.feature_l1([feature], [normal(0, (2, 4, 4, 6))])
    with pytest.raises(ValueError, match="0 entries and teacher_features 0"):
        distillation.feature_l1([], [])


def test_perceptual_distance_compares_directions_of_features():
    student, teacher = normal(4, (2, 3, 3, 4)), normal(5, (2, 3, 3, 4))

    def features(images):
        return [images, 7.0 * images[:, ::2]]

    def units(images):
        return images / np.linalg.norm(images, axis=-1, keepdims=True)

    distance = np.sum((units(student) - units(teacher)) ** 2, -1)
    expected = distance.mean((1, 2)) + distance[:, ::2].mean((1, 2))
    value = distillation.perceptual(student, teacher, features)
    np.testing.assert_allclose(value, expected, rtol=1e-4)
    same = distillation.perceptual(3.0 * teacher, teacher, features)
    np.testing.assert_allclose(same, [0.0, 0.0], atol=1e-6)


@pytest.mark.parametrize("shape", [(2, 3), (7, 5)])
def test_distribution_distance_is_the_kernel_distance(shape):
    student, teacher = normal(6, shape), normal(7, shape)
    value = distillation.distribution_distance(student, teacher)
    # A small difference of large sums: 1.1e-5 was seen.
    assert float(value) == pytest.approx(kernel.mmd2(student, teacher), rel=1e-4)
    shuffled = distillation.distribution_distance(student, teacher[::-1].copy())
    assert float(shuffled) == pytest.approx(float(value), rel=1e-4)
    with tf.GradientTape() as tape:
        x, y = tf.constant(student), tf.constant(teacher)
        tape.watch([x, y])
        value = distillation.distribution_distance(x, y)
    to_student, to_teacher = tape.gradient(value, [x, y])
    assert to_teacher is None
    step = 1e-4 * normal(8, shape)
    higher, lower = (kernel.mmd2(student + s * step, teacher) for s in (1, -1))
    slope = float(tf.reduce_sum(to_student * step))
    assert slope == pytest.approx((higher - lower) / 2, rel=1e-3)


def test_latent_directions_compare_relations_row_by_row():
    student, teacher = ((normal(s, (3, 4)), normal(s + 1, (3, 4))) for s in (8, 10))

    def rows(images, moved):
        def unit(x):
            return x / np.linalg.norm(x, axis=1, keepdims=True)

        found = np.exp(unit(images) @ unit(moved).T / 0.5)
        return found / found.sum(1, keepdims=True)

    ours, wanted = rows(*student), rows(*teacher)
    expected = (wanted * np.log(wanted / ours)).sum(1)
    value = distillation.latent_directions(student, teacher, 0.5)
    np.testing.assert_allclose(value, expected, rtol=1e-4)
    same = distillation.latent_directions(teacher, teacher, 0.5)
    np.testing.assert_allclose(same, np.zeros(3), atol=1e-6)
    slopes = gradients(
        lambda *x: tf.reduce_sum(distillation.latent_directions(x[:2], x[2:])),
        *student,
        *teacher,
    )
    assert all(np.abs(slope).max() > 0 for slope in slopes[:2])
    assert slopes[2:] == [None, None]
    with pytest.raises(ValueError, match="temperature=0 must be above 0"):
        distillation.latent_directions(student, teacher, 0)


def test_distribution_distance_needs_two_samples():
    with pytest.raises(ValueError, match="must be .N, C. with N >= 2"):
        distillation.distribution_distance(normal(0, (1, 3)), normal(1, (1, 3)))


def test_logit_alignment_is_the_cross_entropy():
    student, teacher = [0.3, -2.0], [1.0, 0.5]

    def entropy(s, t):
        return -sigmoid(t) * math.log(sigmoid(s)) - (1 - sigmoid(t)) * math.log(
            1 - sigmoid(s)
        )

    value = distillation.logit_alignment(tf.constant(student), tf.constant(teacher))
    expected = [entropy(s, t) for s, t in zip(student, teacher, strict=True)]
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    slope, none = gradients(distillation.logit_alignment, student, teacher)
    expected = [sigmoid(s) - sigmoid(t) for s, t in zip(student, teacher, strict=True)]
    np.testing.assert_allclose(slope, expected, rtol=1e-5)
    assert none is None


def test_logit_divergence_is_zero_only_where_both_agree():
    value = distillation.logit_divergence(
        tf.constant([0.7, 2.0]), tf.constant([0.7, -1.0])
    )
    p, q = sigmoid(-1.0), sigmoid(2.0)
    divergence = p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
    np.testing.assert_allclose(value, [0.0, divergence], rtol=1e-5, atol=1e-7)


def test_teacher_samples_count_as_fakes():
    logits = tf.constant([-2.0, 0.5])
    np.testing.assert_allclose(
        distillation.d_teacher_samples_logistic(logits),
        [softplus(-2.0), softplus(0.5)],
        rtol=1e-6,
    )
    np.testing.assert_allclose(
        distillation.d_teacher_samples_hinge(logits), [0.0, 1.5], rtol=1e-6
    )


@pytest.mark.parametrize("chosen", [False, True])
def test_teacher_samples_replace_the_whole_microbatch_with_their_labels(chosen):
    real, made = np.zeros((3, 2, 2, 1)), np.ones((3, 2, 2, 1))
    images, labels = distillation.teacher_samples_as_data(
        real, tf.constant([0, 1, 2]), made, tf.constant([7, 8, 9]), tf.constant(chosen)
    )
    np.testing.assert_array_equal(images, made if chosen else real)
    np.testing.assert_array_equal(labels, [7, 8, 9] if chosen else [0, 1, 2])
    assert (
        distillation.teacher_samples_as_data(real, None, made, None, chosen)[1] is None
    )
