"""Top-k weights and their schedule."""

import numpy as np
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.losses import top_k


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_best_samples_share_the_weight(jit_compile):
    function = tf.function(top_k.top_k_weights, jit_compile=jit_compile)
    weights = function(tf.constant([0.1, 3.0, -1.0, 3.0, 2.0]), 0.4)
    np.testing.assert_allclose(weights, [0.0, 2.5, 0.0, 2.5, 0.0])


def test_ties_keep_exactly_the_count():
    weights = top_k.top_k_weights(tf.zeros([4]), 0.75)
    np.testing.assert_allclose(weights, [4 / 3, 4 / 3, 4 / 3, 0.0], rtol=1e-6)


def test_weights_carry_no_gradient():
    logits = tf.constant([1.0, 2.0])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = tf.reduce_sum(top_k.top_k_weights(logits, 0.5) * -logits)
    np.testing.assert_allclose(tape.gradient(loss, logits), [0.0, -2.0])


def test_the_share_falls_each_epoch_and_stops():
    shares = [top_k.top_k_share(n * 1000, 1000, 0.9) for n in (0, 1, 2, 50)]
    np.testing.assert_allclose(shares, [1.0, 0.9, 0.81, 0.5])
    kept = [top_k.top_k_weights(tf.range(64.0), tf.constant(s)) > 0 for s in shares]
    assert [int(np.sum(k)) for k in kept] == [64, 58, 52, 32]


def test_impossible_shares_are_refused():
    with pytest.raises(ValueError, match="share=1.5 must be above 0"):
        top_k.top_k_weights(tf.zeros([2]), 1.5)
    with pytest.raises(ValueError, match="epoch_images=0"):
        top_k.top_k_share(0, 0)
