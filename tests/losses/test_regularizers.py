"""Regularizers: closed forms, finite differences of their gradients, XLA."""

import numpy as np
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.losses import regularizers

SHAPE = (3, 4, 4, 2)


def normal(seed, shape=SHAPE):
    return np.random.RandomState(seed).randn(*shape).astype(np.float32)


def linear(weights):
    return lambda images: tf.reduce_sum(images * weights, [1, 2, 3])


def quadratic(images):
    return 0.5 * tf.reduce_sum(tf.square(images), [1, 2, 3])


def test_r1_of_a_linear_discriminator_is_its_squared_weight():
    weights, images = normal(0, SHAPE[1:]), tf.constant(normal(1))
    penalty, logits = regularizers.r1(linear(weights), images)
    np.testing.assert_allclose(penalty, [np.sum(weights**2)] * 3, rtol=1e-5)
    np.testing.assert_allclose(logits, linear(weights)(images), rtol=1e-5)


@pytest.mark.parametrize("penalise", [regularizers.r1, regularizers.r2])
def test_penalty_of_a_quadratic_discriminator_is_the_squared_image(penalise):
    images = normal(2)
    penalty, _ = penalise(quadratic, tf.constant(images))
    np.testing.assert_allclose(penalty, np.sum(images**2, (1, 2, 3)), rtol=1e-5)


def test_r2_sends_no_gradient_to_what_made_the_fakes():
    images = tf.constant(normal(2))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(images)
        on_fakes = tf.reduce_sum(regularizers.r2(quadratic, images)[0])
        on_reals = tf.reduce_sum(regularizers.r1(quadratic, images)[0])
    assert tape.gradient(on_fakes, images) is None
    np.testing.assert_allclose(tape.gradient(on_reals, images), 2 * images, rtol=1e-5)


def small_discriminator(kernel):
    def score(images):
        hidden = tf.math.tanh(tf.nn.conv2d(images, kernel, 1, "SAME"))
        return tf.reduce_sum(tf.math.softplus(hidden), [1, 2, 3])

    return score


def r1_of_kernel(kernel, images):
    penalty, _ = regularizers.r1(small_discriminator(kernel), images)
    return tf.reduce_sum(penalty)


def test_second_order_gradient_of_r1_equals_central_differences():
    images = tf.constant(normal(3), tf.float32)
    kernel = tf.constant(0.3 * normal(4, (3, 3, 2, 2)))
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        loss = r1_of_kernel(kernel, images)
    gradient = tape.gradient(loss, kernel)
    for index in ((0, 0, 0, 0), (1, 1, 1, 1), (2, 0, 1, 0)):
        step = np.zeros(kernel.shape, np.float32)
        step[index] = 1e-2
        up = float(r1_of_kernel(kernel + step, images))
        down = float(r1_of_kernel(kernel - step, images))
        assert float(gradient[index]) == pytest.approx((up - down) / 2e-2, rel=5e-3)


def test_r1_and_its_gradient_agree_under_xla():
    images = tf.constant(normal(3))
    kernel = tf.constant(0.3 * normal(4, (3, 3, 2, 2)))

    def loss_and_gradient():
        with tf.GradientTape() as tape:
            tape.watch(kernel)
            loss = r1_of_kernel(kernel, images)
        return loss, tape.gradient(loss, kernel)

    graph = tf.function(loss_and_gradient)()
    compiled = tf.function(loss_and_gradient, jit_compile=True)()
    for expected, value in zip(graph, compiled, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5)


def test_r1_says_that_a_discriminator_ignores_its_images():
    with pytest.raises(ValueError, match="does not depend on its images"):
        regularizers.r1(lambda images: tf.zeros([3]), tf.constant(normal(1)))


def test_gradient_penalty_of_a_quadratic_discriminator():
    real, fake = normal(5), normal(6)
    alpha = np.array([0.0, 0.25, 1.0], np.float32)
    mixed = alpha[:, None, None, None] * real
    mixed = mixed + (1 - alpha)[:, None, None, None] * fake
    for target in (1.0, 3.0):
        penalty = regularizers.gradient_penalty(
            quadratic, tf.constant(real), tf.constant(fake), alpha, target
        )
        norm = np.sqrt(np.sum(mixed**2, (1, 2, 3)))
        np.testing.assert_allclose(penalty, (norm - target) ** 2, rtol=1e-5)


def test_gradient_penalty_is_smooth_where_the_gradient_vanishes():
    weights = tf.zeros(SHAPE[1:])
    with tf.GradientTape() as tape:
        tape.watch(weights)
        images = tf.constant(normal(5))
        penalty = regularizers.gradient_penalty(
            linear(weights), images, images, tf.ones([3])
        )
    np.testing.assert_allclose(penalty, [1.0] * 3, rtol=1e-5)
    np.testing.assert_array_equal(tape.gradient(penalty, weights), tf.zeros(SHAPE[1:]))


def test_drift_is_the_squared_score():
    np.testing.assert_allclose(regularizers.drift(tf.constant([3.0, -2.0])), [9, 4])


