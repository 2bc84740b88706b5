"""One step: reductions, splits, XLA, and updates that are not finite."""

import functools

import numpy as np
import pytest
from support import tiny_training as tiny

from dglgan_tf.compat import tf
from dglgan_tf.losses import adversarial
from dglgan_tf.training import draws, phase, phase_checks, reduction, scores

# Nothing here depends on the split; path length does (its noise is of a microbatch).
TOY = {
    "r1_gamma": 1.0,
    "r2_gamma": 0.5,
    "guidance_weight": 0.5,
    "update_teachers": True,
}
SPLITS = [(1, 1), (1, 4), (2, 2)]


def toy_trainer(devices, replicas, microbatches, **options):
    return tiny.make(
        tiny.toy(num_classes=3),
        devices[:replicas],
        tiny.goal(**TOY),
        teachers=1,
        g_microbatches=microbatches,
        d_microbatches=microbatches,
        **options,
    )


@pytest.fixture(scope="module")
def toys(logical_devices):
    """{(replicas, microbatches): (trainer, metrics, values)} after two steps."""
    found = {}
    for split in SPLITS:
        train = toy_trainer(logical_devices, *split)
        metrics = tiny.steps(train, 2)
        found[split] = train, metrics, tiny.everything(train)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("split", SPLITS[1:], ids=str)
def test_replicas_microbatches_and_one_batch_are_equal(toys, split):
    _, metrics, values = toys[1, 1]
    tiny.assert_close(values, toys[split][2], 2e-6)
    for one, other in zip(metrics, toys[split][1], strict=True):
        assert one == pytest.approx(other, rel=1e-5, abs=1e-6)


@pytest.mark.slow
def test_every_phase_is_traced_once(toys):
    for train, _, _ in toys.values():
        counts = train.trace_counts()
        assert list(counts) == "g d d_reg teacher0 teacher0_reg".split()
        assert set(counts.values()) == {1}


@pytest.mark.slow
def test_updated_teacher_learns_and_is_regularized_when_due(toys):
    train, metrics, values = toys[1, 1]
    assert "teacher0_reg/r1" in metrics[0] and "teacher0_reg/r1" not in metrics[1]
    teacher = tiny.Quadratic(num_classes=3)
    tiny.fill(teacher, seed=3)  # what `make` gave the first teacher
    for name in ("slope", "kernel"):
        assert np.abs(values[f"teacher0/{name}"] - getattr(teacher, name)).max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(
    "split", [(1, 2), pytest.param((2, 2), marks=pytest.mark.proof)], ids=str
)
def test_xla_equals_graph_mode(logical_devices, toys, split):
    train = toy_trainer(logical_devices, *split, jit=True)
    metrics = tiny.steps(train, 2)
    tiny.assert_close(toys[2, 2][2], tiny.everything(train), 5e-4)
    for one, other in zip(toys[2, 2][1], metrics, strict=True):
        assert one == pytest.approx(other, rel=5e-4, abs=1e-5)
    assert set(train.trace_counts().values()) == {1}


@pytest.mark.slow
def test_nan_on_one_replica_moves_nothing_on_any(toys):
    train, before = toys[2, 2][0], tiny.everything(toys[2, 2][0])

    spread = train.strategy.experimental_distribute_values_from_function

    def poisoned(source):
        for batch in source:
            images = train.strategy.experimental_local_results(batch["images"])
            bad = [images[0], images[1] * np.float32("nan")]
            images = spread(lambda c, bad=bad: bad[c.replica_id_in_sync_group])
            yield {**batch, "images": images}

    (metrics,) = tiny.steps(train, 1, poisoned(tiny.iterator(train, first=9)))
    after = tiny.everything(train)
    assert metrics["d/skipped"] == metrics["teacher0/skipped"] == 1  # the first tensor
    assert metrics["g/skipped"] == 0
    for name, value in after.items():
        # The vector u of the discriminator moved in the generator's phase.
        if name.startswith(("discriminator/", "teacher0/")) and name[-2:] != "/u":
            np.testing.assert_array_equal(value, before[name], err_msg=name)
        assert np.isfinite(value).all(), name
    assert np.abs(after["generator/kernel"] - before["generator/kernel"]).max() > 0
    (metrics,) = tiny.steps(train, 1)
    assert metrics["d/skipped"] == 0
    moved = tiny.everything(train)["discriminator/slope"] - after["discriminator/slope"]
    assert np.abs(moved).max() > 0


