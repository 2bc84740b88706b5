"""Each term's number on networks with closed forms, and what it moves."""

import types

import numpy as np
import pytest
from support import tiny_training as tiny

from dglgan_tf.compat import tf
from dglgan_tf.layers import taps, updates
from dglgan_tf.losses import distillation, smoothing
from dglgan_tf.metrics import kernel as kernel_distance
from dglgan_tf.networks import stylegan2
from dglgan_tf.ops import philox
from dglgan_tf.training import draws, game, penalties, scores
from dglgan_tf.training.augmentation import adaptive, augment
from dglgan_tf.training.terms import of_discriminator as d_terms
from dglgan_tf.training.terms import of_generator as g_terms

SEED = tf.constant([1, 2], tf.int32)
SIZE = 6


@pytest.fixture(scope="module")
def networks():
    """A student pair, a teacher of other widths, all with weights from seeds."""
    made = types.SimpleNamespace(
        generator=tiny.Linear(num_classes=3, bend=0.3),
        discriminator=tiny.Quadratic(num_classes=3),
        teachers=[tiny.Quadratic(num_classes=3, width=3)],
        teacher_generator=tiny.Linear(num_classes=3, width=4),
    )
    members = [made.generator, made.discriminator, *made.teachers]
    for seed, network in enumerate([*members, made.teacher_generator]):
        tiny.fill(network, seed)
    return made


@pytest.fixture(scope="module")
def batch():
    """Six reals and latents."""
    images, labels = tiny.reals(SIZE, tiny.SIDE, num_classes=3)
    z = np.random.RandomState(0).randn(SIZE, 3).astype(np.float32)
    return {
        "images": tf.constant(images),
        "labels": tf.constant(labels),
        "z": tf.constant(z),
        "fake_labels": tf.constant(labels[::-1].copy()),
        "seed": SEED,
        "guidance_weight": tf.constant(0.0),
    }


def play(player, networks, batch, *chosen, **options):
    """Returns (loss, metrics, what moved) of one player with these terms."""
    defaults = {"guidance_weight": 0.0}
    goal = tiny.goal(terms=chosen, **{**defaults, **options}).bound(networks)
    with updates.collect() as moved:
        loss, metrics = getattr(game, f"{player}_loss")(goal, networks, batch)
    return float(loss), {k: float(v) for k, v in metrics.items()}, moved


def images(networks, batch):
    """The student's and the teacher's images."""
    made = []
    for network in (networks.generator, networks.teacher_generator):
        with updates.collect():
            made.append(network(batch["z"], batch["fake_labels"]).numpy())
    return made


def softplus(x):
    return np.logaddexp(0, np.asarray(x, np.float64))


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


def test_self_supervised_trains_the_generator_alone(networks, batch):
    student, teacher = images(networks, batch)
    s, t = (networks.teachers[0](x).numpy() for x in (student, teacher))
    expected = (1 - softplus(-s) / softplus(-t)) ** 2
    expected += 0.5 * (1 - softplus(s) / softplus(t)) ** 2
    term = g_terms.SelfSupervised(weight=2.0)
    loss, metrics, moved = play(
        "generator", networks, batch, term, adversarial_weight=0.0
    )
    assert metrics == {"self_supervised": pytest.approx(expected.mean(), rel=1e-4)}
    assert loss == pytest.approx(2 * expected.mean(), rel=1e-4)
    assert [u.variable.name for u in moved] == [networks.generator.average.name]


def test_output_l1_adds_to_the_adversarial_loss(networks, batch):
    student, teacher = images(networks, batch)
    loss, metrics, _ = play("generator", networks, batch, g_terms.OutputL1(weight=0.5))
    assert metrics["output_l1"] == pytest.approx(np.abs(student - teacher).mean(), 1e-5)
    expected = metrics["adversarial"] + 0.5 * metrics["output_l1"]
    assert loss == pytest.approx(expected, rel=1e-6)


def test_perceptual_compares_unit_features(networks, batch):
    student, teacher = images(networks, batch)

    def features(x):
        return [tf.reshape(x, [-1, 2, 2, 4])]

    def unit(x):
        x = x.reshape(-1, 2, 2, 4)
        return x / np.linalg.norm(x, axis=-1, keepdims=True)

    expected = ((unit(student) - unit(teacher)) ** 2).sum(-1).mean()
    _, metrics, _ = play(
        "generator", networks, batch, g_terms.Perceptual(lambda: features)
    )
    assert metrics["perceptual"] == pytest.approx(expected, rel=1e-4)


