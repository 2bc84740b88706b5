"""Variants in a training: several teachers, terms, augmentation, masks, resumed."""

import functools

import numpy as np
import pytest
from support import tiny_training as tiny

from dglgan_tf.compat import keras
from dglgan_tf.layers import updates
from dglgan_tf.losses import guidance
from dglgan_tf.training import checkpoint, optimizers
from dglgan_tf.training.augmentation import ada, adaptive
from dglgan_tf.training.sparsity import masks
from dglgan_tf.training.terms import of_discriminator as d_terms
from dglgan_tf.training.terms import of_generator as g_terms

pytestmark = [
    pytest.mark.usefixtures("eager_module"),
    pytest.mark.filterwarnings("ignore:Even though the"),  # tf.data: a graph
]


def everything_on(devices, **options):
    """Two updated teachers of different widths, R1, terms of both players, ADA."""
    goal = tiny.goal(
        guidance=guidance.dynamic_teachers,
        update_teachers=True,
        r1_gamma=0.1,
        r1_interval_steps=2,
        terms=[
            g_terms.OutputL1(),
            g_terms.FeatureL1([1]),
            d_terms.FeatureAlignment([1]),
            d_terms.LeCam(),
            g_terms.TopK(epoch_images=16, decay=0.5),
        ],
        augment=adaptive.Augmentation(
            functools.partial(
                ada.augment, blit=0.0, geometry=0.0, color=0.0, noise=1.0
            ),
            probability=0.3,
            target=0.6,
            interval_steps=2,
            ramp_images=200,
        ),
    )
    keras.utils.set_random_seed(0)  # of the projections
    adam = functools.partial(optimizers.adam, 0.01)
    return tiny.make(
        tiny.toy(num_classes=3, bend=0.3),
        devices,
        goal,
        teachers=[
            lambda: tiny.Quadratic(num_classes=3, width=3),
            lambda: tiny.Quadratic(num_classes=3, width=1),
        ],
        imitated=lambda: tiny.Linear(num_classes=3, width=4),
        **{"g_optimizer": adam, "d_optimizer": adam, **options},
    )


@pytest.fixture(scope="module")
def uninterrupted(eager_module, logical_devices, tmp_path_factory):
    """(trainer, path after 2 of 5 steps, metrics, values at start and end)."""
    path = tmp_path_factory.mktemp("variants") / "state.safetensors"
    train = everything_on(logical_devices[:2], g_microbatches=2, d_microbatches=2)
    start, source = tiny.everything(train), tiny.iterator(train)
    metrics = tiny.steps(train, 2, source)
    checkpoint.save(train.state, path)
    metrics += tiny.steps(train, 3, source)
    return train, path, metrics, start, tiny.everything(train)


@pytest.mark.slow
def test_an_ensemble_resumed_on_two_replicas_equals_the_uninterrupted(
    logical_devices, uninterrupted
):
    _, path, metrics, start, values = uninterrupted
    train = everything_on(logical_devices[:2], g_microbatches=2, d_microbatches=2)
    checkpoint.restore(train.state, path)
    assert tiny.steps(train, 3, tiny.iterator(train, first=2)) == metrics[2:]
    names = {item.name for item in train.phases}
    assert {"d_reg", "teacher0_reg", "teacher1_reg"} <= names
    for name, value in tiny.everything(train).items():
        np.testing.assert_array_equal(value, values[name], err_msg=name)
    assert any((values[name] != value).any() for name, value in start.items())


def augmented(devices):
    """A pair alone, the published ADA pipeline, p moving every second step."""
    part = adaptive.Augmentation(
        ada.augment, 0.6, target=0.6, interval_steps=2, ramp_images=200
    )
    return tiny.make(tiny.toy(), devices[:1], tiny.goal(augment=part), d_microbatches=2)


