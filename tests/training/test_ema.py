"""Moving average: decays in closed form, copies, and what is averaged."""

import numpy as np
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.training import ema


def test_half_life_gives_the_published_decay():
    assert ema.half_life(0, 32) == pytest.approx(0.997784, abs=1e-6)
    assert ema.half_life(10**7, 10_000) == pytest.approx(0.5)


def test_half_life_halves_a_weight_after_its_images():
    value = tf.constant(1.0, tf.float64)
    for step in range(25):
        decay = ema.half_life(step * 8, 8, half_life_images=200)
        value = ema.update(value, tf.constant(0.0, tf.float64), decay)
    assert float(value) == pytest.approx(0.5, rel=1e-6)


def test_ramp_up_bounds_the_half_life_by_the_images_seen():
    assert ema.half_life(0, 32, 10_000, 0.05) == 0.0
    assert ema.half_life(6400, 32, 10_000, 0.05) == pytest.approx(0.5**0.1)
    late = ema.half_life(10**6, 32, 10_000, 0.05)
    assert late == pytest.approx(ema.half_life(10**6, 32, 10_000))


def test_fixed_decay_copies_until_its_start_step():
    decays = [ema.fixed(step * 4, 4, 0.9, start_steps=3) for step in range(4)]
    assert decays == [0.0, 0.0, 0.9, 0.9]


def test_decay_zero_is_an_exact_copy():
    values = tf.constant([0.1, 1e-30, -7e12])
    found = ema.update(tf.constant([3.0, 1e20, 0.3]), values, 0.0)
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_whole_state_or_only_what_is_trained(jit_compile):
    averages = [tf.constant([2.0]), tf.constant([4.0]), tf.constant([7])]
    values = [tf.constant([0.0]), tf.constant([0.0]), tf.constant([9])]

    def next_values(whole_state):
        function = tf.function(
            lambda decay: ema.update_all(
                averages, values, [True, False, False], decay, whole_state
            ),
            jit_compile=jit_compile,
        )
        return [float(value[0]) for value in function(tf.constant(0.75))]

    assert next_values(whole_state=True) == [1.5, 3.0, 9.0]
    assert next_values(whole_state=False) == [1.5, 0.0, 9.0]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: ema.half_life(0, 32, 0), "half_life_images=0 must be positive"),
        (lambda: ema.fixed(0, 32, 1.0), "decay=1.0 must be"),
        (
            lambda: ema.update_all([1.0], [1.0, 2.0], [True], 0.5, True),
            "one entry for each variable",
        ),
    ],
)
def test_bad_values_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
