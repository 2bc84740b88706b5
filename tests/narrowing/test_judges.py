"""Discriminators beside a narrowed generator."""

import pytest

from dglgan_tf.narrowing import judges, pruning
from dglgan_tf.networks import biggan, stylegan2, weightless

BIG = {"resolution": 32, "num_channels": 1, "num_classes": 3, "ch": 16}
STYLE = {"resolution": 16, "num_channels": 1, "channel_base": 512, "channel_max": 64}


def entry(kind, config):
    with weightless.weightless():
        made = kind(**config)
    return {"class": kind.__name__, "config": made.get_config()}


@pytest.mark.parametrize(
    "kind, config, widths",
    [
        (biggan.BigGANDiscriminator, BIG, [32, 32, 32, 32]),
        (stylegan2.StyleGAN2Discriminator, STYLE, [32, 32, 16]),
    ],
    ids=["biggan", "stylegan2"],
)
def test_half_the_widths_and_prunable(kind, config, widths):
    whole = kind(**config)
    known = {"class": kind.__name__, "config": whole.get_config()}
    changes = judges.narrowed(known, 0.5)
    assert changes["channels"] == widths
    student = kind.from_config({**known["config"], **changes})
    assert pruning.prune(whole, student)  # raises where more than widths differ
    assert judges.narrowed(known, 0.01)["channels"] == [8] * len(widths)
    assert max(judges.narrowed(known, 1.0)["channels"]) == 64


@pytest.mark.parametrize(
    "kind, judge, config",
    [
        (biggan.BigGANGenerator, biggan.BigGANDiscriminator, BIG),
        (stylegan2.StyleGAN2Generator, stylegan2.StyleGAN2Discriminator, STYLE),
    ],
    ids=["biggan", "stylegan2"],
)
def test_one_for_a_generator_without(kind, judge, config):
    found = judges.beside(entry(kind, config))
    assert found["class"] == judge.__name__
    with weightless.weightless():
        made = judge(**found["config"])
    for name, value in config.items():
        assert getattr(made, name) == value
