"""The objective: which losses, which guidance, which regularizers, and when.

Generic form (DGL-GAN, arXiv 2112.06502):

    min_G max_D  V(G, D) + guidance_weight * V(G, D_teacher)

Only the fake half of the teacher's term has a gradient for G, the student's D never
sees it, and the teacher's D is frozen or, as a variant, updated on the student's fakes.
"""

import copy
import dataclasses
from collections.abc import Callable, Sequence

import gin

from dglgan_tf.compat import tf
from dglgan_tf.config import fields
from dglgan_tf.losses import guidance as guidance_terms
from dglgan_tf.losses import regularizers
from dglgan_tf.training import microbatch, penalties
from dglgan_tf.training import terms as loss_terms
from dglgan_tf.training.augmentation import adaptive


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


def _needs(loss, what) -> bool:
    return bool(getattr(loss, f"needs_{what}_logits", False))


@gin.configurable
@dataclasses.dataclass(eq=False)
class Objective:
    """Losses of one training, as functions of a microbatch.

    A microbatch holds 'z' [N, z_dim], 'fake_labels' [N] (conditional), 'seed' [2], for
    discriminator phases 'images' [N, H, W, C] and 'labels' [N], and 'guidance_weight'
    []. Each loss method returns (loss [], metrics), weighted and averaged, and runs in
    replica context, under XLA or not.

    Attributes:
      d_loss: (real_logits, fake_logits) -> [N] (`losses.adversarial`); one that
        `needs_teacher_logits` (`losses.smoothing`) takes the first teacher's of both.
      g_loss: (fake_logits, real_logits=None) -> [N], or (fake_logits, teacher_logits).
      d_scores: how the discriminator sees reals and fakes.
      adversarial_weight: weight of the student discriminator's term in the generator's
        loss; 0 leaves the whole game out: no discriminator step runs.
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
      augment: how images change on their way to discriminators; None = not.
      terms: what else the players' losses hold (`training.terms`).
    """

    d_loss: Callable = gin.REQUIRED
    g_loss: Callable = gin.REQUIRED
    d_scores: Callable = scores_joint
    adversarial_weight: float = 1.0
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
    augment: adaptive.Augmentation | None = None
    terms: Sequence[loss_terms.Term] = ()

    def __post_init__(self):
        fields.check(self)
        if isinstance(self.terms, loss_terms.Term):
            raise ValueError("Objective.terms must be a list: write [ ] around it")
        for term in self.terms:
            if not isinstance(term, loss_terms.Term):
                raise ValueError(
                    f"Objective.terms holds {term!r}: name terms of training/terms.py "
                    "with @ before and () behind, such as [@OutputL1()]"
                )
        names = [term.name for term in self.terms]
        if len(names) != len(set(names)):
            raise ValueError(f"Objective.terms={names} must be distinct")
        if _needs(self.g_loss, "teacher") and self.guidance_weight:
            raise ValueError(
                f"Objective.g_loss={self.g_loss.__name__} listens to the teacher "
                f"already: guidance_weight={self.guidance_weight} must be 0"
            )
        if self.update_teachers and not self.adversarial_weight:
            raise ValueError(
                "Objective.update_teachers needs the student's game: adversarial_weight"
                "=0 must not go with it"
            )
        if self.update_teachers and _needs(self.d_loss, "teacher"):
            raise ValueError(
                f"Objective.d_loss={self.d_loss.__name__} listens to a teacher that "
                "stays as it is: update_teachers=True must not go with it"
            )

    def bound(self, networks) -> "Objective":
        """Returns a copy for these networks, with the variables that its parts need.

        Under the strategy's scope.

        Raises:
          ValueError: a part needs a teacher, and there is none.
        """
        self._find_teacher(networks)
        parts = [copy.copy(term) for term in self.terms]
        for term in parts:
            term.build(networks)
        augment = copy.copy(self.augment)
        if augment is not None:
            augment.build()
        return dataclasses.replace(self, terms=parts, augment=augment)

    def _find_teacher(self, networks):
        losses = (self.d_loss, self.g_loss)
        asking = [term.name for term in self.terms if term.needs_teacher]
        asking += [loss.__name__ for loss in losses if _needs(loss, "teacher")]
        imitating = [t.name for t in self.terms if t.needs_teacher_generator]
        if imitating and networks.teacher_generator is None:
            if networks.load_teacher_generator is None:
                raise ValueError(
                    f"{imitating[0]} needs a teacher's generator: name a teacher in "
                    "train.teachers"
                )
            networks.teacher_generator = networks.load_teacher_generator()
        if asking and not networks.teachers:
            raise ValueError(f"{asking[0]} needs a teacher: name one in train.teachers")
        guided = networks.teachers and self.guidance_weight
        if not (self.adversarial_weight or guided or self.terms):
            raise ValueError(
                "Objective.adversarial_weight=0 leaves the generator nothing to learn "
                "from: name a term, or a teacher"
            )

    def variables(self) -> dict:
        """Returns {name: variable} of what a checkpoint must hold, once bound."""
        parts = {term.name: term for term in self.terms}
        if self.augment is not None:
            parts["augment"] = self.augment
        return {
            f"{name}/{key}": variable
            for name, part in parts.items()
            for key, variable in part.variables().items()
        }

    def trained(self, player: str) -> list:
        """Returns the terms' variables that the optimizer of a player moves."""
        return [v for term in self.terms for v in term.trained(player)]

    def facts(self) -> dict:
        """Returns the objective as plain values, by which a resume is compared."""
        return {name: _plain(value) for name, value in vars(self).items()}

    def weight_at(self, images: int) -> float:
        """Returns the guidance weight after `images` images (host)."""
        if self.guidance_schedule is None:
            return float(self.guidance_weight)
        return float(self.guidance_schedule(images, self.guidance_weight))

    def scalars(self, images: int) -> dict[str, float]:
        """Returns the numbers that the step after `images` images takes (host)."""
        found = {"guidance_weight": self.weight_at(images)}
        for term in self.terms:
            found |= term.scalars(images)
        return found

    def generator_loss(self, networks, batch) -> tuple[tf.Tensor, dict]:
        """L_G = E[g_loss(D(G(z)))] + guidance_weight * E[guidance(D_teacher(G(z)))].

        With the weights and terms of the configuration.
        """
        view = microbatch.View(self, networks, batch, train_generator=True)
        loss, metrics = 0.0, {}
        if self.adversarial_weight:
            loss, metrics = self._adversarial(view)
        if networks.teachers and self.guidance_weight:
            reals = view.teacher_real_logits if self.needs_reals else None
            logits = view.teacher_logits
            term = tf.reduce_mean(self.guidance(logits, self.g_loss, reals))
            loss += batch["guidance_weight"] * term
            score = tf.reduce_mean(tf.add_n(logits)) / len(logits)
            metrics.update(guidance=term, teacher_score_fake=score)
        if self.orthogonal_weight:
            kernels = penalties.orthogonal_kernels(networks.generator)
            penalty = regularizers.orthogonal(list(kernels.values()))
            loss += self.orthogonal_weight * penalty
            metrics["orthogonal"] = penalty
        for term in self.terms:
            loss = _add(loss, metrics, term.generator(view))
        return loss, metrics

    def _adversarial(self, view):
        needs = _needs(self.g_loss, "teacher")
        losses = self.own_losses(
            view.fake_logits,
            view.real_logits,
            view.teacher_logits[0] if needs else None,
        )
        for term in self.terms:
            weights = term.sample_weights(view)
            losses = losses if weights is None else weights * losses
        mean = tf.reduce_mean(losses)
        metrics = {"adversarial": mean, "score_fake": tf.reduce_mean(view.fake_logits)}
        if self.adversarial_weight != 1.0:
            mean = self.adversarial_weight * mean
        return mean, metrics

    def own_losses(self, fake_logits, real_logits, teacher_logits) -> tf.Tensor:
        """Returns [N]: the generator's loss under the student's discriminator.

        Args:
          fake_logits: [N] scores of the fakes.
          real_logits: [N] scores of reals, or None where `g_loss` needs none.
          teacher_logits: [N] the first teacher's scores of the fakes, likewise.
        """
        if _needs(self.g_loss, "teacher"):
            return self.g_loss(fake_logits, teacher_logits)
        return self.g_loss(fake_logits, real_logits)

    @property
    def needs_reals(self) -> bool:
        """Whether the generator's loss compares fakes with reals."""
        return _needs(self.g_loss, "real")

    @property
    def needs_teacher_scores(self) -> bool:
        """Whether the generator's own loss listens to the first teacher."""
        return _needs(self.g_loss, "teacher")

    @property
    def has_lazy_penalty(self) -> bool:
        """Whether the discriminator has a lazy regularizer."""
        return bool(self.r1_gamma or self.r2_gamma)

    def discriminator_loss(self, networks, batch) -> tuple[tf.Tensor, dict]:
        """L_D = E[d_loss(D(x), D(G(z)))] + terms; the generator gets no gradient."""
        return self._real_fake_loss(microbatch.View(self, networks, batch))

    def fitting_loss(self, networks, batch) -> tuple[tf.Tensor, dict]:
        """The discriminator's loss against a generator that stays as it is."""
        return self._real_fake_loss(microbatch.View(self, networks, batch, still=True))

    def teacher_loss(self, networks, index: int, batch) -> tuple[tf.Tensor, dict]:
        """The discriminator's loss for an updated teacher (method 1.4).

        The student's statistics do not move here: they moved in its own phases.
        """
        judge = networks.teachers[index]
        return self._real_fake_loss(
            microbatch.View(self, networks, batch, judge=judge, still=True)
        )

    def _real_fake_loss(self, view):
        real, fake = view.real_logits, view.fake_logits
        opinions = ()
        if _needs(self.d_loss, "teacher"):
            opinions = view.teacher_real_logits[0], view.teacher_logits[0]
        loss = tf.reduce_mean(self.d_loss(real, fake, *opinions))
        metrics = {
            "score_real": tf.reduce_mean(real),
            "score_fake": tf.reduce_mean(fake),
            "sign_real": tf.reduce_mean(tf.sign(real)),
        }
        if self.gradient_penalty_weight:
            penalty, found = penalties.wgan(
                view, self.gradient_penalty_weight, self.drift_weight
            )
            loss += penalty
            metrics.update(found)
        if view.is_student:
            if self.augment is not None:
                metrics.update(self.augment.observe(real))
            for term in self.terms:
                loss = _add(loss, metrics, term.discriminator(view))
        return loss, metrics

    def lazy_penalty(self, networks, discriminator, batch) -> tuple[tf.Tensor, dict]:
        """R1 and R2 of a discriminator (`penalties.lazy`), times the lazy interval."""
        view = microbatch.View(self, networks, batch, judge=discriminator, still=True)
        return penalties.lazy(
            view, self.r1_gamma, self.r2_gamma, self.r1_interval_steps
        )

    def path_length_loss(self, networks, mean_length, batch):
        """Path-length regularization (`penalties.path_length`), times the interval."""
        weight = self.path_length_weight * self.path_length_interval_steps
        return penalties.path_length(
            networks.generator, mean_length, batch, self.path_length_decay, weight
        )


def _add(loss, metrics, found):
    """Adds a term's weighted losses; metrics keep them unweighted."""
    for name, (weight, value) in found.items():
        metrics[name] = value
        loss += value if weight == 1.0 else weight * value
    return loss


def _plain(value):
    """A configured value as JSON holds it: functions and objects by their names."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        found = {name: _plain(item) for name, item in fields.items()}
        return {"name": type(value).__name__, **found}
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    return value
