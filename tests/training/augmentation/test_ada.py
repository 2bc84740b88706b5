"""ADA against an independent NumPy reference, gradients, XLA, the adaptive rule."""

import math

import numpy as np
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.losses import regularizers
from dglgan_tf.ops import philox, wavelets
from dglgan_tf.training.augmentation import ada, ada_draws, ada_geometry, ada_pixels

SEED = np.array([3, 5], np.int32)
ALL = dict.fromkeys(ada._PARTS, 1.0)


def pictures(seed=0, size=16, channels=3, count=2):
    """Smooth random pictures in about [-1, 1]."""
    noise = np.random.RandomState(seed).randn(count, size, size, channels)
    for axis in (1, 2):
        noise = sum(np.roll(noise, k, axis) for k in range(-1, 2)) / 3
    return (2 * noise).astype(np.float32)


def columns(**values):
    return {k: tf.constant(v, tf.float32) for k, v in values.items()}


def reference_upsample(line):
    """Zero insertion, then a full convolution with sym6 of gain sqrt(2)."""
    inserted = np.zeros(2 * len(line))
    inserted[::2] = line
    return np.convolve(inserted, wavelets.SYM6 * 2**0.5)[5 : 5 + len(inserted)]


def reference_downsample(line):
    filtered = np.convolve(line, wavelets.SYM6[::-1] / 2**0.5)
    return filtered[6 : 6 + len(line) : 2]


def along(function, image):
    image = np.apply_along_axis(function, 0, image)
    return np.apply_along_axis(function, 1, image)


def reference_warp(image, forward):
    """The paper's order: mirror by a whole image, upsample, sample, downsample.

    `forward` is the 3x3 matrix on (x right, y down, 1) in pixels from the middle.
    """
    size = len(image)
    fine = along(reference_upsample, np.pad(image, size - 1, mode="reflect"))
    middle = (len(fine) - 1) / 2
    scale = np.diag([2.0, 2.0, 1.0])  # fine pixels
    back = np.linalg.inv(scale @ forward @ np.linalg.inv(scale))
    result = np.zeros((2 * size + 24, 2 * size + 24))
    half = (len(result) - 1) / 2
    for row in range(len(result)):
        for column in range(len(result)):
            x, y, _ = back @ [column - half, row - half, 1.0]
            x, y = x + middle, y + middle
            left, top = math.floor(x), math.floor(y)
            a, b = x - left, y - top
            patch = fine[top : top + 2, left : left + 2]
            weights = np.outer([1 - b, b], [1 - a, a])
            result[row, column] = np.sum(patch * weights)
    return along(reference_downsample, result)[6:-6, 6:-6]


def rotation(angle):
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def test_warp_equals_the_reference_of_the_paper():
    images = pictures(channels=1)
    scale, first, stretch, second, offset = 1.3, 0.5, 1.15, -0.2, (0.03, -0.05)
    drawn = columns(
        scale=[scale] * 2,
        first_angle=[first] * 2,
        stretch=[stretch] * 2,
        second_angle=[second] * 2,
        offset=[offset] * 2,
    )
    forward = rotation(first) @ np.diag([scale, scale, 1.0])
    forward = rotation(second) @ np.diag([stretch, 1 / stretch, 1.0]) @ forward
    shift = np.eye(3)
    shift[:2, 2] = offset[1] * 16, offset[0] * 16
    value = ada_geometry.warp(tf.constant(images), **drawn).numpy()
    for image, found in zip(images, value, strict=True):
        expected = reference_warp(image[:, :, 0].astype(np.float64), shift @ forward)
        np.testing.assert_allclose(found[:, :, 0], expected, atol=2e-5)


def test_far_outside_the_mirror_stays_close_to_the_reference():
    images = pictures(channels=1, count=1)
    neutral = {"first_angle": [0.0], "second_angle": [0.0], "offset": [[0.0, 0.0]]}
    drawn = columns(scale=[0.7], stretch=[1.0], **neutral)
    found = ada_geometry.warp(tf.constant(images), **drawn)[0, :, :, 0].numpy()
    shrink = np.diag([0.7, 0.7, 1.0])
    expected = reference_warp(images[0, :, :, 0].astype(np.float64), shrink)
    inside = slice(3, -3)
    np.testing.assert_allclose(
        found[inside, inside], expected[inside, inside], atol=2e-5
    )
    assert np.abs(found - expected).max() > 1e-4  # the stated difference exists
    assert np.abs(found - expected).mean() < 0.05 * images.std()