def test_distribution_matching_compares_sets_of_embeddings(networks, batch):
    student, teacher = images(networks, batch)

    def features(x):
        return [x, tf.reshape(x, [-1, 2, 2, 4])]

    def embedding(x):
        return x.reshape(-1, 4, 4).mean(1)

    expected = kernel_distance.mmd2(embedding(student), embedding(teacher))
    loss, metrics, _ = play(
        "generator",
        networks,
        batch,
        g_terms.DistributionMatching(lambda: features, 3.0),
    )
    assert metrics["distribution_matching"] == pytest.approx(expected, rel=1e-4)
    assert loss == pytest.approx(metrics["adversarial"] + 3 * expected, rel=1e-4)


def test_latent_directions_move_both_networks_alike(networks, batch):
    def features(x):
        return [tf.reshape(x, [-1, 2, 2, 4])]

    term = g_terms.LatentDirections(lambda: features, directions=2, strength=0.7)
    loss, metrics, _ = play("generator", networks, batch, term)
    weights = networks.teacher_generator.mapping.numpy().astype(np.float64)
    values, vectors = np.linalg.eigh(weights @ weights.T)
    strongest = vectors[:, np.argsort(values)[::-1][:2]].T
    draw = philox.uniform([SIZE], draws.fold(batch["seed"], 32)).numpy()
    pairs = []
    for network in (networks.generator, networks.teacher_generator):
        z = batch["z"].numpy()
        # Directions have their largest value positive; the second half goes backwards.
        known = [d * np.sign(d[np.abs(d).argmax()]) for d in strongest]
        known = 0.7 * np.float32([*known, *(-d for d in known)])
        moved = z + known[(draw * 4).astype(int)]
        pair = [network(tf.constant(x), batch["fake_labels"]) for x in (z, moved)]
        pairs.append([x.numpy().reshape(-1, 4, 4).mean(1) for x in pair])
    expected = distillation.latent_directions(*pairs).numpy().mean()
    assert metrics["latent_directions"] == pytest.approx(expected, rel=1e-4)
    assert loss == pytest.approx(metrics["adversarial"] + expected, rel=1e-4)


def test_latent_directions_need_codes_of_one_length(networks):
    pair = types.SimpleNamespace(
        generator=tiny.Linear(z_dim=5), teacher_generator=networks.teacher_generator
    )
    with pytest.raises(ValueError, match="1 codes of length 5, the teacher 1 of 3"):
        g_terms.LatentDirections(lambda: None).build(pair)


def test_feature_l1_projects_the_students_features(networks, batch):
    term = g_terms.FeatureL1([1])
    goal = tiny.goal(terms=[term], guidance_weight=0.0).bound(networks)
    (kernel,) = goal.trained("generator")
    assert kernel.shape == (2, 4) and goal.trained("discriminator") == []
    assert list(goal.variables()) == ["feature_l1/kernels/0"]
    features = []
    for network in (networks.generator, networks.teacher_generator):
        with updates.collect(), taps.collect() as found:
            network(batch["z"], batch["fake_labels"])
        features.append(found[1].numpy())
    expected = np.abs(features[0] @ (kernel.numpy() / 2**0.5) - features[1]).mean()
    with updates.collect(), tf.GradientTape() as tape:
        _, metrics = game.generator_loss(goal, networks, batch)
    assert float(metrics["feature_l1"]) == pytest.approx(expected, rel=1e-5)
    assert np.abs(tape.gradient(metrics["feature_l1"], kernel)).max() > 0


@pytest.mark.parametrize("joint", [True, False])
def test_feature_alignment_adds_reals_and_fakes(networks, batch, joint):

    seen = scores.scores_joint if joint else scores.scores_separate
    term = d_terms.FeatureAlignment([1])
    goal = tiny.goal(terms=[term], guidance_weight=0.0, d_scores=seen).bound(networks)
    (kernel,) = goal.trained("discriminator")
    student, _ = images(networks, batch)
    expected = 0.0
    for x in (student, batch["images"].numpy()):
        x = x.reshape(SIZE, -1)
        narrow = x @ networks.discriminator.kernel.numpy() @ kernel.numpy() / 2**0.5
        wide = x @ networks.teachers[0].kernel.numpy()
        expected += np.abs(narrow - wide).mean()
    with updates.collect():
        loss, metrics = game.discriminator_loss(goal, networks, batch)
    assert float(metrics["feature_alignment"]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "function, least",
    [(distillation.logit_alignment, True), (distillation.logit_divergence, False)],
)
def test_logits_align_on_reals_and_on_fakes(networks, batch, function, least):
    expected = 0.0
    for x in (batch["images"], images(networks, batch)[0]):
        s, t = networks.discriminator(x).numpy(), networks.teachers[0](x).numpy()
        own = softplus(t) - sigmoid(t) * t
        expected += (softplus(s) - sigmoid(t) * s - (0 if least else own)).mean()
    term = d_terms.LogitAlignment(loss=function)
    _, metrics, _ = play("discriminator", networks, batch, term)
    assert metrics["logit_alignment"] == pytest.approx(expected, rel=1e-4)


