"""The trainer: what runs when, on which data, and who learns from whom."""

import functools

import numpy as np
import pytest
from support import tiny_training as tiny

from dglgan_tf.compat import tf
from dglgan_tf.losses import adversarial
from dglgan_tf.networks import base
from dglgan_tf.training import draws, ema, optimizers, settings, trainer

WGAN = {"d_loss": adversarial.d_wgan, "g_loss": adversarial.g_wgan}
RELATIVISTIC = {
    "d_loss": adversarial.d_relativistic,
    "g_loss": adversarial.g_relativistic,
}


def phases_of(metrics):
    """Returns the phases of a step in the order in which they ran."""
    return list(dict.fromkeys(name.split("/")[0] for name in metrics))


def still(reg_interval_steps=0):
    """Steps too small to change a float32 metric."""
    return optimizers.sgd(1e-20, reg_interval_steps=reg_interval_steps)


def latents_of(train, phase, repeat=0, step=0):
    """Returns z of a phase's global batch."""
    networks = train.state.networks
    seed = draws.step_seed(train.seed, step, phase, repeat)
    latents = draws.Latents(networks.generator.z_dim, networks.generator.num_classes)
    return draws.fakes(latents, seed, train.batch_size, 0, train.batch_size)["z"]


def softplus(x):
    return np.logaddexp(0, np.asarray(x, np.float64))


@pytest.fixture(scope="module")
def lazy(logical_devices):
    """Phases of 17 steps of StyleGAN2's schedule."""
    goal = tiny.goal(r1_gamma=0.1, path_length_weight=0.1)
    train = tiny.make(tiny.toy(bend=0.3), logical_devices[:1], goal)
    metrics = tiny.steps(train, 17)
    return train, [phases_of(m) for m in metrics]


@pytest.mark.slow
def test_lazy_regularizers_run_on_their_steps(lazy):
    train, ran = lazy
    assert ran[0] == ["g", "g_reg", "d", "d_reg"]
    assert ran[1] == ["g", "d"]
    assert [i for i, phases in enumerate(ran) if "g_reg" in phases] == [0, 4, 8, 12, 16]
    assert [i for i, phases in enumerate(ran) if "d_reg" in phases] == [0, 16]
    assert set(train.trace_counts().values()) == {1}
    counters = train.state.counters
    assert (counters.step, counters.images, counters.reals) == (17, 17 * 8, 17 * 8)


@pytest.mark.slow
def test_the_running_path_length_moved(lazy):
    assert 0 < lazy[0].state.slots["path_length_mean"].numpy() < 10


def test_optimizers_get_the_lazy_correction(logical_devices):
    adam = functools.partial(optimizers.adam, 0.002, 0.0, 0.99)
    goal = tiny.goal(r1_gamma=1.0, path_length_weight=2.0, update_teachers=True)
    made = tiny.make(
        tiny.toy(), logical_devices[:1], goal, 1, g_optimizer=adam, d_optimizer=adam
    ).state.optimizers
    for name, interval in (("g", 4), ("d", 16), ("teacher0", 0)):
        rate, betas = optimizers.lazy_correction(0.002, (0.0, 0.99), interval)
        assert optimizers.learning_rate(made[name]) == pytest.approx(rate)
        assert made[name].beta_2 == pytest.approx(betas[1])
    plain = tiny.make(
        tiny.toy(), logical_devices[:1], tiny.goal(), g_optimizer=adam, d_optimizer=adam
    ).state.optimizers
    assert optimizers.learning_rate(plain["g"]) == pytest.approx(0.002)
    assert optimizers.learning_rate(plain["d"]) == pytest.approx(0.002)


def test_each_trainable_variable_is_in_one_family(logical_devices):
    goal = tiny.goal(r1_gamma=1.0, path_length_weight=2.0, update_teachers=True)
    train = tiny.make(tiny.toy(num_classes=2), logical_devices[:1], goal, teachers=2)
    families = {}
    for phase in train.phases:
        owned = {id(variable) for variable in phase.variables}
        families.setdefault(phase.name.split("_")[0], owned)
        assert families[phase.name.split("_")[0]] == owned, phase.name
    assert list(families) == ["g", "d", "teacher0", "teacher1"]
    networks = train.state.networks
    every = [networks.generator, networks.discriminator, *networks.teachers]
    for owned, network in zip(families.values(), every, strict=True):
        assert owned == {id(v) for v in network.trainable_variables}
    assert sum(map(len, families.values())) == len(set.union(*families.values()))


