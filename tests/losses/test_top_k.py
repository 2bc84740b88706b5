"""Top-k weights and their schedule."""

import numpy as np
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.losses import top_k


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_best_samples_share_the_weight(jit_compile):
    function = tf.function(top_k.top_k_weights, jit_compile=jit_compile)
    weights = function(tf.constant([0.1, 3.0, -1.0, 3.0, 2.0]), 2)
    np.testing.assert_allclose(weights, [0.0, 2.5, 0.0, 2.5, 0.0])


def test_ties_keep_exactly_the_count():
    weights = top_k.top_k_weights(tf.zeros([4]), 3)
    np.testing.assert_allclose(weights, [4 / 3, 4 / 3, 4 / 3, 0.0], rtol=1e-6)


def test_weights_carry_no_gradient():
    logits = tf.constant([1.0, 2.0])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = tf.reduce_sum(top_k.top_k_weights(logits, 1) * -logits)
    np.testing.assert_allclose(tape.gradient(loss, logits), [0.0, -2.0])


def test_count_falls_each_epoch_and_stops_at_the_share():
    counts = [top_k.top_k_count(n * 1000, 64, 1000, 0.9) for n in (0, 1, 2, 50)]
    assert counts == [64, 58, 52, 32]


def test_impossible_counts_are_refused():
    with pytest.raises(ValueError, match="count=3 must be between 1 and"):
        top_k.top_k_weights(tf.zeros([2]), 3)
    with pytest.raises(ValueError, match="epoch_images=0"):
        top_k.top_k_count(0, 4, 0)