def test_the_student_rejects_the_teachers_images(networks, batch):
    term = d_terms.TeacherSamplesRejected(loss=distillation.d_teacher_samples_logistic)
    loss, metrics, _ = play("discriminator", networks, batch, term)
    expected = softplus(networks.discriminator(images(networks, batch)[1])).mean()
    assert metrics["teacher_samples_rejected"] == pytest.approx(expected, rel=1e-5)
    plain, _, _ = play("discriminator", networks, batch)
    assert loss == pytest.approx(plain + 0.1 * expected, rel=1e-5)


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_teacher_samples_take_the_place_of_reals(networks, batch, probability):
    term = d_terms.TeacherSamplesAsData(probability)
    _, metrics, _ = play("discriminator", networks, batch, term)
    _, plain, _ = play("discriminator", networks, batch)
    assert metrics["score_fake"] == plain["score_fake"]
    same = metrics["score_real"] == pytest.approx(plain["score_real"], rel=1e-6)
    assert same == (probability == 0.0)
    _, guided, _ = play("generator", networks, batch, term)  # unchanged
    _, alone, _ = play("generator", networks, batch)
    assert guided == alone


def test_lecam_pulls_towards_the_other_kinds_mean(networks, batch):
    goal = tiny.goal(terms=[d_terms.LeCam(weight=0.3, decay=0.9)]).bound(networks)
    means = goal.variables()
    means["lecam/real"].assign(0.2)
    means["lecam/fake"].assign(-0.1)
    real = networks.discriminator(batch["images"]).numpy()
    fake = networks.discriminator(images(networks, batch)[0]).numpy()
    expected = ((real + 0.1) ** 2).mean() + ((fake - 0.2) ** 2).mean()
    with updates.collect() as moved:
        _, metrics = game.discriminator_loss(goal, networks, batch)
    assert float(metrics["lecam"]) == pytest.approx(expected, rel=1e-5)
    values = {u.variable.name: u.value.numpy() for u in moved if u.average}
    assert values["lecam_real:0"] == pytest.approx(0.18 + 0.1 * real.mean(), rel=1e-4)
    assert values["lecam_fake:0"] == pytest.approx(-0.09 + 0.1 * fake.mean(), rel=1e-4)


def test_top_k_keeps_the_best_samples(networks, batch):
    term = g_terms.TopK(epoch_images=100, decay=0.9, smallest_share=0.6)
    goal = tiny.goal(terms=[term], guidance_weight=0.0)
    assert goal.scalars(100) == {"guidance_weight": 0.0, "top_k_share": 0.9}
    scores = networks.discriminator(images(networks, batch)[0]).numpy()
    share = tf.constant(0.5)
    _, metrics, _ = play("generator", networks, {**batch, "top_k_share": share}, term)
    expected = np.sort(softplus(-scores))[:3].mean()
    assert metrics["adversarial"] == pytest.approx(expected, rel=1e-5)


def test_smoothed_losses_listen_to_the_teacher(networks, batch):
    student, _ = images(networks, batch)
    fake, real = (
        networks.discriminator(student),
        networks.discriminator(batch["images"]),
    )
    judge = networks.teachers[0]
    accepted = sigmoid(judge(student))
    expected = sigmoid(judge(batch["images"])) * softplus(-real)
    expected += (1 - accepted) * softplus(fake)
    loss, _, _ = play(
        "discriminator", networks, batch, d_loss=smoothing.d_logistic_smooth
    )
    assert loss == pytest.approx(expected.mean(), rel=1e-5)
    loss, _, _ = play(
        "generator", networks, batch, g_loss=smoothing.g_logistic_rejected
    )
    assert loss == pytest.approx(((1 - accepted) * softplus(-fake)).mean(), rel=1e-5)


def test_the_game_can_be_weighted(networks, batch):
    loss, metrics, _ = play("generator", networks, batch, adversarial_weight=0.25)
    assert loss == pytest.approx(0.25 * metrics["adversarial"], rel=1e-6)


def mirrored(probability_of_teacher):
    return adaptive.Augmentation(
        lambda x, seed, p: augment.mirror(x, seed, p, share=1.0),
        of_teacher=probability_of_teacher,
    )