def test_student_and_teacher_must_not_share_variables(logical_devices):
    goal = tiny.goal(update_teachers=True)
    train = tiny.make(tiny.toy(), logical_devices[:1], goal, teachers=1)
    networks = train.state.networks
    networks.teachers = [networks.discriminator]
    with train.strategy.scope(), pytest.raises(ValueError, match="must not share"):
        wanted = settings.Settings(
            objective=goal, g_optimizer=tiny.sgd, d_optimizer=tiny.sgd, batch_size=8
        )
        trainer.Trainer(networks, train.strategy, 0, wanted)


@pytest.fixture(scope="module")
def guided(logical_devices):
    """Two steps without a teacher, with weight 0, and with a growing weight."""
    found = {}
    for name, teachers, options in (
        ("alone", 0, {}),
        ("weight 0", 1, {"guidance_weight": 0.0}),
        ("guided", 1, {"guidance_schedule": lambda images, w: w * (1 + images)}),
    ):
        train = tiny.make(
            tiny.toy(), logical_devices[:1], tiny.goal(**WGAN, **options), teachers,
            d_first=True,
        )  # fmt: skip
        start, source = tiny.everything(train), tiny.iterator(train)
        first = tiny.steps(train, 1, source)
        middle = tiny.everything(train)
        metrics = first + tiny.steps(train, 1, source)
        found[name] = train, metrics, [start, middle, tiny.everything(train)]
    return found


@pytest.mark.slow
def test_weight_zero_equals_training_without_a_teacher(guided):
    _, metrics, (*_, alone) = guided["alone"]
    _, other_metrics, (*_, other) = guided["weight 0"]
    assert metrics == other_metrics
    for name, value in alone.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)


@pytest.mark.slow
def test_a_frozen_teacher_stays_bit_for_bit(guided):
    _, _, (start, _, end) = guided["guided"]
    kept = [name for name in start if name.startswith("teacher0/")]
    assert sorted(kept) == ["teacher0/kernel", "teacher0/slope", "teacher0/u"]
    for name in kept:
        np.testing.assert_array_equal(start[name], end[name], err_msg=name)
    assert "teacher0" not in guided["guided"][0].state.optimizers


@pytest.mark.slow
def test_guidance_moves_the_generator_and_not_the_student_discriminator(guided):
    alone, with_teacher = guided["alone"][2][1], guided["guided"][2][1]
    # The discriminator goes first, so a term in its own loss would show here.
    for name in ("discriminator/slope", "discriminator/kernel", "discriminator/u"):
        np.testing.assert_array_equal(alone[name], with_teacher[name], err_msg=name)
    moved = alone["generator/kernel"] - with_teacher["generator/kernel"]
    assert np.abs(moved).max() > 1e-4


@pytest.mark.slow
def test_a_changing_weight_is_not_traced_again(guided):
    train, metrics, _ = guided["guided"]
    assert train.trace_counts() == {"d": 1, "g": 1}
    for step, weight in ((0, 0.1), (1, 0.1 * 9)):
        found = metrics[step]
        total = found["g/adversarial"] + weight * found["g/guidance"]
        assert found["g/loss"] == pytest.approx(total, rel=1e-5)


@pytest.mark.slow
def test_the_generator_step_follows_the_closed_form(guided):
    """L = -E[D(x)] - weight E[T(x)]; x = (z M) K; SGD with rate 0.02."""
    train, _, (start, middle, _) = guided["guided"]
    z = latents_of(train, "g").numpy().astype(np.float64)
    kernel, mapping = start["generator/kernel"], start["generator/mapping"]
    x = z @ mapping @ kernel
    pull = np.zeros_like(x)
    for name, weight in (("discriminator", 1.0), ("teacher0", 0.1)):
        # The student's discriminator took its step before.
        bend = middle[f"{name}/kernel"]
        pull -= weight * (middle[f"{name}/slope"] + x @ bend @ bend.T) / len(x)
    moved = kernel - 0.02 * (z @ mapping).T @ pull
    np.testing.assert_allclose(middle["generator/kernel"], moved, rtol=2e-5, atol=2e-6)
    moved = mapping - 0.02 * z.T @ pull @ kernel.T
    np.testing.assert_allclose(middle["generator/mapping"], moved, rtol=2e-5, atol=2e-6)


