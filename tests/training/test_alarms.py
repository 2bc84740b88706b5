"""Alarms speak where they should and are silent otherwise."""

import pytest

from dglgan_tf.training import alarms

WELL = {"diversity/ratio": 0.8, "d/sign_real": 0.6, "guidance/ratio": 1.2}


def test_a_healthy_training_raises_none():
    assert alarms.sentences(WELL, 0.1) == {}
    assert alarms.sentences({}, 0.0) == {}


@pytest.mark.parametrize(
    "changed, name, text",
    [
        ({"diversity/ratio": 0.05}, "collapse", "vary by 0.05 of what the reals do"),
        ({"d/sign_real": 0.99}, "discriminator", "mean sign of their scores 0.990"),
        ({"guidance/ratio": 1e-5}, "guidance", "saturated"),
        ({"guidance/ratio": 1e5}, "guidance", "dominates"),
    ],
)
def test_each_trouble_has_its_sentence(changed, name, text):
    found = alarms.sentences({**WELL, **changed}, 0.1)
    assert list(found) == [name] and text in found[name]


def test_the_loop_says_what_lasts_once_with_the_balancing_weight():
    means = {**WELL, "guidance/ratio": 1e-3}
    heard = alarms.Alarms()
    assert heard.after_tick(means, 0.2) == []  # one tick may mislead
    (alarm,) = heard.after_tick(means, 0.2)
    assert heard.after_tick(means, 0.2) == []  # said once
    assert "saturated" in alarm and alarm.endswith("balances both now: 1e+03")


def test_a_leap_of_singular_values_is_heard_until_it_is_over():
    leaps = alarms.Leaps()
    for value in (1.0, 1.1, 1.2, 1.3, 1.2, 1.4, 2.3):
        assert leaps.sentences({"singular/generator": value, "d/loss": 9.0}) == {}
    for value in (5.0, 9.0):
        found = leaps.sentences({"singular/generator": value})
        assert list(found) == ["singular/generator"]
        assert f"generator's layers is {value:g}, and 1.2 over" in found.popitem()[1]
    assert leaps.sentences({"singular/generator": 1.5}) == {}
