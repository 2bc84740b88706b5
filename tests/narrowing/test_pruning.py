"""Pruning: exact copies, exact removal of dead channels, scores, clear errors."""

import functools

import numpy as np
import pytest

from dglgan_tf.compat import keras, tf
from dglgan_tf.narrowing import channels, pruning
from dglgan_tf.networks import base, biggan, biggan_deep, stylegan2

WIDE, NARROW = [8, 6, 6], [5, 4, 2]


def style(widths, kind="generator", **options):
    common = dict(resolution=16, channels=list(widths), **options)
    if kind == "discriminator":
        return stylegan2.StyleGAN2Discriminator(dense_width=6, **common)
    return stylegan2.StyleGAN2Generator(
        z_dim=4, w_dim=5, mapping_layers=2, const_channels=7, **common
    )


def big(ch, kind="generator", **options):
    common = dict(resolution=32, num_classes=3, attention=[16], init="N02", **options)
    if kind == "discriminator":
        return biggan.BigGANDiscriminator(ch=ch, **common)
    return biggan.BigGANGenerator(ch=ch, z_dim=8, shared_dim=4, **common)


def deep(ch, **options):
    plan = [[False, 4 * ch, 4 * ch], [True, 4 * ch, 2 * ch], [True, 2 * ch, 2 * ch]]
    return biggan_deep.BigGANDeepGenerator(
        resolution=16,
        num_classes=3,
        z_dim=6,
        shared_dim=4,
        plan=plan,
        init="N02",
        **options,
    )


def scramble(network, seed=0):
    """Random values for every variable (variances positive): nothing is zero."""
    random = np.random.RandomState(seed)
    for name, variable in base.named_variables(network).items():
        value = random.randn(*variable.shape)
        positive = name.endswith("variance") or name.endswith("variances")
        variable.assign(np.abs(value) + 0.5 if positive else 0.5 * value)
    return network


def latents(network, count=3):
    random = np.random.RandomState(1)
    z = random.randn(count, network.z_dim).astype(np.float32)
    labels = np.arange(count, dtype=np.int32) % 3 if network.num_classes else None
    return z, labels


def output(network):
    if isinstance(network, base.Generator):
        return network(*latents(network)).numpy()
    size = network.resolution
    images = np.random.RandomState(2).randn(3, size, size, 3).astype(np.float32)
    labels = np.arange(3, dtype=np.int32) if network.num_classes else None
    return network(images, labels).numpy()


BUILDERS = {
    "stylegan2": lambda wide: style(WIDE if wide else NARROW),
    "stylegan2_resnet": lambda wide: style(
        WIDE if wide else NARROW, architecture="resnet"
    ),
    "stylegan2_d": lambda wide: style(WIDE if wide else NARROW, kind="discriminator"),
    "stylegan2_d_skip": lambda wide: style(
        WIDE if wide else NARROW, kind="discriminator", architecture="skip"
    ),
    "biggan": lambda wide: big(4 if wide else 2),
    "biggan_classes": lambda wide: big(
        4 if wide else 2, hierarchical=False, shared_embedding=False
    ),
    "biggan_d": lambda wide: big(4 if wide else 2, kind="discriminator"),
    "deep": lambda wide: deep(8 if wide else 4, stored_vectors=True),
}
QUICK = ("stylegan2", "biggan_d")
NAMES = [
    pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow])
    for name in sorted(BUILDERS)
]


@functools.cache
def built(name, wide, number=0):
    """Building costs more than the tests, which set every value that they use."""
    del number
    return BUILDERS[name](wide)


@pytest.mark.parametrize("name", NAMES)
def test_equal_width_is_an_exact_copy(name):
    teacher, student = scramble(built(name, True)), built(name, True, 1)
    kept = pruning.prune(teacher, student)
    copies = base.named_variables(student)
    for path, variable in base.named_variables(teacher).items():
        np.testing.assert_array_equal(copies[path], variable, err_msg=path)
    assert all(np.array_equal(v, np.arange(len(v))) for v in kept.values())


def kill(network, kept):
    """Zeroes whatever reads or makes the channels that are not kept."""
    layout = channels.channel_layout(network)
    variables = base.named_variables(network)
    for path, axes in layout.axes.items():
        if path not in variables or variables[path].shape.rank < 2:
            continue
        value = variables[path].numpy()
        for axis, place in axes.items():
            width = (value.shape[axis] - place.extra) // place.repeats
            dead = np.setdiff1d(np.arange(width), kept[place.group])
            index = np.arange(place.repeats)[:, None] * width + dead
            where = [slice(None)] * value.ndim
            where[axis] = index.ravel()
            if axis < value.ndim - 1 or "affine" not in path:
                value[tuple(where)] = 0
            if place.extra:  # a mean over channels, which changes with their number
                value[(slice(None),) * axis + (slice(-place.extra, None),)] = 0
        variables[path].assign(value)


def random_choice(teacher, student, seed):
    """Random scores, and the channels that they keep."""
    random = np.random.RandomState(seed)
    scores = {g: random.rand(*s.shape) for g, s in magnitudes(teacher).items()}
    return scores, pruning.prune(teacher, student, scores)