@pytest.mark.slow
def test_half_life_average_copies_what_is_not_trained(guided):
    _, _, (start, middle, _) = guided["guided"]
    decay = 0.5 ** (8 / 20)
    for name in ("kernel", "mapping"):
        new, old = middle[f"generator/{name}"], start[f"generator_ema/{name}"]
        expected = new + decay * (old - new)
        found = middle[f"generator_ema/{name}"]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    moved = middle["generator/average"]
    assert np.abs(moved).max() > 0
    np.testing.assert_array_equal(middle["generator_ema/average"], moved)


@pytest.fixture(scope="module")
def several(logical_devices):
    """Two steps with three discriminator steps of four reals each."""
    train = tiny.make(
        tiny.toy(), logical_devices[:1], tiny.goal(**WGAN), d_steps=3, d_batch_size=4,
        d_microbatches=2, g_microbatches=4, d_first=True, d_optimizer=still,
        ema_statistics=True,
        ema_decay=functools.partial(ema.fixed, decay=0.5, start_steps=2),
    )  # fmt: skip
    source = tiny.iterator(train)
    metrics = tiny.steps(train, 1, source)
    middle = tiny.everything(train)
    metrics += tiny.steps(train, 1, source)
    return train, metrics, middle, tiny.everything(train)


@pytest.mark.slow
def test_several_discriminator_steps_take_several_batches(several):
    train, metrics, _, _ = several
    images, _ = tiny.reals(4 * 64, tiny.SIDE)
    judge = train.state.networks.discriminator
    for step, batch in ((0, 2), (1, 5)):  # the last one of each step is reported
        scores = judge(images[4 * batch : 4 * batch + 4])
        expected = float(tf.reduce_mean(scores))
        assert metrics[step]["d/score_real"] == pytest.approx(expected, rel=1e-5)
    assert train.state.counters.reals == 24 and train.state.counters.images == 16
    assert train.state.optimizers["d"].iterations.numpy() == 6
    assert train.state.optimizers["g"].iterations.numpy() == 2


@pytest.mark.slow
def test_fixed_average_copies_until_its_start_and_then_takes_all(several):
    _, _, middle, end = several
    names = [name for name in middle if name.startswith("generator/")]
    assert "generator/average" in names
    for name in names:
        average = name.replace("generator/", "generator_ema/")
        np.testing.assert_array_equal(middle[average], middle[name], err_msg=name)
        expected = 0.5 * (middle[average] + end[name])
        np.testing.assert_allclose(end[average], expected, rtol=1e-5, atol=1e-7)
        assert np.abs(end[average] - end[name]).max() > 0


@pytest.mark.slow
@pytest.mark.parametrize("d_first", [False, True], ids=["g first", "d first"])
def test_relativistic_pairs_share_their_reals(logical_devices, d_first):
    train = tiny.make(
        tiny.toy(), logical_devices[:1], tiny.goal(**RELATIVISTIC), teachers=1,
        d_first=d_first, g_optimizer=still, d_optimizer=still,
    )  # fmt: skip
    metrics = tiny.steps(train, 2)
    assert phases_of(metrics[0]) == (["d", "g"] if d_first else ["g", "d"])
    assert train.state.counters.reals == 16
    images, _ = tiny.reals(8 * 64, tiny.SIDE)
    networks = train.state.networks
    for step in range(2):
        real = images[8 * step : 8 * step + 8]
        for phase, sign in (("g", 1), ("d", -1)):
            fake = networks.generator(latents_of(train, phase, step=step))
            gap = networks.discriminator(real) - networks.discriminator(fake)
            name = "adversarial" if phase == "g" else "loss"
            expected = softplus(sign * gap.numpy()).mean()
            assert metrics[step][f"{phase}/{name}"] == pytest.approx(expected, 1e-4)
        fake = networks.generator(latents_of(train, "g", step=step))
        gap = networks.teachers[0](real) - networks.teachers[0](fake)
        expected = softplus(gap.numpy()).mean()
        assert metrics[step]["g/guidance"] == pytest.approx(expected, 1e-4)


def test_a_relativistic_generator_needs_as_many_reals(logical_devices):
    with pytest.raises(ValueError, match="d_batch_size=4 must equal batch_size=8"):
        tiny.make(
            tiny.toy(), logical_devices[:1], tiny.goal(**RELATIVISTIC), d_batch_size=4
        )