MIX = normal(7, (2 * 3, 4 * 4 * 2))  # L * w_dim -> H * W * C


def synthesize(ws, matrix=MIX):
    flat = tf.reshape(ws, [-1, 6])
    return tf.reshape(tf.matmul(flat, matrix), [-1, 4, 4, 2])


def expected_lengths(noise):
    gradient = noise.reshape(3, -1) / 4.0 @ MIX.T  # H = W = 4
    squares = np.sum(gradient.reshape(3, 2, 3) ** 2, axis=2)
    return np.sqrt(np.mean(squares, axis=1))


def test_path_length_of_a_linear_generator():
    noise, ws = normal(8), normal(9, (3, 2, 3))
    penalty, mean, lengths = regularizers.path_length(
        synthesize, tf.constant(ws), tf.constant(noise), tf.constant(0.5)
    )
    expected = expected_lengths(noise)
    new_mean = 0.5 + 0.01 * (expected.mean() - 0.5)
    np.testing.assert_allclose(lengths, expected, rtol=1e-5)
    np.testing.assert_allclose(mean, new_mean, rtol=1e-6)
    np.testing.assert_allclose(penalty, (expected - new_mean) ** 2, rtol=1e-4)


@pytest.mark.parametrize("stop", [False, True])
def test_gradient_through_the_running_mean_is_a_choice(stop):
    noise, ws = normal(8), tf.constant(normal(9, (3, 2, 3)))
    scale = tf.constant(1.0)
    with tf.GradientTape() as tape:
        tape.watch(scale)
        penalty, _, _ = regularizers.path_length(
            lambda w: scale * synthesize(w), ws, noise, tf.constant(0.0), 0.3, stop
        )
        loss = tf.reduce_sum(penalty)
    # Lengths scale with `scale`: d length = length, d mean = 0.3 * mean(length).
    lengths = expected_lengths(noise)
    mean = 0.3 * lengths.mean()
    moved = 0.0 if stop else mean
    expected = np.sum(2 * (lengths - mean) * (lengths - moved))
    assert float(tape.gradient(loss, scale)) == pytest.approx(expected, rel=1e-4)


def test_path_length_agrees_under_xla_to_second_order():
    noise, ws = tf.constant(normal(8)), tf.constant(normal(9, (3, 2, 3)))
    matrix = tf.constant(MIX)

    def loss_and_gradient():
        with tf.GradientTape() as tape:
            tape.watch(matrix)
            penalty, mean, _ = regularizers.path_length(
                lambda w: tf.math.tanh(synthesize(w, matrix)), ws, noise, 0.1
            )
            loss = tf.reduce_sum(penalty)
        return loss, mean, tape.gradient(loss, matrix)

    graph = tf.function(loss_and_gradient)()
    compiled = tf.function(loss_and_gradient, jit_compile=True)()
    for expected, value in zip(graph, compiled, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5)


def test_path_length_refuses_unbroadcast_latents_and_other_noise():
    with pytest.raises(ValueError, match=r"must be \[N, L, w_dim\]"):
        regularizers.path_length(synthesize, tf.zeros([3, 6]), normal(8), 0.0)
    with pytest.raises(ValueError, match="noise has shape"):
        regularizers.path_length(
            synthesize, tf.zeros([3, 2, 3]), normal(8, (3, 8, 8, 2)), 0.0
        )


def test_orthogonal_penalty_has_the_published_gradient():
    kernel, dense = normal(10, (3, 3, 2, 4)), normal(11, (5, 3))
    variables = [tf.constant(kernel), tf.constant(dense), tf.ones([7])]
    with tf.GradientTape() as tape:
        tape.watch(variables)
        penalty = regularizers.orthogonal(variables)
    gradients = tape.gradient(penalty, variables)
    for value, gradient in zip((kernel, dense), gradients, strict=False):
        rows = value.reshape(-1, value.shape[-1]).T  # one row for each output
        off = (rows @ rows.T) * (1 - np.eye(len(rows)))
        expected = (2 * off @ rows).T.reshape(value.shape)
        np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-4)
    assert gradients[2] is None


def test_orthogonal_filters_cost_nothing_whatever_their_norm():
    rows = np.linalg.qr(normal(12, (6, 6)))[0][:4] * [[1.0], [2.0], [3.0], [4.0]]
    penalty = regularizers.orthogonal([tf.constant(rows.T.astype(np.float32))])
    assert float(penalty) == pytest.approx(0.0, abs=1e-9)
    with pytest.raises(ValueError, match="no weight with two or more axes"):
        regularizers.orthogonal([tf.ones([7])])


def test_lecam_and_its_running_means():
    value = regularizers.lecam(
        tf.constant([1.0, -1.0]), tf.constant([0.5, 2.0]), 3.0, -2.0
    )
    np.testing.assert_allclose(value, [9 + 6.25, 1 + 1])
    mean = regularizers.moving_mean(tf.constant(1.0), tf.constant([2.0, 4.0]), 0.9)
    assert float(mean) == pytest.approx(0.9 * 1 + 0.1 * 3)
