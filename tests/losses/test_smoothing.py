"""Smoothed losses on fixed logits, by hand; their weights are constants."""

import math

import numpy as np
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.losses import smoothing

REAL, FAKE = [0.2, 2.0, -1.0], [-0.3, -2.0, 1.0]
TEACHER_REAL, TEACHER_FAKE = [0.4, 3.0, -2.0], [-0.6, -4.0, 0.5]


def softplus(value):
    return math.log1p(math.exp(value))


def sigmoid(value):
    return 1 / (1 + math.exp(-value))


def relu(value):
    return max(value, 0.0)


def each(function):
    rows = zip(REAL, FAKE, TEACHER_REAL, TEACHER_FAKE, strict=True)
    return [function(*row) for row in rows]


@pytest.mark.parametrize(
    "loss, formula",
    [
        (
            smoothing.d_logistic_smooth,
            lambda r, f, tr, tf_: (
                sigmoid(tr) * softplus(-r) + (1 - sigmoid(tf_)) * softplus(f)
            ),
        ),
        (
            smoothing.d_hinge_smooth,
            lambda r, f, tr, tf_: (
                sigmoid(tr) * relu(1 - r) + (1 - sigmoid(tf_)) * relu(1 + f)
            ),
        ),
        (
            smoothing.d_hinge_piecewise,
            lambda r, f, tr, tf_: (
                (tr if 0 < tr < 1 else 1) * relu(1 - r)
                + (-tf_ if -1 < tf_ < 0 else 1) * relu(1 + f)
            ),
        ),
    ],
)
def test_discriminator_losses_equal_their_formula(loss, formula):
    inputs = [tf.constant(v) for v in (REAL, FAKE, TEACHER_REAL, TEACHER_FAKE)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = loss(*inputs)
    np.testing.assert_allclose(value, each(formula), rtol=1e-5)
    gradients = tape.gradient(value, inputs)
    assert gradients[0] is not None and gradients[1] is not None
    assert gradients[2:] == [None, None]


@pytest.mark.parametrize(
    "loss, weight",
    [
        (smoothing.g_logistic_rejected, lambda t: 1 - sigmoid(t)),
        (smoothing.g_logistic_accepted, sigmoid),
    ],
)
def test_generator_losses_equal_their_formula(loss, weight):
    inputs = [tf.constant(FAKE), tf.constant(TEACHER_FAKE)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = loss(*inputs)
    expected = each(lambda r, f, tr, tf_: weight(tf_) * softplus(-f))
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    assert tape.gradient(value, inputs)[1] is None


def test_wrong_lengths_are_named():
    with pytest.raises(ValueError, match="teacher_real has shape"):
        smoothing.d_hinge_smooth(REAL, FAKE, [0.0], TEACHER_FAKE)