@pytest.mark.parametrize("part", sorted(ada._PARTS))
def test_probability_zero_changes_nothing(part):
    images = pictures()
    drawn = ada.draw(SEED, images.shape, tf.constant(0.0), {part: 1.0})
    np.testing.assert_allclose(ada.apply(images, drawn), images, atol=1e-5)


@pytest.mark.parametrize("part", sorted(ada._PARTS))
def test_probability_one_changes_images_and_depends_on_the_seed_alone(part):
    images = pictures(count=6)

    def changed(seed):
        drawn = ada.draw(seed, images.shape, tf.constant(1.0), {part: 1.0})
        return ada.apply(images, drawn).numpy()

    first, other = changed(SEED), changed(SEED + 1)
    np.testing.assert_array_equal(first, changed(SEED))
    assert np.abs(first - images).max() > 1e-2
    assert np.abs(first - other).max() > 1e-2


def test_pixel_copies_equal_numpy():
    images = pictures(count=4, size=8)
    flip, turns = [True, False, True, False], [0, 1, 3, 2]
    shift = np.array([[0, 0], [0.125, 0], [-0.25, 0.125], [0.06, -0.07]], np.float32)
    value = ada_geometry.copy_pixels(
        tf.constant(images), tf.constant(flip), tf.constant(turns), tf.constant(shift)
    )
    for n, image in enumerate(images):
        expected = image[:, ::-1] if flip[n] else image
        expected = np.rot90(expected, turns[n])
        down, right = (int(s) for s in np.round(shift[n] * 8))
        padded = np.pad(expected, ((4, 4), (4, 4), (0, 0)), mode="reflect")
        expected = padded[4 - down : 12 - down, 4 - right : 12 - right]
        np.testing.assert_array_equal(value[n], expected)


def reference_color(pixel, brightness, contrast, luma_flip, hue, saturation):
    v = np.ones(3) / 3**0.5
    pixel = (pixel + brightness) * contrast
    if luma_flip:
        pixel = pixel - 2 * v * np.dot(v, pixel)
    c, s = math.cos(hue), math.sin(hue)
    pixel = pixel * c + np.cross(v, pixel) * s + v * np.dot(v, pixel) * (1 - c)
    luma = v * np.dot(v, pixel)
    return luma + saturation * (pixel - luma)


COLORS = {
    "brightness": [0.2, -0.1],
    "contrast": [1.5, 0.7],
    "luma_flip": [1.0, 0.0],
    "hue": [2.0, -0.4],
    "saturation": [0.3, 1.9],
}


def test_color_equals_the_transforms_one_after_another():
    images = pictures(size=4)
    value = ada_pixels.change_color(tf.constant(images), **columns(**COLORS))
    for n in range(2):
        chosen = {name: values[n] for name, values in COLORS.items()}
        for place in np.ndindex(4, 4):
            expected = reference_color(images[n][place].astype(float), **chosen)
            np.testing.assert_allclose(value[n][place], expected, atol=1e-5)


def test_grey_images_equal_three_equal_channels():
    images = pictures(size=4, channels=1)
    grey = ada_pixels.change_color(tf.constant(images), **columns(**COLORS))
    color = ada_pixels.change_color(
        tf.constant(np.repeat(images, 3, -1)), **columns(**COLORS)
    )
    np.testing.assert_allclose(color, np.repeat(grey, 3, -1), atol=1e-5)


def test_bands_amplify_waves_of_their_octave():
    size, gains = 64, np.array([[2.0, 3.0, 5.0, 7.0]], np.float32)
    bands = wavelets.octave_bands(wavelets.SYM2)
    for cycles in (0, 3, 6, 12, 32):
        wave = np.cos(2 * np.pi * cycles * np.arange(size) / size)
        images = np.tile(wave[:, np.newaxis, np.newaxis], (1, size, 1))[np.newaxis]
        found = ada_pixels.filter_bands(tf.constant(images, tf.float32), gains)
        # A wave passes a symmetric filter scaled by the filter's spectrum; along
        # columns the image is constant and takes the lowest band's gain.
        offsets = np.arange(bands.shape[1]) - bands.shape[1] // 2
        response = bands @ np.cos(2 * np.pi * cycles * offsets / size) @ gains[0]
        middle = slice(22, 42)  # free of the mirrored border
        expected = wave[middle] * response * gains[0, 0]
        np.testing.assert_allclose(found[0, middle, 30, 0], expected, atol=1e-4)


