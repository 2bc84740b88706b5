"""Terms: losses that a training adds to the game, as choices in gin.

`Objective.terms = [@OutputL1(), @LeCam()]`. A term sees a microbatch through a
`microbatch.Microbatch` and adds to the generator's loss, to the discriminator's, or to
neither and changes what they see. What it trains (projections from student to teacher
width) moves with the optimizer of its player; what it remembers is part of the
checkpoint.

Terms that imitate take the first of `train.teachers`: its generator sees the same
latents, the same mixing of styles and the same noise as the student, untruncated, and
its discriminator is called in inference mode. Nothing of it moves.
"""

import re

from dglgan_tf.compat import tf
from dglgan_tf.config import fields
from dglgan_tf.training import state


class Term:
    """What terms have in common; each hook may be left as it is.

    Attributes:
      needs_teacher: whether it asks the first teacher's discriminator.
      needs_teacher_generator: whether it asks the first teacher's generator.
    """

    needs_teacher = False
    needs_teacher_generator = False

    def __post_init__(self):
        fields.check(self)

    @property
    def name(self) -> str:
        """How metrics and checkpoints name it: 'output_l1'."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(self).__name__).lower()

    def build(self, networks: state.Networks) -> None:
        """Creates the term's variables; under the strategy's scope."""

    def variables(self) -> dict[str, tf.Variable]:
        """Returns {name: variable} of what a checkpoint must hold."""
        return {}

    def trained(self, player: str) -> list[tf.Variable]:
        """Returns what the optimizer of 'generator' or 'discriminator' moves."""
        del player
        return []

    def scalars(self, images: int) -> dict[str, float]:
        """Returns numbers for the step after `images` images (host)."""
        del images
        return {}

    def generator(self, microbatch) -> dict[str, tuple[float, tf.Tensor]]:
        """Returns {metric: (weight, [] loss)} to add to the generator's loss."""
        del microbatch
        return {}

    def discriminator(self, microbatch) -> dict[str, tuple[float, tf.Tensor]]:
        """Returns {metric: (weight, [] loss)} to add to the discriminator's loss."""
        del microbatch
        return {}

    def sample_weights(self, microbatch):
        """Returns [N] factors of the generator's adversarial losses, or None."""
        del microbatch

    def reals(self, microbatch, images, labels):
        """Returns images and labels that the student's discriminator takes as real."""
        del microbatch
        return images, labels
