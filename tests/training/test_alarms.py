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