def test_band_gains_keep_the_expected_power():
    keys = np.random.RandomState(0).randint(0, 2**31 - 1, (8, 2)).astype(np.int32)
    gains = ada_pixels.draw_bands(keys, 5, tf.constant(1.0))["gains"].numpy()
    assert np.abs(gains - 1).max() > 0.1
    # The reference: one band after another from its log-normal factors, renormalised.
    power = np.array([10, 1, 1, 1]) / 13
    expected = np.ones((5, 4))
    for band in range(4):
        factor = np.exp(math.log(2) * stateless_normal(keys[2 * band + 1], 5))
        change = np.ones((5, 4))
        change[:, band] = factor
        expected *= change / np.sqrt((power * change**2).sum(1, keepdims=True))
    np.testing.assert_allclose(gains, expected, rtol=1e-4)


def stateless_normal(key, count):
    return philox.normal([count], key).numpy()


def test_cutout_sets_half_a_side_to_zero():
    value = ada_pixels.cut_out(
        tf.ones([3, 8, 8, 1]), tf.constant([[0.5, 0.5], [0.0, 1.0], [-1.0, -1.0]])
    ).numpy()[..., 0]
    expected = np.ones((3, 8, 8))
    expected[0, 2:6, 2:6] = 0
    expected[1, :2, 6:] = 0
    np.testing.assert_array_equal(value, expected)


def test_draws_have_the_distribution_of_the_paper():
    count, p = 4000, tf.constant(0.5)
    drawn = ada.draw(SEED, (count, 8, 8, 1), p, ALL)
    assert np.mean(drawn["blit"]["flip"]) == pytest.approx(0.25, abs=0.03)
    turned = np.mean(drawn["blit"]["quarter_turns"] != 0)
    assert turned == pytest.approx(0.375, abs=0.03)
    warp = {key: value.numpy() for key, value in drawn["geometry"].items()}
    rotated = (warp["first_angle"] != 0) | (warp["second_angle"] != 0)
    assert rotated.mean() == pytest.approx(0.5, abs=0.03)
    octaves = np.log2(warp["scale"][warp["scale"] != 1])
    assert len(octaves) == pytest.approx(count / 2, rel=0.06)
    assert octaves.std() == pytest.approx(0.2, rel=0.06)
    moved = warp["offset"][warp["offset"][:, 0] != 0]
    assert moved.std() == pytest.approx(0.125, rel=0.06)
    color = {key: value.numpy() for key, value in drawn["color"].items()}
    assert color["brightness"].std() == pytest.approx(0.2 * 0.5**0.5, rel=0.06)
    assert np.log2(color["saturation"]).std() == pytest.approx(0.5**0.5, rel=0.06)
    noise = drawn["noise"]["noise"].numpy()
    assert noise.std() == pytest.approx(0.1 * 0.5**0.5, rel=0.06)


def test_gate_keeps_chosen_rows_whole_and_neutral_values_elsewhere():
    values = tf.random.stateless_normal([1000, 2], SEED)
    found = ada_draws.gate(SEED, values, tf.constant(0.3), 5.0).numpy()
    kept = (found == values.numpy()).all(1)
    assert (found[~kept] == 5.0).all()
    assert kept.mean() == pytest.approx(0.3, abs=0.05)
    same = ada_draws.chosen(SEED, 1000, 0.3).numpy()
    np.testing.assert_array_equal(same, kept)


def test_gradient_is_the_transpose_of_the_linear_part():
    """<A x, y> - <A 0, y> = <x, A^T y> for every part, A^T by the gradient."""
    images, other = tf.constant(pictures(1)), tf.constant(pictures(2))
    drawn = ada.draw(SEED, tuple(images.shape), tf.constant(1.0), ALL)
    with tf.GradientTape() as tape:
        tape.watch(images)
        changed = ada.apply(images, drawn)
        product = tf.reduce_sum(changed * other)
    gradient = tape.gradient(product, images)
    zero = tf.reduce_sum(ada.apply(tf.zeros_like(images), drawn) * other)
    linear = float(tf.reduce_sum(images * gradient))
    assert float(product - zero) == pytest.approx(linear, rel=1e-3, abs=1e-2)
    assert np.abs(gradient).max() > 0.1


