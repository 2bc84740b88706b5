"""Folded seeds: distinct, not negative, equal under XLA."""

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.ops import seeds


def test_folded_seeds_draw_the_same_numbers_under_xla():
    def draw(seed):
        folded = [seeds.fold(seed, number) for number in range(16)]
        return folded, [
            tf.random.stateless_normal([5], one, alg="philox") for one in folded
        ]

    seed = tf.constant([-3, 4])
    folded, expected = tf.function(draw)(seed)
    _, found = tf.function(draw, jit_compile=True)(seed)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.min(folded) >= 0
    assert len({tuple(np.asarray(one)) for one in folded}) == 16
