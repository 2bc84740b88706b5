"""Penalties on gradients and weights within a training: what they see, their metrics.

The formulas are in `losses.regularizers`. Each function takes the objective's numbers
and returns ([] loss, metrics), weighted and averaged; replica context,
under XLA or not.
"""

from dglgan_tf.compat import tf
from dglgan_tf.layers import updates
from dglgan_tf.losses import regularizers
from dglgan_tf.networks import base
from dglgan_tf.ops import philox
from dglgan_tf.training import draws
from dglgan_tf.training.microbatch import Microbatch

_MIX, _NOISE = 11, 7  # uses of a microbatch's seed


def wgan(microbatch, weight: float, drift_weight: float):
    """WGAN-GP's penalty between the reals and fakes that the discriminator sees."""
    real, fake = microbatch.seen_reals, microbatch.seen_fakes
    alpha = philox.uniform([fake.shape[0]], draws.fold(microbatch.inputs["seed"], _MIX))
    penalty = tf.reduce_mean(
        regularizers.gradient_penalty(
            lambda images: microbatch.discriminator(
                images, microbatch.real_labels, training=True
            ),
            real, fake, alpha,
        )
    )  # fmt: skip
    drift = tf.reduce_mean(regularizers.drift(microbatch.real_logits))
    metrics = {"gradient_penalty": penalty, "drift": drift}
    return weight * penalty + drift_weight * drift, metrics


def lazy(microbatch, r1_gamma: float, r2_gamma: float, interval: int):
    """gamma/2 * E[sum |dD(x)/dx|^2], times the lazy interval: R1 and R2.

    With augmentation x is the image before it, as in stylegan2-ada.
    """
    loss, metrics = 0.0, {}
    if r1_gamma:
        penalty, _ = regularizers.r1(
            lambda x: microbatch.discriminator(
                microbatch.as_reals(x), microbatch.real_labels, training=True
            ),
            microbatch.real_images,
        )
        metrics["r1"] = tf.reduce_mean(penalty)
        loss += 0.5 * interval * r1_gamma * metrics["r1"]
    if r2_gamma:
        penalty, _ = regularizers.r2(
            lambda x: microbatch.discriminator(
                microbatch.as_fakes(x), microbatch.fake_labels, training=True
            ),
            microbatch.student_images,
        )
        metrics["r2"] = tf.reduce_mean(penalty)
        loss += 0.5 * interval * r2_gamma * metrics["r2"]
    return loss, metrics


def path_length(generator, mean_length, batch, decay: float, weight: float):
    """Path-length regularization (StyleGAN2, eq. 4).

    Args:
      generator: has `training_ws` and `synthesize`.
      mean_length: [] variable, the running mean; moved through `layers.updates`.
      batch: 'z', 'fake_labels', 'seed'.
      decay: of the running mean.
      weight: of the penalty, times the lazy interval.
    """
    ws = generator.training_ws(batch["z"], batch.get("fake_labels"), batch["seed"])
    side = generator.resolution
    shape = [ws.shape[0], side, side, generator.num_channels]
    penalty, new_mean, lengths = regularizers.path_length(
        lambda ws: generator.synthesize(ws, noise="random", seed=batch["seed"]),
        ws,
        philox.normal(shape, draws.fold(batch["seed"], _NOISE)),
        updates.current(mean_length),
        decay=decay,
    )
    updates.record(mean_length, new_mean, average=True)
    penalty = tf.reduce_mean(penalty)
    return penalty * weight, {
        "path_length": tf.reduce_mean(lengths),
        "path_length_penalty": penalty,
    }


def lazy_penalty(goal, networks, discriminator, inputs) -> tuple[tf.Tensor, dict]:
    """R1 and R2 of a discriminator (`lazy`), times the lazy interval."""
    microbatch = Microbatch.for_penalty(goal, networks, inputs, discriminator)
    return lazy(microbatch, goal.r1_gamma, goal.r2_gamma, goal.r1_interval_steps)


def path_length_loss(goal, networks, mean_length, inputs) -> tuple[tf.Tensor, dict]:
    """Path-length regularization (`path_length`), times the interval."""
    weight = goal.path_length_weight * goal.path_length_interval_steps
    return path_length(
        networks.generator, mean_length, inputs, goal.path_length_decay, weight
    )


def orthogonal_kernels(generator) -> dict:
    """Returns {name: variable} of what orthogonal regularization acts on.

    Trainable variables with two or more axes; not the shared class embedding, whose
    rows would have to be as many directions as there are classes.
    """
    return {
        name: variable
        for name, variable in base.named_variables(generator).items()
        if variable.trainable
        and len(variable.shape) >= 2
        and name.split("/")[0] != "embedding"
    }