@pytest.mark.parametrize("batch, replicas, parts", [(6, 2, 2), (0, 1, 1), (3, 2, 1)])
def test_batches_that_do_not_divide_are_refused(batch, replicas, parts):
    with pytest.raises(
        ValueError, match=f"d batch={batch} must be a positive multiple"
    ):
        phase_checks.check_split("d batch", batch, replicas, parts)


def test_labels_of_labelled_data_do_not_reach_an_unconditional_network():
    made = phase.Phase("d", None, [], None, batch_size=2)
    images, labels = tiny.reals(2, 4)
    part = phase._microbatch(
        made,
        draws.Latents(3, num_classes=0),
        {"images": images, "labels": labels},
        np.array([1, 2], np.int32),
        replica=0,
        index=0,
        replicas=1,
    )
    assert sorted(part) == ["images", "seed", "z"]


FAMILIES = {
    "biggan": (
        tiny.biggan_pair,
        {
            "d_loss": adversarial.d_hinge,
            "g_loss": adversarial.g_hinge,
            "d_scores": scores.scores_joint,
            "guidance_weight": 0.5,
        },
        {"d_first": True, "ema_statistics": True},
    ),
    "stylegan2": (
        lambda: tiny.stylegan2_pair(resolution=8),  # XLA takes its time
        {"r1_gamma": 1.0, "path_length_weight": 2.0, "guidance_weight": 0.5},
        {},
    ),
}


@functools.cache
def family_run(family, replicas, microbatches, jit, lanes=1):
    """Returns the metrics of a step and all values after it."""
    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    pair, goal_options, options = FAMILIES[family]
    train = tiny.make(
        pair(),
        devices[:replicas],
        tiny.goal(**goal_options),
        teachers=1,
        batch_size=8,
        g_microbatches=microbatches,
        d_microbatches=microbatches,
        jit=jit,
        lanes=lanes,
        **options,
    )
    metrics = tiny.steps(train, 1)
    assert set(train.trace_counts().values()) == {1}
    return metrics, tiny.everything(train)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "replicas, microbatches, jit, tolerance",
    [(2, 1, False, 3e-6), pytest.param(1, 2, True, 5e-4, marks=pytest.mark.proof)],
    ids=["replicas", "xla"],
)
def test_families_on_replicas_in_parts_and_under_xla(
    family, replicas, microbatches, jit, tolerance
):
    metrics, values = family_run(family, 1, 2, jit=False, lanes=1)
    other_metrics, other = family_run(family, replicas, microbatches, jit=jit, lanes=1)
    tiny.assert_close(values, other, tolerance)
    assert metrics[0] == pytest.approx(other_metrics[0], rel=5e-4, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("microbatches", [pytest.param(1, marks=pytest.mark.proof), 2])
def test_lanes_of_biggan_share_their_moments(microbatches):
    """Four lanes and one give the same, unlike four parts one after the other."""
    found = [
        family_run("biggan", 1, microbatches, jit=False, lanes=lanes)
        for lanes in (1, 4 // microbatches)
    ]
    apart = family_run("biggan", 1, 4, jit=False, lanes=1)
    assert found[0][0][0] == pytest.approx(found[1][0][0], rel=1e-4, abs=1e-5)
    tiny.assert_close(found[0][1], found[1][1], 2e-5)  # of an output bias of 0.001
    with pytest.raises(AssertionError):
        tiny.assert_close(found[0][1], apart[1], 3e-3)


def waits(parts, lanes):
    """Returns for each part the parts whose gradients it waits for."""

    @tf.function(autograph=False)
    def cell(x):
        return [([x * 2.0], {"loss": tf.reduce_sum(x)}, [])]

    def total(x):
        batches = [x + float(index) for index in range(parts)]
        return reduction.over_microbatches(cell, batches, lanes)[0]

    graph = tf.function(total, autograph=False).get_concrete_function(tf.zeros([2]))
    calls = [op for op in graph.graph.get_operations() if "PartitionedCall" in op.type]
    assert len(calls) == parts
    return [
        [calls.index(op) for op in call.control_inputs if op in calls]
        or [calls.index(t.op) for op in call.control_inputs for t in op.inputs]
        for call in calls
    ]


def test_microbatches_wait_for_each_other_and_lanes_do_not():
    assert waits(4, 1) == [[], [0], [1], [2]]
    assert waits(4, 2) == [[], [], [0], [1]]
    assert waits(2, 2) == [[], []]
