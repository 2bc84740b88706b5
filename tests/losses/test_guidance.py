"""Teacher guidance: hand-computed terms, its gradient, and the weight schedules."""

import math

import numpy as np
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.losses import adversarial, guidance, schedules

FIRST = [-2.0, 1.0]
SECOND = [-0.5, -3.0]


def softplus(value):
    return math.log1p(math.exp(value))


def teachers():
    return [tf.constant(FIRST), tf.constant(SECOND)]


def test_sum_of_teachers_logistic():
    value = guidance.sum_teachers(teachers(), adversarial.g_logistic)
    expected = [softplus(2.0) + softplus(0.5), softplus(-1.0) + softplus(3.0)]
    np.testing.assert_allclose(value, expected, rtol=1e-6)


def test_sum_of_teachers_hinge_is_minus_the_scores():
    value = guidance.sum_teachers(teachers(), adversarial.g_hinge)
    np.testing.assert_allclose(value, [2.5, 2.0], rtol=1e-6)


def test_dynamic_teachers_count_only_where_they_reject():
    value = guidance.dynamic_teachers(teachers(), adversarial.g_logistic)
    expected = [2.0 * softplus(2.0) + 0.5 * softplus(0.5), 3.0 * softplus(3.0)]
    np.testing.assert_allclose(value, expected, rtol=1e-6)


def test_dynamic_weight_carries_no_gradient():
    logits = tf.constant(FIRST)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = guidance.dynamic_teachers([logits], adversarial.g_hinge)
    # d/ds of w * (-s) with w constant is -w; with a live weight it would be 2 s.
    np.testing.assert_allclose(tape.gradient(loss, logits), [-2.0, 0.0])


def test_relativistic_guidance_takes_the_teachers_real_scores():
    value = guidance.sum_teachers(
        [tf.constant(FIRST)], adversarial.g_relativistic, [tf.constant([1.0, 0.0])]
    )
    np.testing.assert_allclose(value, [softplus(3.0), softplus(-1.0)], rtol=1e-6)
    with pytest.raises(ValueError, match="needs real_logits"):
        guidance.sum_teachers(teachers(), adversarial.g_relativistic)
    with pytest.raises(ValueError, match="one for each teacher"):
        guidance.sum_teachers(
            teachers(), adversarial.g_relativistic, [tf.constant(FIRST)]
        )


@pytest.mark.parametrize("combine", [guidance.sum_teachers, guidance.dynamic_teachers])
def test_no_teacher_and_wrong_shapes_are_errors(combine):
    with pytest.raises(ValueError, match="at least one teacher"):
        combine([], adversarial.g_hinge)
    with pytest.raises(ValueError, match=r"must be \[N\]"):
        combine([tf.zeros([2, 1])], adversarial.g_hinge)


@pytest.mark.parametrize("combine", [guidance.sum_teachers, guidance.dynamic_teachers])
def test_jit_equals_graph(combine):
    def term():
        return combine(teachers(), adversarial.g_logistic)

    compiled = tf.function(term, jit_compile=True)()
    np.testing.assert_allclose(compiled, tf.function(term)(), rtol=1e-6)


@pytest.mark.parametrize(
    "schedule, values",
    [
        (lambda n: schedules.constant(n, 0.1), [0.1, 0.1, 0.1, 0.1]),
        (lambda n: schedules.linear_warmup(n, 0.1, 100), [0.0, 0.025, 0.05, 0.1]),
        (lambda n: schedules.linear_decay(n, 0.3, 100, 0.1), [0.3, 0.25, 0.2, 0.1]),
        (
            lambda n: schedules.cosine_decay(n, 0.2, 100),
            [0.2, 0.1 * (1 + math.sqrt(0.5)), 0.1, 0.0],
        ),
        (
            lambda n: schedules.exponential_decay(n, 0.8, 25),
            [0.8, 0.4, 0.2, 0.8 * 2**-8],
        ),
    ],
)
def test_schedules_at_known_points(schedule, values):
    found = [schedule(images) for images in (0, 25, 50, 200)]
    assert all(isinstance(value, float) for value in found)
    assert found == pytest.approx(values)


def test_schedule_refuses_an_empty_span():
    with pytest.raises(ValueError, match="warmup_images=0 must be positive"):
        schedules.linear_warmup(5, 0.1, 0)
