"""What a training starts from: roles of several files, pruned teachers."""

import functools

import numpy as np
import pytest
from support import tiny_training as tiny

from dglgan_tf.foundation import run_directory
from dglgan_tf.metrics import agreement, image_sets, perceptual
from dglgan_tf.networks import base, files, stylegan2
from dglgan_tf.runs import initial_weights
from dglgan_tf.training import state


def style(widths):
    """A StyleGAN2 pair of 16 px."""
    sizes = {"resolution": 16, "num_channels": 1, "channels": widths}
    generator = stylegan2.StyleGAN2Generator(
        **sizes, z_dim=6, w_dim=6, mapping_layers=2, const_channels=8
    )
    return generator, stylegan2.StyleGAN2Discriminator(**sizes, dense_width=6)


def student(widths):
    generator, discriminator = style(widths)
    return state.Networks(generator, discriminator, style(widths)[0])


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """A file with a wide pair whose average differs from its generator."""
    path = tmp_path_factory.mktemp("wide") / "wide.safetensors"
    generator, discriminator = style([8, 8, 6])
    average = style([8, 8, 6])[0]
    for seed, network in enumerate((generator, discriminator, average)):
        tiny.fill(network, seed)
    pair = {"generator": generator, "discriminator": discriminator}
    files.save_networks(path, {**pair, "generator_ema": average})
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    "scores",
    [
        initial_weights.magnitude,
        initial_weights.content_aware,
        initial_weights.diversity_aware,
    ],
    ids=lambda s: s.__name__,
)
def test_as_wide_as_the_teacher_it_is_the_teacher(wide, scores):
    networks = student([8, 8, 6])
    options = {} if scores is initial_weights.magnitude else {"images": 16}
    roles = dict.fromkeys(("generator", "discriminator"), wide)
    wide_pair = initial_weights.score_channels(
        roles, functools.partial(scores, **options), 0
    )
    initial_weights.prune(networks, wide_pair, 0)
    for role, source in (
        ("generator", "generator_ema"),
        ("generator_ema", "generator_ema"),
        ("discriminator", "discriminator"),
    ):
        stored = files.read_tensors(wide, f"{source}/")
        for name, variable in base.named_variables(networks.by_role()[role]).items():
            np.testing.assert_allclose(variable, stored[name], rtol=1e-6, err_msg=name)


@pytest.mark.slow
def test_a_pruned_teacher_is_closer_than_random_weights():
    """The bundled teacher, an eighth of whose channels go."""
    path = run_directory.find_weights("bundled/fashion_stylegan2_teacher")
    teacher = files.load_networks(path, ["generator_ema"])["generator_ema"]
    plan = teacher.get_config() | {
        "channels": [56, 56, 56, 28],
        "const_channels": 64,
    }
    makers = [stylegan2.StyleGAN2Generator(**plan) for _ in range(3)]
    networks = state.Networks(makers[0], tiny.stylegan2_pair(8)[1](), makers[1])
    measure = perceptual.build("efficientnet_lite0")

    def distances(generator):
        pair = [
            image_sets.GeneratedImages(network, network.z_dim, 0, batch_size=32)
            for network in (generator, teacher)
        ]
        return agreement.compare(*pair, 32, measure)["values"]

    random = distances(makers[2])
    for scores in (
        initial_weights.magnitude,
        functools.partial(initial_weights.content_aware, images=32),
        functools.partial(initial_weights.diversity_aware, images=32, directions=1),
    ):
        initial_weights.prune(
            networks, initial_weights.score_channels({"generator": path}, scores, 0), 0
        )
        pruned = distances(networks.generator_ema)
        assert pruned["perceptual"] < random["perceptual"], scores
        assert pruned["pixel_l1"] < random["pixel_l1"], scores


def test_roles_start_from_files_of_their_own(wide):
    networks = student([8, 8, 6])
    before = base.named_variables(networks.discriminator)
    before = {name: variable.numpy() for name, variable in before.items()}
    initial_weights.initialize(networks, {"generator": wide})
    stored = files.read_tensors(wide, "generator/")
    for network in (networks.generator, networks.generator_ema):
        for name, variable in base.named_variables(network).items():
            np.testing.assert_array_equal(variable, stored[name])
    for name, variable in base.named_variables(networks.discriminator).items():
        np.testing.assert_array_equal(variable, before[name])


@pytest.mark.slow
def test_the_teachers_average_is_what_is_imitated(wide):
    generator, _ = style([4, 4, 4])
    teacher = initial_weights.load_teacher_generator(wide, generator)
    stored = files.read_tensors(wide, "generator_ema/")
    for name, variable in base.named_variables(teacher).items():
        np.testing.assert_array_equal(variable, stored[name])
    samples = initial_weights.teacher_samples([wide], 4, seed=0)
    assert samples["images"].shape == (4, 16, 16, 1) and samples["labels"] is None
    assert initial_weights.teacher_samples([], 4, seed=0) is None


def test_teachers_that_draw_otherwise_are_refused(wide, tmp_path):
    generator, discriminator = style([4, 4, 4])
    generator.style_mixing_prob = 0.5
    with pytest.raises(ValueError, match="has style_mixing_prob=0.9, the student has"):
        initial_weights.load_teacher_generator(wide, generator)
    alone = tmp_path / "alone.safetensors"
    files.save_networks(alone, {"discriminator": discriminator})
    with pytest.raises(ValueError, match="has no generator"):
        initial_weights.load_teacher_generator(alone, generator)
    assert initial_weights.teacher_samples([alone], 4, seed=0) is None
    with pytest.raises(ValueError, match="train.prune needs wider weights"):
        initial_weights.score_channels({}, initial_weights.magnitude, 0)
    with pytest.raises(ValueError, match="images=20 must be a multiple of 16"):
        initial_weights.content_aware(generator, 0, images=20)
