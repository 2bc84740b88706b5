"""The objective: which losses, which guidance, which regularizers, and when.

What gin files choose; `training.game` makes losses of it.
"""

import copy
import dataclasses
from collections.abc import Callable, Sequence

import gin

from dglgan_tf.compat import tf
from dglgan_tf.config import fields
from dglgan_tf.losses import guidance as guidance_terms
from dglgan_tf.losses.needs import needs
from dglgan_tf.training import balance
from dglgan_tf.training.augmentation import adaptive
from dglgan_tf.training.scores import scores_joint
from dglgan_tf.training.terms.term import Term

_OPINIONS = ("teacher_real", "teacher_fake")


@gin.configurable
@dataclasses.dataclass(eq=False)
class Objective:
    """The choices of one training.

    Attributes:
      d_loss: of the discriminator, a function of scores (`losses.needs`).
      g_loss: of the generator, likewise.
      d_scores: how the discriminator sees reals and fakes (`training.scores`).
      adversarial_weight: weight of the student discriminator's term in the generator's
        loss; 0 leaves the whole game out: no discriminator step runs.
      guidance: (list of teacher logits, g_loss) -> [N] (`losses.guidance`).
      guidance_weight: weight of the teacher term; 0 leaves it out; a `BalancedWeight`
        lets the training choose it.
      guidance_schedule: (images seen, weight) -> weight now; None = constant; what is
        balanced it multiplies, as if the weight were 1.
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
    guidance_weight: float | balance.BalancedWeight = 0.1
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
    terms: Sequence[Term] = ()

    def __post_init__(self):
        _check(self)

    def bound(self, networks) -> "Objective":
        """Returns a copy for these networks, with the variables that its parts need.

        Under the strategy's scope; ValueError: a part needs a teacher, there is none.
        """
        _find_teacher(self, networks)
        parts = [copy.copy(term) for term in self.terms]
        for term in parts:
            term.build(networks)
        augment, weight = copy.copy(self.augment), copy.copy(self.guidance_weight)
        for part in (augment, weight):
            if hasattr(part, "build"):
                part.build()
        return dataclasses.replace(
            self, terms=parts, augment=augment, guidance_weight=weight
        )

    @property
    def needs_reals(self) -> bool:
        """Whether the generator's loss compares fakes with reals."""
        return needs(self.g_loss, "real_logits")

    @property
    def has_lazy_penalty(self) -> bool:
        """Whether the discriminator has a lazy regularizer."""
        return bool(self.r1_gamma or self.r2_gamma)

    def weight_at(self, images: int) -> float:
        """Returns the guidance weight after `images` images (host).

        Of a balanced one, the factor that the schedule gives to it.
        """
        weight = 1.0 if self.is_balanced else float(self.guidance_weight)
        if self.guidance_schedule is None:
            return weight
        return float(self.guidance_schedule(images, weight))

    @property
    def is_balanced(self) -> bool:
        """Whether the training chooses the guidance weight."""
        return isinstance(self.guidance_weight, balance.BalancedWeight)

    def weight_now(self, scheduled: tf.Tensor) -> tf.Tensor:
        """Returns the weight [] of a step, given what `weight_at` says []."""
        return scheduled * self.guidance_weight() if self.is_balanced else scheduled

    def scalars(self, images: int) -> dict[str, float]:
        """Returns the numbers that the step after `images` images takes (host)."""
        found = {"guidance_weight": self.weight_at(images)}
        for term in self.terms:
            found |= term.scalars(images)
        return found

    def variables(self) -> dict:
        """Returns {name: variable} of what a checkpoint must hold, once bound."""
        parts = {term.name: term for term in self.terms}
        if self.augment is not None:
            parts["augment"] = self.augment
        if self.is_balanced:
            parts[balance.NAME] = self.guidance_weight
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


def _check(goal):
    """Raises ValueError where an objective contradicts itself."""
    fields.check(goal)
    if isinstance(goal.terms, Term):
        raise ValueError("Objective.terms must be a list: write [ ] around it")
    for part in goal.terms:
        if not isinstance(part, Term):
            raise ValueError(
                f"Objective.terms holds {part!r}: name terms of training/terms/ "
                "with @ before and () behind, such as [@OutputL1()]"
            )
    names = [term.name for term in goal.terms]
    if len(names) != len(set(names)):
        raise ValueError(f"Objective.terms={names} must be distinct")
    if needs(goal.g_loss, *_OPINIONS) and goal.guidance_weight:
        raise ValueError(
            f"Objective.g_loss={goal.g_loss.__name__} listens to the teacher "
            f"already: guidance_weight={goal.guidance_weight} must be 0"
        )
    if goal.is_balanced and not goal.adversarial_weight:
        raise ValueError(
            "Objective.guidance_weight=@BalancedWeight() needs the student's game to "
            "balance against: adversarial_weight=0 must not go with it"
        )
    if goal.update_teachers and not goal.adversarial_weight:
        raise ValueError(
            "Objective.update_teachers needs the student's game: adversarial_weight"
            "=0 must not go with it"
        )
    if goal.update_teachers and needs(goal.d_loss, *_OPINIONS):
        raise ValueError(
            f"Objective.d_loss={goal.d_loss.__name__} listens to a teacher that "
            "stays as it is: update_teachers=True must not go with it"
        )


def _find_teacher(goal, networks):
    losses = (goal.d_loss, goal.g_loss)
    asking = [term.name for term in goal.terms if term.needs_teacher]
    asking += [loss.__name__ for loss in losses if needs(loss, *_OPINIONS)]
    imitating = [t.name for t in goal.terms if t.needs_teacher_generator]
    if imitating and networks.teacher_generator is None:
        if networks.load_teacher_generator is None:
            raise ValueError(
                f"{imitating[0]} needs a teacher's generator: name a teacher in "
                "train.teachers"
            )
        networks.teacher_generator = networks.load_teacher_generator()
    if asking and not networks.teachers:
        raise ValueError(f"{asking[0]} needs a teacher: name one in train.teachers")
    guided = networks.teachers and goal.guidance_weight
    if not (goal.adversarial_weight or guided or goal.terms):
        raise ValueError(
            "Objective.adversarial_weight=0 leaves the generator nothing to learn "
            "from: name a term, or a teacher"
        )


def _plain(value):
    """A configured value as JSON holds it: functions and objects by their names."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value):
        held = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return {
            "name": type(value).__name__,
            **{name: _plain(item) for name, item in held.items()},
        }
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    return value
