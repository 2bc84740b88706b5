"""Random numbers: equal under XLA, distributed as stated, distinct by use."""

import numpy as np
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.ops import philox


@pytest.mark.slow
def test_numbers_are_equal_under_xla():
    def draw(seed):
        folded = [philox.fold(seed, number) for number in range(3)]
        return (
            folded,
            [philox.uniform([5], one) for one in folded],
            [philox.normal([3, 7], one) for one in folded],
        )

    for words in ([3, 4], [-3, 2**31 - 1]):
        seed = tf.constant(words)
        expected = tf.nest.flatten(tf.function(draw)(seed))
        found = tf.nest.flatten(tf.function(draw, jit_compile=True)(seed))
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_distributions():
    seed = tf.constant([1, 2])
    uniform = np.sort(philox.uniform([20_000], seed))
    assert 0 <= uniform[0] and uniform[-1] < 1
    grid = (np.arange(20_000) + 0.5) / 20_000
    assert np.abs(uniform - grid).max() < 0.012  # Kolmogorov-Smirnov, far below 1 %
    normal = philox.normal([20_000], seed).numpy()
    for power, moment in ((1, 0), (2, 1), (3, 0), (4, 3)):
        assert np.mean(normal**power) == pytest.approx(moment, abs=0.15)


def test_uses_and_seeds_are_distinct():
    seeds = [tf.constant(words) for words in ([0, 0], [0, 1], [1, 0])]
    folded = {
        tuple(np.asarray(philox.fold(seed, number)))
        for seed in seeds
        for number in range(20)
    }
    assert len(folded) == 60
    assert min(min(pair) for pair in folded) >= 0
