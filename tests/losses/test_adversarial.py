"""Adversarial losses against hand-computed values, slopes and their contract."""

import math

import numpy as np
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.losses import adversarial, needs

REAL = [2.0, 0.5, -1.0]
FAKE = [-3.0, 0.0, 1.5]

D_LOSSES = [
    adversarial.d_logistic,
    adversarial.d_hinge,
    adversarial.d_wgan,
    adversarial.d_relativistic,
]
G_LOSSES = [
    adversarial.g_logistic,
    adversarial.g_hinge,
    adversarial.g_wgan,
    adversarial.g_relativistic,
]


def softplus(value):
    return math.log1p(math.exp(value))


def pairs(function):
    return [function(r, f) for r, f in zip(REAL, FAKE, strict=True)]


@pytest.mark.parametrize(
    "loss, expected",
    [
        (adversarial.d_logistic, pairs(lambda r, f: softplus(-r) + softplus(f))),
        (adversarial.d_hinge, [0.0, 0.5 + 1.0, 2.0 + 2.5]),
        (adversarial.d_wgan, [-5.0, -0.5, 2.5]),
        (adversarial.d_relativistic, pairs(lambda r, f: softplus(f - r))),
    ],
)
def test_discriminator_losses_equal_hand_computed_values(loss, expected):
    value = loss(tf.constant(REAL), tf.constant(FAKE))
    np.testing.assert_allclose(value, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "loss, expected",
    [
        (adversarial.g_logistic, [softplus(-f) for f in FAKE]),
        (adversarial.g_hinge, [3.0, 0.0, -1.5]),
        (adversarial.g_wgan, [3.0, 0.0, -1.5]),
        (adversarial.g_relativistic, pairs(lambda r, f: softplus(r - f))),
    ],
)
def test_generator_losses_equal_hand_computed_values(loss, expected):
    scores = {"fake_logits": tf.constant(FAKE), "real_logits": tf.constant(REAL)}
    value = needs.call(loss, **scores)
    np.testing.assert_allclose(value, expected, rtol=1e-6)


@pytest.mark.parametrize("loss", D_LOSSES)
def test_better_discriminator_scores_give_a_lower_loss(loss):
    bad = loss(tf.constant([-0.5]), tf.constant([0.5]))
    good = loss(tf.constant([0.5]), tf.constant([-0.5]))
    assert float(good[0]) < float(bad[0])


@pytest.mark.parametrize("loss", D_LOSSES + G_LOSSES)
def test_losses_stay_finite_and_float32_for_huge_and_half_logits(loss):
    first, second = [tf.constant([1e4, -1e4], tf.float16) for _ in range(2)]
    value = needs.call(loss, real_logits=first, fake_logits=second)
    assert value.dtype == tf.float32
    assert np.isfinite(value).all()


def test_non_saturating_loss_keeps_its_slope_on_rejected_fakes():
    logits = tf.constant([-20.0])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = adversarial.g_logistic(logits)
    assert float(tape.gradient(loss, logits)[0]) == pytest.approx(-1.0, abs=1e-6)


def test_only_the_relativistic_generator_loss_asks_for_real_logits():
    asks = [needs.needs(loss, "real_logits") for loss in G_LOSSES]
    assert asks == [False, False, False, True]
    with pytest.raises(ValueError, match="g_relativistic needs real_logits"):
        needs.call(
            adversarial.g_relativistic, fake_logits=tf.zeros([2]), real_logits=None
        )


@pytest.mark.parametrize("loss", D_LOSSES)
def test_wrong_shapes_are_named(loss):
    with pytest.raises(ValueError, match=r"real_logits has shape \(2, 1\)"):
        loss(tf.zeros([2, 1]), tf.zeros([2]))
    with pytest.raises(ValueError, match="same length"):
        loss(tf.zeros([2]), tf.zeros([3]))


@pytest.mark.parametrize("loss", G_LOSSES)
def test_generator_losses_refuse_a_trailing_axis(loss):
    with pytest.raises(ValueError, match=r"fake_logits has shape \(2, 1\)"):
        needs.call(loss, fake_logits=tf.zeros([2, 1]), real_logits=tf.zeros([2]))
