"""What guidance does to the generator: scores and gradients of its two terms.

Computed once a tick on a fixed batch of reals and fresh fakes, apart from training:
nothing moves, no optimizer runs, and the step itself carries no extra cost. Large
images are computed a few at a time, whole groups of the minibatch standard deviation.
"""

from collections.abc import Callable

from dglgan_tf.compat import tf
from dglgan_tf.foundation import batches
from dglgan_tf.layers import spectral_norm, updates
from dglgan_tf.losses import needs, term_balance
from dglgan_tf.training import draws

_COUNT = 32  # images of each kind
_PIXELS = 2**23  # of each kind: fewer images from 512 px on, 8 of 1024
_GROUP = 4  # images that the discriminators' minibatch standard deviation compares


def count(side: int) -> int:
    """Returns how many images of each kind are compared, `side` their size in px."""
    return min(_COUNT, max(_PIXELS // side**2, _GROUP))


def _spread(images):
    """Standard deviation over the batch, mean over pixels."""
    return tf.reduce_mean(tf.math.reduce_std(images, axis=0))


def _singular_values(networks):
    found = {}
    for role in ("generator", "discriminator"):
        layers = spectral_norm.spectral_layers(getattr(networks, role))
        if layers:
            values = [layer.sigma(training=False) for layer in layers]
            found[f"singular/{role}"] = tf.reduce_max(tf.stack(values))
    return found


def _scores_and_terms(goal, networks, fakes, reals, imitated):
    """Scores of all discriminators; gradients of both generator terms, where guided.

    `fakes`, `reals` and `imitated` are (images, labels), the last one None without
    images of a teacher. Returns the scores, and [] or the two gradients.
    """
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(fakes[0])
        student = networks.discriminator(*fakes, training=False)
        real = networks.discriminator(*reals, training=False)
        teacher = [t(*fakes, training=False) for t in networks.teachers]
        own = needs.call(
            goal.g_loss,
            fake_logits=student,
            real_logits=real,
            teacher_fake=teacher[0] if teacher else None,
        )
        adversarial, term = tf.reduce_mean(own), 0.0
        guided = bool(teacher and goal.guidance_weight)
        real_scores = [t(*reals, training=False) for t in networks.teachers]
        if guided:
            compared = real_scores if goal.needs_reals else None
            term = tf.reduce_mean(goal.guidance(teacher, goal.g_loss, compared))
    found = {
        "scores/student_real": tf.reduce_mean(real),
        "scores/student_fake": tf.reduce_mean(student),
    }
    if teacher:
        found["scores/teacher_real"] = tf.reduce_mean(tf.stack(real_scores))
        found["scores/teacher_fake"] = tf.reduce_mean(tf.stack(teacher))
    if imitated is not None:
        theirs = [t(*imitated, training=False) for t in networks.teachers]
        own = networks.discriminator(*imitated, training=False)
        found["scores/teacher_teacher_fake"] = tf.reduce_mean(tf.stack(theirs))
        found["scores/student_teacher_fake"] = tf.reduce_mean(own)
    sent = (adversarial, term) if guided else ()
    return found, [tape.gradient(one, fakes[0]) for one in sent]


def _pair(batch, num_classes):
    labels = tf.convert_to_tensor(batch["labels"]) if num_classes else None
    return tf.convert_to_tensor(batch["images"]), labels


def compile_diagnostics(
    train, reals: dict, imitated: dict | None = None
) -> Callable[[], dict]:
    """Returns () -> {metric: [] tensor}; cross-replica context, no XLA.

    Args:
      train: the `Trainer`.
      reals: {'images' [N, H, W, C] float32, 'labels' [N]}; N fakes are drawn anew
        each time, from the run's seed and step.
      imitated: likewise images of the first teacher's generator; None = none.

    The metrics:
      scores/student_real, scores/student_fake: means of the student's D.
      scores/teacher_real, scores/teacher_fake: means over teachers, where there are.
      scores/student_teacher_fake, scores/teacher_teacher_fake: the same judges on
        images of the teacher's generator: what the student's should score in the end.
      diversity/ratio: standard deviation of pixels over the fakes, relative to that
        over the reals; near 0 when the generator has collapsed.
      singular/generator, singular/discriminator: largest singular value among the
        layers with spectral normalisation, where there are any; they leap before a
        collapse (BigGAN, section 4).
      guidance/ratio, guidance/cosine, guidance/balancing_weight: of the gradients that
        the two generator terms send to the fakes (`losses.term_balance`).
    """
    networks = train.state.networks
    latents = draws.Latents(networks.generator.z_dim, networks.generator.num_classes)
    images, _ = reals = _pair(reals, networks.generator.num_classes)
    if imitated is not None:
        imitated = _pair(imitated, networks.generator.num_classes)
    whole = int(images.shape[0])
    size = batches.drawable(whole, images.shape[1], _GROUP)
    cuts = [slice(i, i + size) for i in range(0, whole, size)]
    compute = _of_part(train, latents, whole)

    @tf.function(autograph=False)
    def joined(fakes, gradients):
        found = _singular_values(networks)
        if gradients:
            terms = term_balance.compare_terms(*gradients)
            found |= {f"guidance/{name}": value for name, value in terms.items()}
        spread = _spread(fakes) / tf.maximum(_spread(images), 1e-6)
        return {"diversity/ratio": spread, **found}

    def diagnose():
        counters = train.state.counters
        seed = tf.constant(draws.step_seed(train.seed, counters.step, "diagnostics", 0))
        parts = [
            compute(seed, tf.constant(c.start), _rows(reals, c), _rows(imitated, c))
            for c in cuts
        ]
        scores, fakes, gradients = zip(*parts, strict=True)
        means = tf.nest.map_structure(lambda *s: tf.add_n(s) / len(s), *scores)
        pushes = [tf.concat(part, 0) for part in zip(*gradients, strict=True)]
        return {**means, **joined(tf.concat(fakes, 0), pushes)}

    return diagnose


def _rows(pair, cut):
    return pair and tuple(None if whole is None else whole[cut] for whole in pair)


def _of_part(train, latents, whole):
    """Returns (seed, start, reals, imitated) -> scores, fakes, gradients of a part."""
    networks = train.state.networks

    @tf.function(autograph=False)
    def compute(seed, start, reals, imitated):
        batch = draws.fakes(latents, seed, whole, start, reals[0].shape[0])
        labels, noise = batch.get("fake_labels"), seed
        if whole > reals[0].shape[0]:
            noise = draws.fold(seed, start)
        with updates.collect():  # dropped: every statistic stays where it is
            fake = networks.generator(batch["z"], labels, training=True, seed=noise)
        scores, gradients = _scores_and_terms(
            train.objective, networks, (fake, labels), reals, imitated
        )
        return scores, fake, gradients

    return compute