@pytest.mark.slow
def test_adaptive_augmentation_resumes_between_two_moves(logical_devices, tmp_path):
    """The file holds p and the signs of the one step since its last move."""
    train = augmented(logical_devices)
    source, path = tiny.iterator(train), tmp_path / "state.safetensors"
    tiny.steps(train, 3, source)
    saved = tiny.everything(train)
    assert saved["augment/probability"] != pytest.approx(0.6, abs=0.01)
    assert saved["augment/signs"][1] == 4.0  # the mean over two parts of four scores
    checkpoint.save(train.state, path)
    metrics = tiny.steps(train, 2, source)
    assert metrics[0]["d/augment_probability"] != (metrics[1]["d/augment_probability"])
    values = tiny.everything(train)
    fresh = augmented(logical_devices)
    checkpoint.restore(fresh.state, path)
    assert tiny.steps(fresh, 2, tiny.iterator(fresh, first=3)) == metrics
    for name, value in tiny.everything(fresh).items():
        np.testing.assert_array_equal(value, values[name], err_msg=name)


@pytest.mark.slow
def test_both_teachers_learn_and_their_generator_does_not(uninterrupted):
    train, _, metrics, start, values = uninterrupted
    for index in range(2):
        moved = values[f"teacher{index}/kernel"] - start[f"teacher{index}/kernel"]
        assert np.abs(moved).max() > 1e-3
        assert f"teacher{index}/loss" in metrics[0]
    twin = tiny.Linear(num_classes=3, width=4)
    tiny.fill(twin, 77)
    for left, right in zip(
        twin.variables, train.state.networks.teacher_generator.variables, strict=True
    ):
        np.testing.assert_array_equal(left, right)


@pytest.mark.slow
def test_projections_are_trained_by_their_players_and_means_move(uninterrupted):
    _, _, metrics, start, values = uninterrupted
    for name in ("feature_l1/kernels/0", "feature_alignment/kernels/0", "lecam/real"):
        assert np.abs(values[name] - start[name]).max() > 1e-4, name
    strengths = [m["d/augment_probability"] for m in metrics]
    # 2 steps of 8 images out of 200: p moves by 0.08 after steps 2 and 4.
    np.testing.assert_allclose(np.abs(np.diff(strengths)), [0, 0.08, 0, 0.08], 1e-4)
    # One step since the last move; the mean over four parts of two scores each.
    assert values["augment/signs"][1] == 2.0


@pytest.mark.slow
def test_one_replica_with_four_parts_equals_two_with_two(
    logical_devices, uninterrupted
):
    _, _, metrics, _, _ = uninterrupted
    train = everything_on(logical_devices[:1], g_microbatches=4, d_microbatches=4)
    for one, two in zip(tiny.steps(train, 3), metrics, strict=False):
        for name, value in one.items():
            assert value == pytest.approx(two[name], rel=2e-3, abs=2e-4), name


def sparse_training(devices, **options):
    """A generator with a third of its kernels, moved every second step."""
    plan = masks.DynamicSparsity(
        g_density=0.3, d_density=1.0, interval_steps=2, total_images=40
    )
    return tiny.make(
        tiny.stylegan2_pair(8), devices[:1], tiny.goal(), sparsity=plan, **options
    )


@pytest.mark.slow
def test_masks_hold_move_and_resume(logical_devices, tmp_path):
    train = sparse_training(logical_devices)
    masks = {n: v.numpy() for n, v in train.state.slots.items() if "mask/" in n}
    assert masks and all(name.startswith("mask/g/") for name in masks)
    kept = sum(m.sum() for m in masks.values()) / sum(m.size for m in masks.values())
    assert kept == pytest.approx(0.3, abs=0.01)
    tiny.steps(train, 1)
    networks = train.state.networks
    for network in (networks.generator, networks.generator_ema):
        for name, mask in masks.items():
            kernel = _kernel(network, name)
            assert np.abs(kernel * (1 - mask)).max() == 0 < np.abs(kernel).max()
    path = tmp_path / "state.safetensors"
    checkpoint.save(train.state, path)
    source = tiny.iterator(train, first=1)
    tiny.steps(train, 2, source)
    moved = {name: train.state.slots[name].numpy() for name in masks}
    assert any((moved[name] != mask).any() for name, mask in masks.items())
    for name, mask in masks.items():
        assert moved[name].sum() == mask.sum()
        kernel = _kernel(networks.generator, name)
        assert np.abs(kernel * (1 - moved[name])).max() == 0
    values = tiny.everything(train)
    checkpoint.restore(train.state, path)
    tiny.steps(train, 2, tiny.iterator(train, first=1))
    for name, value in tiny.everything(train).items():
        np.testing.assert_array_equal(value, values[name], err_msg=name)


