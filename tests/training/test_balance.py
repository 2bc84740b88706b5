"""The balanced guidance weight against gradients in closed form."""

import types

import numpy as np
import pytest
from support import tiny_training as tiny

from dglgan_tf.compat import tf
from dglgan_tf.layers import updates
from dglgan_tf.losses import adversarial, schedules
from dglgan_tf.training import balance, checkpoint, loss_scale
from dglgan_tf.training.microbatch import Microbatch


def slope_at(discriminator, images):
    """dD/dx = a + K K^T x as [N, pixels]."""
    x = np.reshape(images, [len(images), -1]).astype(np.float64)
    kernel = discriminator.kernel.numpy().astype(np.float64)
    return discriminator.slope.numpy() + x @ kernel @ kernel.T


def logistic_length(discriminator, images):
    """|d mean(softplus(-D(x))) / dx|^2."""
    scores = discriminator(images).numpy().astype(np.float64)
    slopes = slope_at(discriminator, images) / (1 + np.exp(scores))[:, None]
    return np.sum((slopes / len(scores)) ** 2)


def hinge_length(discriminator, images):
    """|d mean(-D(x)) / dx|^2."""
    return np.sum((slope_at(discriminator, images) / len(images)) ** 2)


LOSSES = [
    (adversarial.g_logistic, adversarial.d_logistic, logistic_length),
    (adversarial.g_hinge, adversarial.d_hinge, hinge_length),
]


@pytest.mark.parametrize("g_loss, d_loss, length", LOSSES)
def test_lengths_by_hand(g_loss, d_loss, length):
    networks = types.SimpleNamespace(
        generator=tiny.Linear(bend=0.3),
        discriminator=tiny.Quadratic(),
        teachers=[tiny.Quadratic()],
    )
    for seed, network in enumerate([networks.generator, networks.discriminator]):
        tiny.fill(network, seed)
    tiny.fill(networks.teachers[0], 5)
    z = np.random.RandomState(0).randn(6, 3).astype(np.float32)
    goal = tiny.goal(g_loss=g_loss, d_loss=d_loss, adversarial_weight=0.5)
    inputs = {"z": tf.constant(z), "seed": tf.constant([1, 2])}
    with updates.collect():
        found = balance.squared_lengths(
            goal, Microbatch.for_generator(goal, networks, inputs)
        )
        images = networks.generator(z, training=True)
    assert float(found[0]) == pytest.approx(
        0.25 * length(networks.discriminator, images), rel=1e-5
    )
    assert float(found[1]) == pytest.approx(
        length(networks.teachers[0], images), rel=1e-5
    )


def make(devices, weight, teachers=1, goal=None, **options):
    wanted = tiny.goal(guidance_weight=weight, **(goal or {}))
    return tiny.make(tiny.toy(), devices, wanted, teachers=teachers, **options)


def test_the_weight_follows_the_running_squares(logical_devices):
    weight = balance.BalancedWeight(0.5, half_life_images=24, interval_steps=2)
    train = make(logical_devices[:1], weight)
    found = tiny.steps(train, 5)
    squares, kept = np.zeros(2), 0.5 ** (2 * 8 / 24)
    for step, metrics in enumerate(found):
        assert ("balance/student" in metrics) == (step % 2 == 0)
        if step % 2 == 0:
            seen = metrics["balance/student"], metrics["balance/teachers"]
            squares = kept * squares + (1 - kept) * np.array(seen, np.float64)
        expected = 0.5 * np.sqrt(squares[0] / squares[1])
        assert metrics["g/guidance_weight"] == pytest.approx(expected, rel=1e-5)
    weights = {m["g/guidance_weight"] for m in found}
    assert len(weights) == 3  # it moved each time it was measured
    slots = train.state.slots["balance/squares"].numpy()
    np.testing.assert_allclose(slots, squares, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("teachers", [1, 2])
def test_how_the_batch_is_cut_does_not_matter(logical_devices, teachers):
    def weights(devices, **options):
        train = make(devices, balance.BalancedWeight(), teachers, **options)
        return [m["g/guidance_weight"] for m in tiny.steps(train, 2)]

    whole = weights(logical_devices[:1])
    assert weights(logical_devices[:2], max_microbatch=2) == pytest.approx(whole, 1e-5)
    assert weights(logical_devices[:1], lanes=2) == pytest.approx(whole, 1e-5)


@pytest.mark.slow
def test_it_continues_exactly(logical_devices, tmp_path):
    path = tmp_path / "network-snapshot-000000.safetensors"
    weight = balance.BalancedWeight(half_life_images=30, interval_steps=2)
    train = make(logical_devices[:1], weight)
    tiny.steps(train, 3)
    checkpoint.save(train.state, path)
    again = make(logical_devices[:1], weight)
    checkpoint.restore(again.state, path)
    for trainer in (train, again):
        tiny.steps(trainer, 3, tiny.iterator(trainer, 3))
    expected = tiny.everything(train)
    for name, value in tiny.everything(again).items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)
    np.testing.assert_array_equal(
        again.state.slots["balance/squares"], train.state.slots["balance/squares"]
    )


def test_it_moves_nothing_else(logical_devices):
    """A balanced weight of a constant value trains like that constant."""
    fixed = make(logical_devices[:1], 0.25)
    held = make(logical_devices[:1], balance.BalancedWeight(lowest=0.25, highest=0.25))
    tiny.steps(fixed, 3), tiny.steps(held, 3)
    expected = tiny.everything(fixed)
    for name, value in tiny.everything(held).items():
        np.testing.assert_array_equal(value, expected.get(name, value), err_msg=name)


@pytest.mark.slow
def test_with_everything_it_must_go_with(logical_devices):
    def halved(images, weight):
        return 0.5 * schedules.constant(images, weight)

    options = {"goal": {"guidance_schedule": halved}}
    plain = make(logical_devices[:1], balance.BalancedWeight())
    half = make(logical_devices[:1], balance.BalancedWeight(), **options)
    scaled = make(
        logical_devices[:1],
        balance.BalancedWeight(),
        goal={"update_teachers": True, "g_loss": adversarial.g_relativistic}
        | {"d_loss": adversarial.d_relativistic},
        loss_scale=loss_scale.LossScale(2.0),
    )
    one, two, three = (tiny.steps(t, 2) for t in (plain, half, scaled))
    first = one[0]["g/guidance_weight"]
    assert two[0]["g/guidance_weight"] == pytest.approx(0.5 * first, rel=1e-6)
    assert 0 < three[1]["g/guidance_weight"] < 10
    assert not any(m.get("balance/skipped") for m in three)


@pytest.mark.parametrize(
    "make_goal, words",
    [
        (lambda: balance.BalancedWeight(share=0.0), "BalancedWeight.share=0.0"),
        (lambda: balance.BalancedWeight(lowest=2.0, highest=1.0), "at most highest"),
        (lambda: tiny.goal(guidance_weight="half"), "guidance_weight='half'"),
        (
            lambda: tiny.goal(
                guidance_weight=balance.BalancedWeight(), adversarial_weight=0.0
            ),
            "needs the student's game",
        ),
    ],
)
def test_what_cannot_be(make_goal, words):
    with pytest.raises(ValueError, match=words):
        make_goal()
