"""The recipe's text: names of stages, lengths, what is written for each family."""

import types

import pytest

from dglgan_tf.runs import compression_recipe


@pytest.mark.parametrize(
    "limit, stage",
    [("25%", "s25"), ("12.5%params", "s12_5params"), ("5ms", "s5ms"), ("2MB", "s2MB")],
)
def test_stages_are_named_after_limits(limit, stage):
    assert compression_recipe.stage_of(limit) == stage


@pytest.mark.parametrize(
    "kimg, side, images",
    [
        (3.2, 32, 3200),
        (0.0001, 32, 1),
        (None, 32, 200_000),
        (None, 64, 1_000_000),
        (None, 1024, 3_000_000),
        (None, 2048, 3_000_000),
    ],
)
def test_length_of_a_stage(kimg, side, images):
    wish = types.SimpleNamespace(kimg=kimg)
    source = types.SimpleNamespace(resolution=side)
    assert compression_recipe.length(wish, source) == images


def test_training_of_each_family():
    biggan = compression_recipe._training("biggan", 32, 25_600, 3)
    assert "train.seed = 3" in biggan and "Trainer.batch_size = 64" in biggan
    # Half of a tenth of the stage is forgotten: 2,560 images in 40 steps.
    (decay,) = (line for line in biggan if line.startswith("fixed.decay"))
    assert float(decay.split("=")[1]) ** 40 == pytest.approx(0.5, rel=1e-4)
    style = compression_recipe._training("stylegan2", 256, 3_000_000, 0)
    assert "Objective.r1_gamma = 0.4096" in style  # 0.0002 * 256^2 / 32
    assert "half_life.half_life_images = 10000" in style