def magnitudes(network):
    return pruning.magnitude_scores(network)


def is_scattered(kept):
    """Whether anything but the first channels is kept."""
    return any(not np.array_equal(v, np.arange(len(v))) for v in kept.values())


@pytest.mark.parametrize("name", NAMES)
def test_dropping_dead_channels_changes_nothing(name):
    teacher, student = scramble(built(name, True)), built(name, False)
    scores, kept = random_choice(teacher, student, seed=3)
    assert is_scattered(kept)
    kill(teacher, kept)
    again = pruning.prune(teacher, student, scores)
    assert all(np.array_equal(kept[g], again[g]) for g in kept)
    expected, found = output(teacher), output(student)
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_magnitude_scores_find_the_dead_channels(name):
    teacher, student = scramble(built(name, True)), built(name, False)
    _, kept = random_choice(teacher, student, seed=4)
    kill(teacher, kept)
    found = pruning.prune(teacher, student)
    assert all(set(kept[group]) == set(found[group]) for group in kept)


def test_magnitude_score_is_the_outgoing_norm():
    teacher = scramble(built("stylegan2", True))
    names = base.named_variables(teacher)
    kernel = np.abs(names["blocks/8/conv1/kernel"].numpy())
    expected = kernel.sum((0, 1, 3)) / kernel.mean()
    found = magnitudes(teacher)["blocks/8/conv0"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_diversity_scores_prefer_channels_that_react_to_the_latent():
    teacher = scramble(built("stylegan2", True))
    # Channels 1 and 4 of the last block keep a constant style; nothing else reacts.
    for path, block in teacher.blocks.items():
        for layer in ("conv0", "conv1", "to_rgb"):
            part = getattr(block, layer)
            if part is not None and (path, layer) != ("16", "to_rgb"):
                part.affine.kernel.assign(0 * part.affine.kernel)
    affine = teacher.blocks["16"].to_rgb.affine.kernel
    value = affine.numpy()
    value[:, [1, 4]] = 0
    affine.assign(value)
    ws = teacher.map(*latents(teacher))
    directions = tf.constant(np.random.RandomState(0).randn(3, 1, 5), tf.float32)
    scores = pruning.saliency_scores(
        teacher, [[lambda: pruning.diversity_loss(teacher.synthesize, ws, directions)]]
    )["blocks/16/conv1"]
    assert scores[[1, 4]].max() < 1e-3 * np.delete(scores, [1, 4]).min()


def test_content_scores_ignore_channels_without_a_part_in_the_content():
    teacher = scramble(built("stylegan2", True))
    kernel = teacher.blocks["16"].to_rgb.kernel
    ws = teacher.map(*latents(teacher))
    noise = tf.constant(np.random.RandomState(0).randn(3, 16, 16, 3), tf.float32)
    nothing = pruning.saliency_scores(
        teacher,
        [
            [
                lambda: pruning.content_loss(
                    teacher.synthesize, ws, lambda images: 0 * images[..., :1], noise
                )
            ]
        ],
    )
    assert all(np.abs(score).max() == 0 for score in nothing.values())

    def left(images):
        return tf.concat(
            [tf.ones_like(images[:, :, :8, :1]), 0 * images[:, :, 8:, :1]], 2
        )

    with tf.GradientTape() as tape:
        images, features = teacher.synthesize_with_features(ws)
        loss = pruning.content_loss(lambda _: images, ws, left, noise)
    # By hand: the gradient of the loss is -sign(noise) on the left half.
    gradient = -np.sign(noise) * (np.arange(16) < 8)[None, None, :, None]
    styles = teacher.blocks["16"].to_rgb.affine(ws[:, -1]) / np.sqrt(6)
    read = features[16] * styles[:, None, None, :]
    expected = np.einsum("nhwc,nhwd->cd", read, gradient)
    found = tape.gradient(loss, kernel)[0, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-2)


def test_deep_shortcuts_keep_the_first_channels_in_order():
    teacher, student = scramble(built("deep", True)), built("deep", False)
    _, kept = random_choice(teacher, student, seed=5)
    first, then = kept["linear"], kept["blocks/1/convs/3"]
    np.testing.assert_array_equal(first[: len(then)], then)


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: pruning.prune(built("biggan", False), built("biggan", True)),
            "pruning only narrows",
        ),
        (
            lambda: pruning.prune(
                built("stylegan2", True), built("stylegan2_resnet", False)
            ),
            "differ in more than widths",
        ),
        (
            lambda: pruning.prune(
                built("stylegan2", True),
                stylegan2.StyleGAN2Generator(
                    16, channels=NARROW, z_dim=9, w_dim=5, mapping_layers=2
                ),
            ),
            "give both networks the same latents",
        ),
        (
            lambda: pruning.prune(
                built("stylegan2", True),
                built("stylegan2", False),
                {"constant": [1.0]},
            ),
            r"scores\['constant'\] has shape \(1,\)",
        ),
        (
            lambda: channels.channel_layout(keras.layers.Dense(1)),
            "the channels of a Dense are not described",
        ),
    ],
)
def test_misuse_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
