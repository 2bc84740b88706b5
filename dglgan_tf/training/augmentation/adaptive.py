"""Augmentation in a training: what discriminators see, and how strongly it is changed.

The strength p may follow the discriminator's overfitting (ADA, 2006.06676, section 3):
the signs of its scores of reals add up on the device and every few steps p moves a
little. p and the sums are part of the checkpoint; no host waits for them.
"""

import dataclasses
from collections.abc import Callable

import gin

from dglgan_tf.compat import tf
from dglgan_tf.config import fields
from dglgan_tf.layers import updates
from dglgan_tf.training import state
from dglgan_tf.training.augmentation import ada


@gin.configurable
@dataclasses.dataclass(eq=False)
class Augmentation:
    """Changes all images on their way to a discriminator.

    Attributes:
      transform: (images, seed, probability) -> images: `@ada.augment`,
        `@augment.diffaugment`, `@augment.mirror`, or `@augment.chain` of several.
      probability: p at the start, between 0 and 1.
      target: share of confident scores of reals (the paper's r_t; it has 0.6) that p
        steers for; None keeps p.
      interval_steps: how often p moves.
      ramp_images: images in which p can go from 0 to 1.
      of_teacher: whether teacher discriminators see the same changed images as the
        student's, or the images as they are.
    """

    transform: Callable = gin.REQUIRED
    probability: float = 0.0
    target: float | None = None
    interval_steps: int = 4
    ramp_images: int = 500_000
    of_teacher: bool = True

    def __post_init__(self):
        fields.check(self)
        for name in ("probability", "target"):
            value = getattr(self, name)
            if value is not None and value > 1:
                raise ValueError(f"Augmentation.{name}={value!r} must be at most 1")
        self._probability = self._signs = None

    def build(self) -> None:
        """Creates p and the sums that move it; under the strategy's scope."""
        if self.target is not None:
            self._probability = state.slot("augment_probability", self.probability)
            self._signs = state.slot("augment_signs", [0.0, 0.0])

    def variables(self) -> dict[str, tf.Variable]:
        """Returns {name: variable} of what a checkpoint must hold."""
        if self._signs is None:
            return {}
        return {"probability": self._probability, "signs": self._signs}

    def __call__(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Changes images.

        Args:
          images: [N, H, W, C] float32 in [-1, 1], N static.
          seed: [2] int32.

        Returns:
          [N, H, W, C]; gradients flow through, also to second order.
        """
        return self.transform(images, seed, self._strength())

    def _strength(self):
        if self._probability is None:
            return tf.constant(self.probability, tf.float32)
        return tf.convert_to_tensor(self._probability)

    def observe(self, real_logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """Adds the signs of a discriminator step's scores; replica context.

        Args:
          real_logits: [N] scores of reals as the student's discriminator saw them.

        Returns:
          metrics.
        """
        if self._signs is None:
            return {}
        signs = ada.sign_statistics(real_logits)
        updates.record(self._signs, updates.current(self._signs) + signs, average=True)
        return {"augment_probability": self._strength()}

    def is_due(self, step: int) -> bool:
        """Whether p moves after the step with this number (host)."""
        return self._signs is not None and (step + 1) % self.interval_steps == 0

    def adapt(self, batch_size: tf.Tensor) -> None:
        """Moves p and forgets the signs; cross-replica context.

        Args:
          batch_size: [] real images of each step.
        """
        images = tf.cast(batch_size, tf.float32) * self.interval_steps
        signs, strength = (
            tf.convert_to_tensor(v) for v in (self._signs, self._probability)
        )
        self._probability.assign(
            ada.next_probability(strength, signs, images, self.target, self.ramp_images)
        )
        self._signs.assign(tf.zeros_like(signs))