def _kernel(network, mask):
    from dglgan_tf.networks import base

    return base.named_variables(network)[mask.removeprefix("mask/g/")].numpy()


def test_without_a_game_no_discriminator_runs(logical_devices):
    goal = tiny.goal(
        adversarial_weight=0.0,
        guidance_weight=0.0,
        terms=[g_terms.SelfSupervised()],
    )
    train = tiny.make(
        tiny.toy(),
        logical_devices[:1],
        goal,
        teachers=1,
        imitated=lambda: tiny.Linear(width=3),
    )
    before = tiny.everything(train)
    (metrics,) = tiny.steps(train, 1)
    assert {name.split("/")[0] for name in metrics} == {"g"}
    assert train.state.counters.reals == 0 and "d" not in train.state.optimizers
    after = tiny.everything(train)
    assert np.abs(after["generator/kernel"] - before["generator/kernel"]).max() > 0
    for name in ("discriminator/kernel", "discriminator/u", "teacher0/kernel"):
        np.testing.assert_array_equal(after[name], before[name])


def test_freeze_d_keeps_the_first_blocks(logical_devices):
    train = tiny.make(
        tiny.stylegan2_pair(8), logical_devices[:1], tiny.goal(), freeze_d_blocks=1
    )
    (phase,) = [p for p in train.phases if p.name == "d"]
    discriminator = train.state.networks.discriminator
    frozen = {id(v) for v in discriminator.blocks["8"].variables}
    assert frozen and not frozen & {id(v) for v in phase.variables}
    with pytest.raises(ValueError, match="count=9 must be between 0 and 1"):
        tiny.make(
            tiny.stylegan2_pair(8), logical_devices[:1], tiny.goal(), freeze_d_blocks=9
        )


def test_a_teacher_has_an_optimizer_of_its_own(logical_devices):
    goal = tiny.goal(update_teachers=True)
    slow = functools.partial(optimizers.sgd, 0.001)
    train = tiny.make(
        tiny.toy(), logical_devices[:1], goal, teachers=1, teacher_optimizer=slow
    )
    rates = {k: optimizers.learning_rate(v) for k, v in train.state.optimizers.items()}
    assert rates == pytest.approx({"g": 0.02, "d": 0.02, "teacher0": 0.001})


def test_signs_steer_the_strength(logical_devices):
    """Scores of +1, +1, -1 and +1: r = 0.5 < 0.6, p falls by 16 / 100."""
    del logical_devices
    part = adaptive.Augmentation(
        lambda x, seed, p: x, 0.4, target=0.6, interval_steps=2, ramp_images=100
    )
    part.build()
    assert [part.is_due(step) for step in range(4)] == [False, True, False, True]
    with updates.collect() as moved:
        part.observe(np.array([0.5, 2.0, -1.0, 3.0], np.float32))
    for update in moved:
        update.variable.assign(update.value)
    np.testing.assert_array_equal(part.variables()["signs"], [2.0, 4.0])
    part.adapt(8)
    assert part.variables()["probability"].numpy() == pytest.approx(0.24)
    np.testing.assert_array_equal(part.variables()["signs"], [0.0, 0.0])
    with pytest.raises(ValueError, match="Augmentation.target=2.0 must be at most 1"):
        adaptive.Augmentation(lambda x, seed, p: x, target=2.0)
