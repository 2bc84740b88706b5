"""Comparison of the generator's two gradients, by hand."""

import numpy as np
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.losses import term_balance


def test_gradients_at_a_known_angle():
    adversarial = np.zeros((2, 2, 1, 1), np.float32)
    guidance = adversarial.copy()
    adversarial[0, 0] = 3.0
    guidance[0, 0], guidance[1, 1] = 0.6, 0.8
    found = term_balance.compare_terms(tf.constant(adversarial), tf.constant(guidance))
    assert float(found["ratio"]) == pytest.approx(1 / 3)
    assert float(found["cosine"]) == pytest.approx(0.6)
    assert float(found["balancing_weight"]) == pytest.approx(3.0)
    weighted = found["balancing_weight"] * guidance
    assert np.linalg.norm(weighted) == pytest.approx(np.linalg.norm(adversarial))


def test_a_silent_teacher_gives_numbers():
    found = term_balance.compare_terms(tf.ones([1, 1, 1, 4]), tf.zeros([1, 1, 1, 4]))
    assert all(np.isfinite(value) for value in found.values())
    assert float(found["ratio"]) == 0.0


@pytest.mark.parametrize(
    "ratio, weight, words",
    [
        (1.0, 0.1, None),
        (1e-3, 0.1, ("saturated", "balances both now: 1e+03")),
        (0.67, 0.005, None),  # the start of a warm-up
        (500.0, 0.1, ("dominates", "balances both now: 0.002")),
        (0.0, 0.1, ("saturated", "now: none")),
        (0.0, 0.0, None),
        (float("nan"), 0.1, None),
    ],
)
def test_warning_names_the_weight_that_would_balance(ratio, weight, words):
    message = term_balance.saturation_warning(ratio, weight)
    if words is None:
        assert message is None
    else:
        assert all(word in message for word in words)
