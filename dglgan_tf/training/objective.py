"""The objective: which losses, which guidance, which regularizers, and when.

Generic form (DGL-GAN, arXiv 2112.06502):

    min_G max_D  V(G, D) + guidance_weight * V(G, D_teacher)

Only the fake half of the teacher's term has a gradient for G, the student's D never
sees it, and the teacher's D is frozen or, as a variant, updated on the student's fakes.
"""

import dataclasses
from collections.abc import Callable, Sequence

import gin

from dglgan_tf.compat import tf
from dglgan_tf.layers import updates
from dglgan_tf.losses import guidance as guidance_terms
from dglgan_tf.losses import regularizers
from dglgan_tf.networks import base
from dglgan_tf.ops import philox
from dglgan_tf.training import draws


def scores_joint(discriminator, real, real_labels, fake, fake_labels):
    """Scores fakes and reals in one call (BigGAN: one power iteration for both).

    Args:
      discriminator: called in training mode.
      real, fake: [N, H, W, C]; real_labels, fake_labels: [N] or None.

    Returns:
      (real_logits [N], fake_logits [N]).
    """
    images = tf.concat([fake, real], axis=0)
    labels = None
    if real_labels is not None:
        labels = tf.concat([fake_labels, real_labels], axis=0)
    logits = discriminator(images, labels, training=True)
    size = fake.shape[0]
    return logits[size:], logits[:size]


def scores_separate(discriminator, real, real_labels, fake, fake_labels):
    """Scores reals and fakes apart (StyleGAN2: minibatch statistics are per kind).

    Arguments and results as `scores_joint`.
    """
    fake_logits = discriminator(fake, fake_labels, training=True)
    return discriminator(real, real_labels, training=True), fake_logits


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


