"""The game of generator and discriminators: the losses that an objective chooses.

Generic form (DGL-GAN, arXiv 2112.06502):

    min_G max_D  V(G, D) + guidance_weight * V(G, D_teacher)

Only the fake half of the teacher's term has a gradient for G, the student's D never
sees it, and the teacher's D is frozen or, as a variant, updated on the student's fakes.

Each loss takes an `Objective`, `state.Networks` and a microbatch's inputs: 'z' [N,
z_dim], 'fake_labels' [N] (conditional), 'seed' [2], for discriminator phases 'images'
[N, H, W, C] and 'labels' [N], and 'guidance_weight' []. It returns (loss [], {metric:
[]}), weighted and averaged. Context: *replica*, under XLA or not.
"""

from dglgan_tf.compat import tf
from dglgan_tf.losses import needs, regularizers
from dglgan_tf.training import penalties
from dglgan_tf.training.microbatch import Microbatch


def generator_loss(goal, networks, inputs) -> tuple[tf.Tensor, dict]:
    """L_G = E[g_loss(D(G(z)))] + guidance_weight * E[guidance(D_teacher(G(z)))].

    With the weights and terms of the objective.
    """
    microbatch = Microbatch.for_generator(goal, networks, inputs)
    loss, metrics = 0.0, {}
    if goal.adversarial_weight:
        loss, metrics = adversarial(goal, microbatch)
    if networks.teachers and goal.guidance_weight:
        weight = goal.weight_now(inputs["guidance_weight"])
        term, found = guidance(goal, microbatch)
        loss += weight * term
        metrics.update(found, guidance_weight=weight)
    if goal.orthogonal_weight:
        kernels = penalties.orthogonal_kernels(networks.generator)
        penalty = regularizers.orthogonal(list(kernels.values()))
        loss += goal.orthogonal_weight * penalty
        metrics["orthogonal"] = penalty
    for term in goal.terms:
        loss = _add(loss, metrics, term.generator(microbatch))
    return loss, metrics


def guidance(goal, microbatch) -> tuple[tf.Tensor, dict]:
    """The teachers' term, not weighted."""
    reals = microbatch.teacher_real_logits if goal.needs_reals else None
    logits = microbatch.teacher_logits
    term = tf.reduce_mean(goal.guidance(logits, goal.g_loss, reals))
    score = tf.reduce_mean(tf.add_n(logits)) / len(logits)
    return term, {"guidance": term, "teacher_score_fake": score}


def adversarial(goal, microbatch) -> tuple[tf.Tensor, dict]:
    """The term of the student's discriminator, weighted."""
    listens = needs.needs(goal.g_loss, "teacher_fake")
    losses = needs.call(
        goal.g_loss,
        fake_logits=microbatch.fake_logits,
        real_logits=microbatch.real_logits,
        teacher_fake=microbatch.teacher_logits[0] if listens else None,
    )
    for term in goal.terms:
        weights = term.sample_weights(microbatch)
        losses = losses if weights is None else weights * losses
    mean, weight = tf.reduce_mean(losses), goal.adversarial_weight
    score = tf.reduce_mean(microbatch.fake_logits)
    metrics = {"adversarial": mean, "score_fake": score}
    return mean if weight == 1.0 else weight * mean, metrics


def discriminator_loss(goal, networks, inputs) -> tuple[tf.Tensor, dict]:
    """L_D = E[d_loss(D(x), D(G(z)))] + terms; the generator gets no gradient."""
    return _real_fake(goal, Microbatch.for_discriminator(goal, networks, inputs))


def fitting_loss(goal, networks, inputs) -> tuple[tf.Tensor, dict]:
    """The discriminator's loss against a generator that stays as it is."""
    student = networks.discriminator
    return _real_fake(goal, Microbatch.for_penalty(goal, networks, inputs, student))


def teacher_loss(goal, networks, index: int, inputs) -> tuple[tf.Tensor, dict]:
    """The discriminator's loss for an updated teacher (method 1.4).

    The student's statistics do not move here: they moved in its own phases.
    """
    return _real_fake(goal, Microbatch.for_teacher(goal, networks, inputs, index))


def _real_fake(goal, microbatch):
    real, fake = microbatch.real_logits, microbatch.fake_logits
    opinions = {}
    if needs.needs(goal.d_loss, "teacher_real", "teacher_fake"):
        opinions["teacher_real"] = microbatch.teacher_real_logits[0]
        opinions["teacher_fake"] = microbatch.teacher_logits[0]
    losses = needs.call(goal.d_loss, real_logits=real, fake_logits=fake, **opinions)
    loss = tf.reduce_mean(losses)
    metrics = {
        "score_real": tf.reduce_mean(real),
        "score_fake": tf.reduce_mean(fake),
        "sign_real": tf.reduce_mean(tf.sign(real)),
    }
    if goal.gradient_penalty_weight:
        penalty, found = penalties.wgan(
            microbatch, goal.gradient_penalty_weight, goal.drift_weight
        )
        loss += penalty
        metrics.update(found)
    if microbatch.of_student:
        if goal.augment is not None:
            metrics.update(goal.augment.observe(real))
        for term in goal.terms:
            loss = _add(loss, metrics, term.discriminator(microbatch))
    return loss, metrics


def _add(loss, metrics, found):
    """Adds a term's weighted losses; metrics keep them unweighted."""
    for name, (weight, value) in found.items():
        metrics[name] = value
        loss += value if weight == 1.0 else weight * value
    return loss
