"""A guidance weight that the training chooses: both terms push equally hard.

The weight that is right depends on the networks and on the moment: where the student's
discriminator is new its gradient is small, where the teacher's is certain of the fakes
its own vanishes. So the weight follows the measured gradients:

    weight = share * |d L_student / d images| / |d L_teachers / d images|

Related: VQGAN's adaptive weight (Esser et al., 2012.09841, eq. 7) takes the ratio at
the last layer of the generator in every step; GradNorm (Chen et al., 1711.02257) trains
the weights so that norms at shared layers agree. Here the ratio is taken at the images,
where both terms meet, and over many batches, and nothing but the weight follows it.
"""

import dataclasses

import gin

from dglgan_tf.compat import tf
from dglgan_tf.config import fields
from dglgan_tf.layers import updates
from dglgan_tf.training import game, state
from dglgan_tf.training.microbatch import Microbatch

NAME = "balance"  # of the phase that measures
_TINY = 1e-30
_FACTOR = 2.0**16  # keeps gradients in float16's range; cancels without rounding


@gin.configurable
@dataclasses.dataclass(eq=False)
class BalancedWeight:
    """Takes the place of the number `Objective.guidance_weight`.

    Measured on the generator's own batches, over all microbatches, lanes and replicas;
    a schedule multiplies what is measured.

    Attributes:
      share: length of the teachers' gradient relative to that of the student's
        discriminator, both with respect to the student's images; 1 = equally hard.
      half_life_images: after which a measurement counts half (its squared lengths).
      interval_steps: how often it is measured.
      lowest, highest: limits of the weight; the upper one keeps a teacher that no
        longer has a gradient from being blown up.
    """

    share: float = 1.0
    half_life_images: int = 10_000
    interval_steps: int = 16
    lowest: float = 0.001
    highest: float = 10.0

    def __post_init__(self):
        fields.check(self, positive=("share", "highest"))
        if self.lowest > self.highest:
            raise ValueError(
                f"BalancedWeight.lowest={self.lowest} must be at most highest="
                f"{self.highest}"
            )
        self._squares = None

    def build(self) -> None:
        """Creates the running squares; under the strategy's scope."""
        self._squares = state.slot("guidance_balance_squares", [0.0, 0.0])

    def variables(self) -> dict[str, tf.Variable]:
        """Returns {name: variable} of what a checkpoint must hold."""
        return {} if self._squares is None else {"squares": self._squares}

    def __call__(self) -> tf.Tensor:
        """Returns the weight [] float32; the lowest one before anything is measured."""
        student, teachers = tf.unstack(tf.convert_to_tensor(self._squares))
        ratio = tf.sqrt(student / tf.maximum(teachers, _TINY))
        return tf.clip_by_value(self.share * ratio, self.lowest, self.highest)

    def observe(self, student: tf.Tensor, teachers: tf.Tensor, images: int) -> None:
        """Moves the running squares, through `layers.updates`.

        Means of squares over the parts of a batch are those of the batch, up to a
        factor that both have: how it is cut does not matter.

        Args:
          student, teachers: [] squared lengths of the gradients over a microbatch.
          images: of the batches since the last measurement.
        """
        kept = 0.5 ** (images / self.half_life_images)
        found = (1.0 - kept) * tf.stack([student, teachers])
        moved = kept * updates.current(self._squares) + found
        updates.record(self._squares, moved, average=True)


def squared_lengths(goal, microbatch) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns |d term / d images|^2, [] each: of the student's term, of the teachers'.

    Args:
      goal: the `Objective`.
      microbatch: made by `Microbatch.for_generator`.
    """
    images = microbatch.student_images
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(images)
        terms = game.adversarial(goal, microbatch), game.guidance(goal, microbatch)
        scaled = [_FACTOR * term for term, _ in terms]
    found = [tf.cast(tape.gradient(term, images), tf.float32) for term in scaled]
    student, teachers = (tf.reduce_sum(tf.square(g / _FACTOR)) for g in found)
    return student, teachers


def measure(goal, networks, batch_size: int, inputs) -> tuple[tf.Tensor, dict]:
    """The loss of the phase: none; moves the balance. Arguments as in `game`."""
    balance = goal.guidance_weight
    with updates.collect():  # dropped: looking moves no statistics
        microbatch = Microbatch.for_generator(goal, networks, inputs)
        student, teachers = squared_lengths(goal, microbatch)
    balance.observe(student, teachers, balance.interval_steps * batch_size)
    return student + teachers, {"student": student, "teachers": teachers}


def phases(make, networks, goal, cut) -> list:
    """Returns the phase that measures, where the weight is balanced.

    Args:
      make: of `phase_plan`: (name, loss, variables, optimizer, ...) -> phase.
      networks: `state.Networks`.
      goal: the `Objective`.
      cut: `layout.Layout`.
    """
    if not (isinstance(goal.guidance_weight, BalancedWeight) and networks.teachers):
        return []
    return [
        make(
            NAME,
            lambda inputs: measure(goal, networks, cut.batch_size, inputs),
            network=None,
            optimizer=None,
            batch_size=cut.batch_size,
            microbatches=cut.g_microbatches * cut.lanes,
            lanes=cut.lanes,
            interval=goal.guidance_weight.interval_steps,
            reals="next" if goal.needs_reals else None,
        )
    ]