@pytest.mark.parametrize("of_teacher", [True, False])
def test_teachers_see_the_augmented_images_or_not(networks, batch, of_teacher):
    goal = tiny.goal(augment=mirrored(of_teacher)).bound(networks)
    with updates.collect():
        _, metrics = game.generator_loss(goal, networks, batch)
    student, _ = images(networks, batch)
    seen = student[:, :, ::-1] if of_teacher else student
    own = networks.discriminator(student[:, :, ::-1]).numpy().mean()
    theirs = networks.teachers[0](seen).numpy().mean()
    assert float(metrics["score_fake"]) == pytest.approx(own, rel=1e-4)
    assert float(metrics["teacher_score_fake"]) == pytest.approx(theirs, rel=1e-4)


def test_a_teacher_with_the_students_weights_is_imitated_exactly(batch):
    """Same latents, same mixing, same noise, no truncation: nothing is left."""
    make_g, make_d = tiny.stylegan2_pair(8)
    pair = [make_g(), make_g()]
    for network in pair:
        tiny.fill(network, 3)
        for block in network.blocks.values():
            for layer in (block.conv0, block.conv1):
                if layer is not None:
                    layer.noise.strength.assign(0.5)
    assert pair[0].style_mixing_prob == 0.9
    made = types.SimpleNamespace(
        generator=pair[0],
        discriminator=make_d(),
        teacher_generator=pair[1],
        teachers=[],
    )
    z = tf.random.stateless_normal([4, 6], [1, 1])
    chosen = g_terms.OutputL1(), g_terms.FeatureL1([4, 8])
    moved_before = pair[1].w_avg.numpy()
    _, metrics, moved = play(
        "generator", made, {"z": z, "seed": SEED}, *chosen, adversarial_weight=0.0
    )
    assert metrics == {"output_l1": 0.0, "feature_l1": 0.0}
    assert [u.variable.name for u in moved] == [pair[0].w_avg.name]
    np.testing.assert_array_equal(pair[1].w_avg, moved_before)
    with updates.collect():
        other = pair[1](z, training=False)
        drawn = pair[1].call_frozen(z, seed=SEED)
    assert np.abs(other - drawn).max() > 1e-3
    assert isinstance(pair[0], stylegan2.StyleGAN2Generator)


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"terms": g_terms.OutputL1()}, "must be a list"),
        ({"terms": ["OutputL1"]}, r"holds 'OutputL1': name terms"),
        (
            {"terms": [d_terms.LeCam(), d_terms.LeCam()]},
            "must be distinct",
        ),
        ({"g_loss": smoothing.g_logistic_accepted}, "guidance_weight=0.1 must be 0"),
        ({"update_teachers": True, "adversarial_weight": 0.0}, "must not go with it"),
        (
            {"update_teachers": True, "d_loss": smoothing.d_hinge_smooth},
            "update_teachers=True must not go with it",
        ),
    ],
)
def test_impossible_objectives_are_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        tiny.goal(**options)


def test_terms_without_their_teacher_are_refused(networks):
    alone = types.SimpleNamespace(
        teachers=[], teacher_generator=None, load_teacher_generator=None
    )
    for term, sentence in (
        (
            d_terms.LogitAlignment(),
            "logit_alignment needs a teacher: name one",
        ),
        (
            g_terms.OutputL1(),
            "output_l1 needs a teacher's generator: name a teacher",
        ),
    ):
        with pytest.raises(ValueError, match=sentence):
            tiny.goal(terms=[term]).bound(alone)
    with pytest.raises(ValueError, match="nothing to learn from"):
        tiny.goal(adversarial_weight=0.0).bound(alone)
    with pytest.raises(ValueError, match=r"FeatureL1.resolutions has \[8\]; .* \[1\]"):
        tiny.goal(terms=[g_terms.FeatureL1([8])]).bound(networks)
    with pytest.raises(ValueError, match="LeCam.weight=-1 must be 0 or more"):
        d_terms.LeCam(weight=-1)


@pytest.mark.parametrize("of_teacher", [True, False])
def test_r1_looks_through_the_augmentation(networks, batch, of_teacher):
    """D(2 x): the gradient at x is twice that at 2 x."""
    twice = adaptive.Augmentation(lambda x, seed, p: 2 * x, of_teacher=of_teacher)
    goal = tiny.goal(r1_gamma=2.0, r1_interval_steps=3, augment=twice).bound(networks)
    x = batch["images"].numpy().reshape(SIZE, -1)

    def expected(judge, factor):
        kernel = judge.kernel.numpy()
        slope = factor * (judge.slope.numpy() + factor * x @ kernel @ kernel.T)
        return 3 * (slope**2).sum(1).mean()

    for judge, factor in (
        (networks.discriminator, 2),
        (networks.teachers[0], 2 if of_teacher else 1),
    ):
        with updates.collect():
            loss, _ = penalties.lazy_penalty(goal, networks, judge, batch)
        assert float(loss) == pytest.approx(expected(judge, factor), rel=1e-4)