def test_synchronized_batch_norm_rules_out_xla_on_several_replicas(logical_devices):
    for bn, count, local in (("sync", 2, False), ("sync", 1, True), ("local", 2, True)):
        train = tiny.make(
            tiny.biggan_pair(bn=bn), logical_devices[:count], tiny.goal(), jit=True,
            keep_weights=True,
        )  # fmt: skip
        assert {phase.local for phase in train.phases} == {local}, (bn, count)


def test_the_average_has_the_generators_names(logical_devices):
    networks = tiny.make(tiny.toy(), logical_devices[:1], tiny.goal()).state.networks
    assert list(base.named_variables(networks.generator)) == list(
        base.named_variables(networks.generator_ema)
    )


def test_jit_auto_means_off_on_a_cpu(logical_devices):
    strategy = tf.distribute.OneDeviceStrategy(logical_devices[0])
    assert settings.resolve_jit("auto", strategy) is False
    assert settings.resolve_jit(True, strategy) is True
    with pytest.raises(ValueError, match="jit='yes' must be 'auto', True or False"):
        settings.resolve_jit("yes", strategy)


def test_a_limit_of_memory_makes_accumulation(logical_devices):
    goal = tiny.goal(path_length_weight=2.0)
    train = tiny.make(
        tiny.toy(), logical_devices[:2], goal, batch_size=24, d_batch_size=8,
        max_microbatch=5, g_microbatches=2,
    )  # fmt: skip
    parts = {
        phase.name: (phase.batch_size, phase.microbatches) for phase in train.phases
    }
    # 12 images a replica in parts of 4, 4 in one part, 6 of path length in 3 parts.
    assert parts == {"g": (24, 3), "g_reg": (12, 3), "d": (8, 1)}


def test_lanes_cut_every_microbatch(logical_devices):
    goal = tiny.goal(path_length_weight=2.0, r1_gamma=1.0, update_teachers=True)
    train = tiny.make(
        tiny.toy(), logical_devices[:1], goal, teachers=1, batch_size=24,
        g_microbatches=2, lanes=3,
    )  # fmt: skip
    parts = {phase.name: (phase.microbatches, phase.lanes) for phase in train.phases}
    assert parts == {
        "g": (6, 3), "g_reg": (6, 3), "d": (3, 3), "d_reg": (3, 3),
        "teacher0": (3, 3), "teacher0_reg": (3, 3),
    }  # fmt: skip
    few = tiny.make(
        tiny.toy(), logical_devices[:1], tiny.goal(path_length_weight=2.0), lanes=8
    )
    found = {phase.name: (phase.microbatches, phase.lanes) for phase in few.phases}
    assert found["g_reg"] == (4, 4)  # half the batch of 8


@pytest.mark.slow
def test_two_lanes_equal_two_microbatches(logical_devices):
    goal = dict(r1_gamma=1.0, path_length_weight=2.0, guidance_weight=0.5)
    found = []
    for options in ({"lanes": 2}, {"g_microbatches": 2, "d_microbatches": 2}):
        train = tiny.make(
            tiny.toy(bend=0.3), logical_devices[:1], tiny.goal(**goal), teachers=1,
            **options,
        )  # fmt: skip
        found.append((tiny.steps(train, 2), tiny.everything(train)))
    for one, other in zip(found[0][0], found[1][0], strict=True):
        assert one == pytest.approx(other, rel=1e-5, abs=1e-6)
    tiny.assert_close(found[0][1], found[1][1], 2e-6)


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"lanes": 3}, "phase 'g'=8 must be .*1.3"),
        ({"lanes": 0}, "Trainer.lanes=0 must be an integer >= 1"),
        ({"batch_size": 6, "g_microbatches": 4}, "phase 'g'=6 must be .*(1.4)"),
        ({"d_microbatches": 3}, "phase 'd'=8 must be .*1.3"),
        ({"d_batch_size": 5, "d_microbatches": 2}, "phase 'd'=5"),
        ({"batch_size": 0}, "Trainer.batch_size=0 must be an integer >= 1"),
        ({"batch_size": "8"}, "Trainer.batch_size='8' must be an integer"),
        ({"d_steps": 0}, "Trainer.d_steps=0"),
        ({"g_microbatches": 1.5}, "Trainer.g_microbatches=1.5"),
        ({"d_batch_size": -2}, "Trainer.d_batch_size=-2"),
        ({"max_microbatch": 0}, "Trainer.max_microbatch=0 must be an integer"),
    ],
)
def test_impossible_options_are_refused(logical_devices, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        tiny.make(tiny.toy(), logical_devices[:1], tiny.goal(), **options)
