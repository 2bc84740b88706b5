"""What guidance does to the generator: scores and gradients of its two terms.

Computed once a tick on a fixed batch of reals and fresh fakes, apart from training:
nothing moves, no optimizer runs, and the step itself carries no extra cost.
"""

from collections.abc import Callable

from dglgan_tf.compat import tf
from dglgan_tf.layers import updates
from dglgan_tf.training import draws


def compile_diagnostics(train, reals: dict) -> Callable[[], dict]:
    """Returns () -> {metric: [] tensor}; cross-replica context, no XLA.

    Args:
      train: the `Trainer`.
      reals: {'images' [N, H, W, C] float32, 'labels' [N]}; N fakes are drawn anew
        each time, from the run's seed and step.

    The metrics:
      scores/student_real, scores/student_fake: means of the student's D.
      scores/teacher_real, scores/teacher_fake: means over teachers, where guided.
      guidance/gradient_ratio: |gradient of the weighted teacher term| / |gradient of
        the adversarial term| with respect to the generator's parameters.
      guidance/gradient_cosine: cosine between the two.
    """
    goal, networks = train.objective, train.state.networks
    size = int(reals["images"].shape[0])
    latents = draws.Latents(networks.generator.z_dim, networks.generator.num_classes)
    images = tf.convert_to_tensor(reals["images"])
    labels = None
    if networks.generator.num_classes:
        labels = tf.convert_to_tensor(reals["labels"])

    @tf.function
    def compute(seed, weight):
        batch = draws.fakes(latents, seed, size, 0, size)
        # The two terms of the generator share one forward pass; dropped updates leave
        # every statistic where it was.
        with updates.collect(), tf.GradientTape(persistent=True) as tape:
            fake_labels = batch.get("fake_labels")
            fake = networks.generator(batch["z"], fake_labels, training=True, seed=seed)
            student = networks.discriminator(fake, fake_labels, training=False)
            real = networks.discriminator(images, labels, training=False)
            adversarial = tf.reduce_mean(goal.g_loss(student, real))
            teacher = [t(fake, fake_labels, training=False) for t in networks.teachers]
            term = 0.0
            if teacher:
                term = weight * tf.reduce_mean(goal.guidance(teacher, goal.g_loss))
        found = {
            "scores/student_real": tf.reduce_mean(real),
            "scores/student_fake": tf.reduce_mean(student),
        }
        if teacher:
            real_scores = [t(images, labels, training=False) for t in networks.teachers]
            found["scores/teacher_real"] = tf.reduce_mean(tf.stack(real_scores))
            found["scores/teacher_fake"] = tf.reduce_mean(tf.stack(teacher))
            weights = networks.generator.trainable_variables
            found |= _compare(
                tape.gradient(adversarial, weights), tape.gradient(term, weights)
            )
        return found

    def diagnose():
        counters = train.state.counters
        seed = draws.step_seed(train.seed, counters.step, "diagnostics", 0)
        weight = goal.weight_at(counters.images)
        return compute(tf.constant(seed), tf.constant(weight, tf.float32))

    return diagnose


def _compare(first, second):
    pairs = [
        (tf.convert_to_tensor(a), tf.convert_to_tensor(b))
        for a, b in zip(first, second, strict=True)
        if a is not None and b is not None
    ]
    first_norm = tf.linalg.global_norm([a for a, _ in pairs])
    second_norm = tf.linalg.global_norm([b for _, b in pairs])
    product = tf.add_n([tf.reduce_sum(a * b) for a, b in pairs])
    return {
        "guidance/gradient_ratio": tf.math.divide_no_nan(second_norm, first_norm),
        "guidance/gradient_cosine": tf.math.divide_no_nan(
            product, first_norm * second_norm
        ),
    }
