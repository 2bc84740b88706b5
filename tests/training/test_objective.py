"""Losses, guidance and regularizers on networks with closed-form gradients."""

import types

import numpy as np
import pytest
from support import tiny_training as tiny

from dglgan_tf.compat import tf
from dglgan_tf.layers import updates
from dglgan_tf.losses import adversarial, guidance
from dglgan_tf.training import game, penalties, scores
from dglgan_tf.training.terms import of_discriminator as d_terms
from dglgan_tf.training.terms import of_generator as g_terms

SEED = tf.constant([1, 2], tf.int32)


@pytest.fixture
def networks():
    """A student pair and two teachers with weights from seeds."""
    made = types.SimpleNamespace(
        generator=tiny.Linear(num_classes=3, bend=0.3),
        discriminator=tiny.Quadratic(num_classes=3),
        teachers=[tiny.Quadratic(num_classes=3), tiny.Quadratic(num_classes=3)],
    )
    members = [made.generator, made.discriminator, *made.teachers]
    for seed, network in enumerate(members):
        tiny.fill(network, seed)
    return made


@pytest.fixture
def batch():
    """Six reals and latents."""
    images, labels = tiny.reals(6, tiny.SIDE, num_classes=3)
    z = np.random.RandomState(0).randn(6, 3).astype(np.float32)
    return {
        "images": tf.constant(images),
        "labels": tf.constant(labels),
        "z": tf.constant(z),
        "fake_labels": tf.constant(labels[::-1].copy()),
        "seed": SEED,
        "guidance_weight": tf.constant(0.25),
    }


def fakes(networks, batch):
    with updates.collect():
        return networks.generator(batch["z"], batch["fake_labels"])


def softplus(x):
    return np.logaddexp(0, np.asarray(x, np.float64))


def slope_at(discriminator, images):
    """dD/dx = a + K K^T x as [N, pixels]."""
    x = np.reshape(images, [len(images), -1]).astype(np.float64)
    kernel = discriminator.kernel.numpy().astype(np.float64)
    return discriminator.slope.numpy() + x @ kernel @ kernel.T


def test_generator_loss_adds_the_weighted_teachers(networks, batch):
    goal = tiny.goal(guidance_weight=1.0)
    loss, metrics = game.generator_loss(goal, networks, batch)
    fake = fakes(networks, batch)
    own = softplus(-networks.discriminator(fake)).mean()
    scores = np.stack([teacher(fake) for teacher in networks.teachers])
    term = softplus(-scores).sum(0).mean()
    assert float(loss) == pytest.approx(own + 0.25 * term, rel=1e-5)
    assert float(metrics["guidance"]) == pytest.approx(term, rel=1e-5)
    assert float(metrics["teacher_score_fake"]) == pytest.approx(scores.mean(), 1e-4)


def test_dynamic_guidance_counts_rejected_fakes(networks, batch):
    goal = tiny.goal(guidance=guidance.dynamic_teachers)
    _, metrics = game.generator_loss(goal, networks, batch)
    scores = np.stack([t(fakes(networks, batch)) for t in networks.teachers])
    expected = (np.maximum(-scores, 0) * softplus(-scores)).sum(0).mean()
    assert float(metrics["guidance"]) == pytest.approx(expected, rel=1e-5)


def test_guidance_reaches_the_generator_and_never_the_teacher(networks, batch):
    goal = tiny.goal()
    teacher_state = [v for t in networks.teachers for v in t.variables]
    with updates.collect() as moved, tf.GradientTape(persistent=True) as tape:
        _, metrics = game.generator_loss(goal, networks, batch)
    assert tape.gradient(metrics["guidance"], networks.generator.kernel) is not None
    assert not {id(u.variable) for u in moved} & {id(v) for v in teacher_state}
    with tf.GradientTape() as tape:
        loss, _ = game.discriminator_loss(goal, networks, batch)
    assert tape.gradient(loss, teacher_state) == [None] * len(teacher_state)


def test_discriminator_loss_has_no_gradient_for_the_generator(networks, batch):
    with tf.GradientTape() as tape:
        loss, metrics = game.discriminator_loss(tiny.goal(), networks, batch)
    real = networks.discriminator(batch["images"]).numpy()
    fake = networks.discriminator(fakes(networks, batch)).numpy()
    expected = softplus(-real).mean() + softplus(fake).mean()
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert float(metrics["sign_real"]) == pytest.approx(np.sign(real).mean(), 1e-5)
    variables = networks.generator.trainable_variables
    assert tape.gradient(loss, variables) == [None] * len(variables)