def _still_fakes(generator, batch):
    """Fakes as in training; the generator's statistics do not move."""
    with updates.collect():  # dropped
        return generator(
            batch["z"], batch.get("fake_labels"), training=True, seed=batch["seed"]
        )


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@gin.configurable
@dataclasses.dataclass(eq=False)
class Objective:
    """Losses of one training, as functions of a microbatch.

    A microbatch holds 'z' [N, z_dim], 'fake_labels' [N] (conditional), 'seed' [2], for
    discriminator phases 'images' [N, H, W, C] and 'labels' [N], and 'guidance_weight'
    []. Each loss method returns (loss [], metrics), weighted and averaged, and runs in
    replica context, under XLA or not.

    Attributes:
      d_loss: (real_logits, fake_logits) -> [N] (`losses.adversarial`).
      g_loss: (fake_logits, real_logits=None) -> [N].
      d_scores: how the discriminator sees reals and fakes.
      guidance: (list of teacher logits, g_loss) -> [N] (`losses.guidance`).
      guidance_weight: weight of the teacher term; 0 leaves it out.
      guidance_schedule: (images seen, weight) -> weight now; None = constant.
      update_teachers: train the teacher discriminators on the student's fakes.
      r1_gamma: weight of R1, `gamma/2 * E|grad D(x)|^2`; 0 = none.
      r2_gamma: weight of R2, the same on fakes; 0 = none.
      r1_interval_steps: lazy interval of R1 and R2 (StyleGAN2, section B).
      gradient_penalty_weight: of WGAN-GP, in every discriminator step; the paper has
        10; 0 = none.
      drift_weight: of E[D(x)^2], which goes with that penalty only.
      path_length_weight: weight of path-length regularization; 0 = none.
      path_length_interval_steps: its lazy interval.
      path_length_decay: of the running mean length.
      path_length_batch_shrink: its batch is this many times smaller.
      orthogonal_weight: modified orthogonal regularization of the generator (BigGAN,
        eq. 3); its shared class embedding is left out.
    """

    d_loss: Callable = gin.REQUIRED
    g_loss: Callable = gin.REQUIRED
    d_scores: Callable = scores_joint
    guidance: Callable = guidance_terms.sum_teachers
    guidance_weight: float = 0.1
    guidance_schedule: Callable | None = None
    update_teachers: bool = False
    r1_gamma: float = 0.0
    r2_gamma: float = 0.0
    r1_interval_steps: int = 16
    gradient_penalty_weight: float = 0.0
    drift_weight: float = 0.001
    path_length_weight: float = 0.0
    path_length_interval_steps: int = 4
    path_length_decay: float = 0.01
    path_length_batch_shrink: int = 2
    orthogonal_weight: float = 0.0

    def __post_init__(self):
        for field in dataclasses.fields(self):
            name, value = field.name, getattr(self, field.name)
            if field.type is Callable and not callable(value):
                raise ValueError(
                    f"Objective.{name}={value!r} must be a function: write @ before "
                    "its name in gin"
                )
            if field.type is float and not (_is_number(value) and value >= 0):
                raise ValueError(f"Objective.{name}={value!r} must be 0 or more")
            if field.type is int and not (isinstance(value, int) and value >= 1):
                raise ValueError(f"Objective.{name}={value!r} must be an integer >= 1")

    def facts(self) -> dict:
        """Returns the objective as plain values, by which a resume is compared."""
        return {
            name: getattr(value, "__name__", type(value).__name__)
            if callable(value)
            else value
            for name, value in vars(self).items()
        }

    def weight_at(self, images: int) -> float:
        """Returns the guidance weight after `images` images (host)."""
        if self.guidance_schedule is None:
            return float(self.guidance_weight)
        return float(self.guidance_schedule(images, self.guidance_weight))

    def generator_loss(self, networks, batch) -> tuple[tf.Tensor, dict]:
        """L_G = E[g_loss(D(G(z)))] + guidance_weight * E[guidance(D_teacher(G(z)))]."""
        labels = batch.get("fake_labels")
        fake = networks.generator(batch["z"], labels, training=True, seed=batch["seed"])
        real_logits = None
        if self.needs_reals:
            real_logits, logits = self.d_scores(
                networks.discriminator, batch["images"], batch.get("labels"),
                fake, labels,
            )  # fmt: skip
        else:
            logits = networks.discriminator(fake, labels, training=True)
        adversarial = tf.reduce_mean(self.g_loss(logits, real_logits))
        metrics = {"adversarial": adversarial, "score_fake": tf.reduce_mean(logits)}
        loss = adversarial
        if networks.teachers and self.guidance_weight:
            term, scores = self._guidance(networks.teachers, fake, batch)
            loss += batch["guidance_weight"] * term
            metrics.update(guidance=term, **scores)
        if self.orthogonal_weight:
            kernels = orthogonal_kernels(networks.generator)
            penalty = regularizers.orthogonal(list(kernels.values()))
            loss += self.orthogonal_weight * penalty
            metrics["orthogonal"] = penalty
        return loss, metrics

    def _guidance(self, teachers: Sequence, fake, batch):
        # A teacher is called in inference mode: not even its spectral vectors move.
        labels = batch.get("fake_labels")
        logits = [teacher(fake, labels, training=False) for teacher in teachers]
        reals = self.teacher_reals(teachers, batch.get("images"), batch.get("labels"))
        term = tf.reduce_mean(self.guidance(logits, self.g_loss, reals))
        scores = {"teacher_score_fake": tf.reduce_mean(tf.add_n(logits)) / len(logits)}
        return term, scores

    def teacher_reals(self, teachers: Sequence, images, labels) -> list | None:
        """Returns the teachers' scores of reals for a g_loss that compares with them.

        Args:
          teachers: discriminators, called in inference mode.
          images: [N, H, W, C] reals; labels: [N] or None.
        """
        if not self.needs_reals:
            return None
        return [teacher(images, labels, training=False) for teacher in teachers]

    @property
    def needs_reals(self) -> bool:
        """Whether the generator's loss compares fakes with reals."""
        return bool(getattr(self.g_loss, "needs_real_logits", False))

    @property
    def has_lazy_penalty(self) -> bool:
        """Whether the discriminator has a lazy regularizer."""
        return bool(self.r1_gamma or self.r2_gamma)

    def discriminator_loss(self, networks, batch) -> tuple[tf.Tensor, dict]:
        """L_D = E[d_loss(D(x), D(G(z)))]; the generator gets no gradient."""
        labels = batch.get("fake_labels")
        fake = networks.generator(batch["z"], labels, training=True, seed=batch["seed"])
        return self._real_fake_loss(networks.discriminator, fake, batch)

    def fitting_loss(self, networks, batch) -> tuple[tf.Tensor, dict]:
        """The discriminator's loss against a generator that stays as it is."""
        fake = _still_fakes(networks.generator, batch)
        return self._real_fake_loss(networks.discriminator, fake, batch)

    def _real_fake_loss(self, discriminator, fake, batch):
        fake = tf.stop_gradient(fake)
        real_logits, fake_logits = self.d_scores(
            discriminator, batch["images"], batch.get("labels"),
            fake, batch.get("fake_labels"),
        )  # fmt: skip
        loss = tf.reduce_mean(self.d_loss(real_logits, fake_logits))
        metrics = {
            "score_real": tf.reduce_mean(real_logits),
            "score_fake": tf.reduce_mean(fake_logits),
            "sign_real": tf.reduce_mean(tf.sign(real_logits)),
        }
        if self.gradient_penalty_weight:
            penalty = self._gradient_penalty(discriminator, fake, batch)
            drift = tf.reduce_mean(regularizers.drift(real_logits))
            loss += self.gradient_penalty_weight * penalty + self.drift_weight * drift
            metrics.update(gradient_penalty=penalty, drift=drift)
        return loss, metrics

    def _gradient_penalty(self, discriminator, fake, batch):
        labels = batch.get("labels")
        alpha = philox.uniform([fake.shape[0]], draws.fold(batch["seed"], 11))
        penalty = regularizers.gradient_penalty(
            lambda images: discriminator(images, labels, training=True),
            batch["images"], fake, alpha,
        )  # fmt: skip
        return tf.reduce_mean(penalty)

    def teacher_loss(self, networks, index: int, batch) -> tuple[tf.Tensor, dict]:
        """The discriminator's loss for an updated teacher (method 1.4).

        The student's statistics do not move here: they moved in its own phases.
        """
        fake = _still_fakes(networks.generator, batch)
        return self._real_fake_loss(networks.teachers[index], fake, batch)

    def lazy_penalty(self, networks, discriminator, batch) -> tuple[tf.Tensor, dict]:
        """gamma/2 * E[sum |dD(x)/dx|^2], times the lazy interval: R1 and R2."""
        loss, metrics = 0.0, {}
        weight = 0.5 * self.r1_interval_steps
        if self.r1_gamma:
            labels = batch.get("labels")
            penalty, _ = regularizers.r1(
                lambda images: discriminator(images, labels, training=True),
                batch["images"],
            )
            metrics["r1"] = tf.reduce_mean(penalty)
            loss += weight * self.r1_gamma * metrics["r1"]
        if self.r2_gamma:
            labels = batch.get("fake_labels")
            penalty, _ = regularizers.r2(
                lambda images: discriminator(images, labels, training=True),
                _still_fakes(networks.generator, batch),
            )
            metrics["r2"] = tf.reduce_mean(penalty)
            loss += weight * self.r2_gamma * metrics["r2"]
        return loss, metrics

    def path_length_loss(self, networks, mean_length, batch):
        """Path-length regularization (StyleGAN2, eq. 4), times the lazy interval.

        Args:
          networks: the generator has `training_ws` and `synthesize`.
          mean_length: [] variable, the running mean; moved through `layers.updates`.
          batch: 'z', 'fake_labels', 'seed'.
        """
        generator = networks.generator
        noise_seed = draws.fold(batch["seed"], 7)
        ws = generator.training_ws(batch["z"], batch.get("fake_labels"), batch["seed"])
        shape = [
            ws.shape[0],
            generator.resolution,
            generator.resolution,
            generator.num_channels,
        ]
        noise = philox.normal(shape, noise_seed)
        penalty, new_mean, lengths = regularizers.path_length(
            lambda ws: generator.synthesize(ws, noise="random", seed=batch["seed"]),
            ws,
            noise,
            updates.current(mean_length),
            decay=self.path_length_decay,
        )
        updates.record(mean_length, new_mean, average=True)
        loss = tf.reduce_mean(penalty) * (
            self.path_length_weight * self.path_length_interval_steps
        )
        return loss, {
            "path_length": tf.reduce_mean(lengths),
            "path_length_penalty": tf.reduce_mean(penalty),
        }
