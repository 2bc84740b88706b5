"""Weights that do not fit: what differs and what is possible."""

import re

import pytest

from dglgan_tf.networks import biggan, differences, stylegan2, weightless

SIZES = {"resolution": 32, "num_channels": 1, "num_classes": 3, "ch": 2}


def student(**changed):
    with weightless.weightless():
        return biggan.BigGANDiscriminator(**{**SIZES, **changed})


@pytest.mark.parametrize(
    "changed, words",
    [
        (
            {"resolution": 64},
            r"for images of 32 px, the student for images of 64 px: .*--resolution=32",
        ),
        (
            {"num_channels": 3},
            r"1 colour channels, the student for 3 colour channels: .*--channels=1",
        ),
        (
            {"num_classes": 0},
            r"3 classes, the student for 0 classes: .*--cond=0 for none",
        ),
        ({"ch": 4}, r"widths are others \(ch 2, here 4\): .*train.prune"),
        ({"wide": False}, r"other options \(wide True, here False\)"),
        # The first thing to mend is said first.
        ({"ch": 4, "resolution": 64}, "images of 64 px"),
    ],
)
def test_what_differs_is_said_in_the_user_s_words(changed, words):
    held = {"class": "BigGANDiscriminator", "config": student().get_config()}
    said = differences.describe(held, student(**changed))
    assert re.search(words, said), said
    assert "\n" not in said


def test_another_family_is_named():
    with weightless.weightless():
        network = stylegan2.StyleGAN2Generator(resolution=8, channel_max=4)
    said = differences.describe({"class": "BigGANGenerator", "config": {}}, network)
    assert said.startswith("it is a BigGANGenerator, the student a StyleGAN2Generator")


def test_where_nothing_is_known_nothing_is_said():
    assert differences.describe({}, student()) is None
    held = {"class": "BigGANDiscriminator", "config": student().get_config()}
    assert differences.describe(held, student()) is None
