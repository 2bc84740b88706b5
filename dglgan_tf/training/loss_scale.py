"""Dynamic loss scale, without which small gradients vanish in float16.

The loss is multiplied before the gradient and the gradient divided after it. Where
a gradient is not finite, the step is left out and the scale halved; after
`growth_steps` steps without that it doubles (Micikevicius et al., 1710.03740).
"""

import dataclasses

import gin

from dglgan_tf.compat import tf
from dglgan_tf.training import state

LEAST, MOST = 1.0, 2.0**24


@dataclasses.dataclass(frozen=True)
class Scale:
    """The scale of one optimizer's losses.

    Attributes:
      value: [] variable, the factor.
      steps: [] variable, good steps since it changed.
      growth_steps: after which it doubles.
    """

    value: tf.Variable
    steps: tf.Variable
    growth_steps: int

    def judge(self, finite, skipped, used) -> tuple[dict, tf.Tensor]:
        """Adapts the scale after a step; replica context, outside XLA.

        Too large a scale is no fault of the training: not counted as skipped.

        Args:
          finite: [] bool, whether loss and gradients were finite.
          skipped: [] float32, 0 or the number of the first bad tensor.
          used: [] float32, the scale of this step.

        Returns:
          ({metric: []}, skipped, 0 where the scale could still be lowered).
        """
        lowered = tf.logical_and(~finite, used > LEAST)
        self._move(finite)
        found = {"loss_scale": used, "rescaled": tf.cast(lowered, tf.float32)}
        return found, tf.where(lowered, 0.0, skipped)

    def _move(self, finite):
        steps = tf.where(finite, self.steps + 1.0, 0.0)
        grows = steps >= float(self.growth_steps)
        larger = tf.where(grows, tf.minimum(2.0 * self.value, MOST), self.value)
        smaller = tf.maximum(0.5 * self.value, LEAST)
        self.value.assign(tf.where(finite, larger, smaller))
        self.steps.assign(tf.where(grows, 0.0, steps))


@gin.configurable
@dataclasses.dataclass(frozen=True)
class LossScale:
    """How losses are scaled, for networks with `reduced_dtype='float16'`.

    Attributes:
      initial: factor at the start, at least 1.
      growth_steps: steps with finite gradients after which it doubles.
    """

    initial: float = 2.0**15
    growth_steps: int = 2000

    def __post_init__(self):
        if not LEAST <= self.initial <= MOST or self.growth_steps < 1:
            raise ValueError(
                f"LossScale.initial={self.initial} must be from {LEAST:g} to {MOST:g}, "
                f"LossScale.growth_steps={self.growth_steps} at least 1"
            )

    def attach(self, train_state: state.TrainState, phases: list) -> list:
        """Gives each optimizer a scale; under the strategy's scope.

        Args:
          train_state: its slots receive the scales, which checkpoints then hold.
          phases: of this state.

        Returns:
          the phases with their optimizer's scale.
        """
        scales = {}
        for name, optimizer in train_state.optimizers.items():
            value = state.slot(f"loss_scale_{name}", self.initial)
            steps = state.slot(f"loss_scale_steps_{name}")
            train_state.slots[f"loss_scale_{name}"] = value
            train_state.slots[f"loss_scale_steps_{name}"] = steps
            scales[id(optimizer)] = Scale(value, steps, self.growth_steps)
        return [
            dataclasses.replace(item, scale=scales.get(id(item.optimizer)))
            for item in phases
        ]
