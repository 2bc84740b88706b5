"""Weights are copied whole; networks of other images are told apart."""

import numpy as np
import pytest
from support import toy_networks

from dglgan_tf.networks import base, copying, files


def test_a_copy_draws_the_same_images():
    source, target = (toy_networks.ToyGenerator() for _ in range(2))
    z = np.ones((2, 5), np.float32)
    assert np.abs(source(z) - target(z)).max() > 1e-3
    copying.copy_weights(source, target)
    np.testing.assert_array_equal(source(z), target(z))
    codes, images = base.halves(target)  # without styles the latents are the codes
    np.testing.assert_array_equal(images(codes(z, None), None), source(z))


def test_the_first_difference_of_a_pair_is_named():
    generator = toy_networks.ToyGenerator()
    copying.check_pair(generator, toy_networks.ToyDiscriminator(), "teacher")
    other = toy_networks.ToyDiscriminator(num_classes=3)
    with pytest.raises(ValueError, match="teacher has num_classes=3, the generator"):
        copying.check_pair(generator, other, "teacher")


def test_the_averaged_generator_counts_else_the_only_one():
    both = ["discriminator", "generator", "generator_ema"]
    assert files.generator_role(both, "x") == "generator_ema"
    assert files.generator_role(both[:2], "x") == "generator"
    with pytest.raises(ValueError, match="x has no generator .*'discriminator'"):
        files.generator_role(both[:1], "x")