def penalty_and_gradient(images, kernel, probability):
    """R1 through the augmentation, and its gradient: second order."""
    with tf.GradientTape() as tape:
        tape.watch(kernel)

        def discriminator(x):
            x = ada.augment(x, SEED, probability, bands=1.0, noise=1.0, cutout=1.0)
            hidden = tf.math.tanh(tf.nn.conv2d(x, kernel, 2, "SAME"))
            return tf.reduce_sum(hidden, [1, 2, 3])

        loss = tf.reduce_sum(regularizers.r1(discriminator, images)[0])
    return loss, tape.gradient(loss, kernel)


@pytest.mark.slow
def test_r1_through_augmentation_is_the_same_under_xla():
    images = tf.constant(pictures(3, size=8))
    kernel = tf.constant(np.random.RandomState(4).randn(3, 3, 3, 4), tf.float32) * 0.3
    inputs = images, kernel, tf.constant(0.8)
    graph = tf.function(penalty_and_gradient)(*inputs)
    compiled = tf.function(penalty_and_gradient, jit_compile=True)(*inputs)
    assert float(graph[0]) > 0.1
    for expected, value in zip(graph, compiled, strict=True):
        scale = float(tf.reduce_max(tf.abs(expected)))
        np.testing.assert_allclose(value, expected, atol=1e-3 * scale)


def test_probability_follows_a_scripted_sequence_of_signs():
    p = tf.constant(0.0)
    script = [  # scores of a batch of 4, expected p with 1/8 a step
        ([1.0, 2.0, 0.5, 3.0], 0.125),  # r = 1: overfitting, rises
        ([1.0, 2.0, 0.5, -3.0], 0.0),  # r = 0.5: falls
        ([-1.0, -2.0, -0.5, -3.0], 0.0),  # r = -1: stays at the lower bound
        ([0.1, 0.1, 0.1, 0.1], 0.125),  # only signs count
        ([0.0, 9.0, 9.0, 9.0], 0.25),  # sign(0) = 0: r = 0.75
    ]
    for scores, expected in script:
        statistics = ada.sign_statistics(tf.constant(scores))
        p = ada.next_probability(p, statistics, 1000, 0.6, 8000)
        assert float(p) == pytest.approx(expected)
    sums = ada.sign_statistics(tf.constant([1.0, -1.0])) + ada.sign_statistics(
        tf.constant([1.0])
    )
    np.testing.assert_allclose(sums, [1.0, 3.0])


def test_probability_stays_in_bounds_and_waits_for_scores():
    rise = ada.next_probability(0.9999, tf.constant([5.0, 5.0]), 10**6)
    assert float(rise) == 1.0
    still = ada.next_probability(tf.constant(0.3), tf.constant([0.0, 0.0]), 10**6)
    assert float(still) == pytest.approx(0.3)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: ada.draw(SEED, (2, 8, 8, 3), 1.0, {"colour": 1}), "names \\['colour'"),
        (lambda: ada.draw(SEED, (None, 8, 8, 3), 1.0, ALL), "batch size must be known"),
        (
            lambda: ada.augment(tf.zeros([1, 8, 4, 3]), SEED, 1.0),
            "rotations need square images",
        ),
        (
            lambda: ada.augment(tf.zeros([1, 8, 8, 2]), SEED, 1.0),
            "must have 1 or 3 channels",
        ),
    ],
)
def test_misuse_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.slow
def test_draws_are_the_same_under_xla():
    def draw(seed):
        parts = {"blit": 1.0, "cutout": 1.0, "noise": 1.0}
        return tf.nest.flatten(ada.draw(seed, (5, 4, 4, 1), tf.constant(0.7), parts))

    plain, compiled = tf.function(draw), tf.function(draw, jit_compile=True)
    for seed in (SEED, -SEED):
        for expected, value in zip(plain(seed), compiled(seed), strict=True):
            np.testing.assert_allclose(value, expected, rtol=2e-6, atol=2e-6)