def test_joint_and_separate_scores_agree(networks, batch):
    fake = fakes(networks, batch)
    arguments = (
        networks.discriminator, batch["images"], batch["labels"],
        fake, batch["fake_labels"],
    )  # fmt: skip
    with updates.collect():
        joint = scores.scores_joint(*arguments)
        apart = scores.scores_separate(*arguments)
    for one, other in zip(joint, apart, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_relativistic_losses_pair_with_the_same_reals(networks, batch):
    goal = tiny.goal(
        d_loss=adversarial.d_relativistic, g_loss=adversarial.g_relativistic
    )
    _, metrics = game.generator_loss(goal, networks, batch)
    fake = fakes(networks, batch)

    def expected(judge):
        return softplus(judge(batch["images"]).numpy() - judge(fake).numpy())

    assert float(metrics["adversarial"]) == pytest.approx(
        expected(networks.discriminator).mean(), rel=1e-5
    )
    terms = sum(expected(teacher).mean() for teacher in networks.teachers)
    assert float(metrics["guidance"]) == pytest.approx(terms, rel=1e-5)


def test_r1_and_r2_are_squared_gradients_times_the_interval(networks, batch):
    goal = tiny.goal(r1_gamma=3.0, r2_gamma=5.0, r1_interval_steps=4)
    with updates.collect() as moved:
        loss, metrics = penalties.lazy_penalty(
            goal, networks, networks.discriminator, batch
        )
    r1 = (slope_at(networks.discriminator, batch["images"]) ** 2).sum(1).mean()
    r2 = (slope_at(networks.discriminator, fakes(networks, batch)) ** 2).sum(1).mean()
    assert float(metrics["r1"]) == pytest.approx(r1, rel=1e-5)
    assert float(metrics["r2"]) == pytest.approx(r2, rel=1e-5)
    assert float(loss) == pytest.approx(4 * (1.5 * r1 + 2.5 * r2), rel=1e-5)
    assert [u.variable.name for u in moved] == [networks.discriminator.u.name]


def test_r1_gradient_follows_the_closed_form(networks, batch):
    goal = tiny.goal(r1_gamma=2.0, r1_interval_steps=1)
    with tf.GradientTape() as tape:
        loss, _ = penalties.lazy_penalty(goal, networks, networks.discriminator, batch)
    gradient = tape.gradient(loss, networks.discriminator.slope)
    slopes = slope_at(networks.discriminator, batch["images"])
    np.testing.assert_allclose(gradient, 2 * slopes.mean(0), rtol=1e-4)


def test_wgan_gp_with_its_drift(networks, batch):
    networks.discriminator.kernel.assign(tf.zeros_like(networks.discriminator.kernel))
    goal = tiny.goal(
        d_loss=adversarial.d_wgan,
        g_loss=adversarial.g_wgan,
        gradient_penalty_weight=10.0,
        drift_weight=0.5,
    )
    loss, metrics = game.discriminator_loss(goal, networks, batch)
    real = networks.discriminator(batch["images"]).numpy()
    fake = networks.discriminator(fakes(networks, batch)).numpy()
    norm = np.linalg.norm(networks.discriminator.slope.numpy())
    penalty, drift = (norm - 1) ** 2, (real**2).mean()
    assert float(metrics["gradient_penalty"]) == pytest.approx(penalty, rel=1e-4)
    assert float(metrics["drift"]) == pytest.approx(drift, rel=1e-5)
    expected = (fake - real).mean() + 10 * penalty + 0.5 * drift
    assert float(loss) == pytest.approx(expected, rel=1e-4)


def test_gradient_penalty_lies_between_real_and_fake(networks, batch):
    goal = tiny.goal(gradient_penalty_weight=1.0)
    _, metrics = game.discriminator_loss(goal, networks, batch)
    fake, real = fakes(networks, batch).numpy(), batch["images"].numpy()
    mixes = np.linspace(0, 1, 201)[:, None, None, None, None]
    norms = [
        np.linalg.norm(
            slope_at(networks.discriminator, m * real + (1 - m) * fake), axis=1
        )
        for m in mixes[:, 0]
    ]
    each = (np.array(norms) - 1) ** 2
    low, high = each.min(0).mean(), each.max(0).mean()
    assert low < float(metrics["gradient_penalty"]) < high


def test_orthogonal_regularization_leaves_out_the_embedding(networks, batch):
    generator = networks.generator
    assert sorted(penalties.orthogonal_kernels(generator)) == ["kernel", "mapping"]
    goal = tiny.goal(orthogonal_weight=0.5, guidance_weight=0.0)
    loss, metrics = game.generator_loss(goal, networks, batch)
    expected = 0.0
    for variable in (generator.kernel, generator.mapping):
        products = variable.numpy().T @ variable.numpy()
        off = products - np.diag(np.diag(products))
        expected += 0.5 * (off**2).sum()
    assert float(metrics["orthogonal"]) == pytest.approx(expected, rel=1e-4)
    own = float(metrics["adversarial"])
    assert float(loss) == pytest.approx(own + 0.5 * expected, rel=1e-5)


def test_orthogonal_kernels_of_biggan_are_all_but_vectors_and_embedding():
    generator = tiny.biggan_pair()[0]()
    names = penalties.orthogonal_kernels(generator)
    assert "embedding/kernel" not in names and "linear/kernel" in names
    matrices = [v for v in generator.trainable_variables if len(v.shape) > 1]
    assert len(names) == len(matrices) - 1


def test_path_length_moves_its_mean_and_is_weighted(networks, batch):
    mean = tf.Variable(0.4, **tiny.STATE)
    goal = tiny.goal(path_length_weight=2.0, path_length_interval_steps=4)
    with updates.collect() as moved:
        loss, metrics = penalties.path_length_loss(goal, networks, mean, batch)
    values = {id(u.variable): float(u.value) for u in moved if u.variable is mean}
    length = float(metrics["path_length"])
    assert values[id(mean)] == pytest.approx(0.4 + 0.01 * (length - 0.4), rel=1e-5)
    penalty = float(metrics["path_length_penalty"])
    assert float(loss) == pytest.approx(8 * penalty, rel=1e-6) and penalty > 0


def test_an_updated_teacher_moves_only_its_own_state(networks, batch):
    with updates.collect() as moved:
        loss, _ = game.teacher_loss(tiny.goal(), networks, 1, batch)
    assert [u.variable.name for u in moved] == [networks.teachers[1].u.name]
    teacher = networks.teachers[1]
    expected = softplus(-teacher(batch["images"]).numpy()).mean()
    expected += softplus(teacher(fakes(networks, batch)).numpy()).mean()
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_weight_follows_its_schedule():
    assert tiny.goal(guidance_weight=0.3).weight_at(10) == 0.3
    goal = tiny.goal(
        guidance_weight=0.5, guidance_schedule=lambda images, weight: weight * images
    )
    assert goal.weight_at(4) == 2.0


def test_facts_are_plain_and_tell_objectives_apart():
    facts = tiny.goal(r1_gamma=2.0).facts()
    assert facts["d_loss"] == "d_logistic" and facts["r1_gamma"] == 2.0
    other = tiny.goal(d_loss=adversarial.d_hinge).facts()
    assert {k for k in facts if facts[k] != other[k]} == {"d_loss", "r1_gamma"}


@pytest.mark.parametrize(
    "name, value, rule",
    [
        ("guidance_weight", -0.1, "0 or more"),
        ("r1_gamma", -1.0, "0 or more"),
        ("r2_gamma", -1.0, "0 or more"),
        ("gradient_penalty_weight", -1.0, "0 or more"),
        ("drift_weight", -1.0, "0 or more"),
        ("orthogonal_weight", -1.0, "0 or more"),
        ("r1_interval_steps", 0, "integer >= 1"),
        ("path_length_interval_steps", 2.5, "integer >= 1"),
        ("path_length_batch_shrink", 0, "integer >= 1"),
        ("path_length_weight", "2", "0 or more"),
        ("drift_weight", float("nan"), "0 or more"),
        ("d_loss", "d_hinge", "a function: write @ before"),
    ],
)
def test_impossible_weights_and_intervals_are_refused(name, value, rule):
    with pytest.raises(
        ValueError, match=f"Objective.{name}={value!r} must be .*{rule}"
    ):
        tiny.goal(**{name: value})


def _count_calls(monkeypatch, networks):
    """Returns {role: number of calls}, filled while losses are computed."""
    members = {"generator": networks.generator, "discriminator": networks.discriminator}
    members |= {f"teacher{i}": t for i, t in enumerate(networks.teachers)}
    calls = dict.fromkeys(members, 0)
    for role, network in members.items():

        def counted(*args, _call=network.call, _role=role, **kwargs):
            calls[_role] += 1
            return _call(*args, **kwargs)

        monkeypatch.setattr(network, "call", counted)
    return calls


def test_a_pass_serves_everything_that_looks_at_it(monkeypatch, networks, batch):
    """Guidance, top-k, LeCam and logit alignment on top of the losses: no pass more."""
    listed = [
        g_terms.TopK(1000),
        d_terms.LeCam(),
        d_terms.LogitAlignment(),
    ]
    batch["top_k_share"] = tf.constant(0.5)
    goal = tiny.goal(guidance_weight=0.5, terms=listed).bound(networks)
    calls = _count_calls(monkeypatch, networks)
    with updates.collect():
        game.generator_loss(goal, networks, batch)
    assert calls == {"generator": 1, "discriminator": 1, "teacher0": 1, "teacher1": 1}
    calls.update(dict.fromkeys(calls, 0))
    with updates.collect():
        game.discriminator_loss(goal, networks, batch)
    # Fakes and reals apart, as `scores_separate` wants; what no loss needs, such as
    # teacher 1's scores here, is pruned from a graph.
    assert calls == {"generator": 1, "discriminator": 2, "teacher0": 2, "teacher1": 2}
