"""What moves between optimizer steps: the strength of augmentation, sparse masks."""

import functools
from collections.abc import Callable

from dglgan_tf.compat import tf


class BetweenSteps:
    """Moves what no optimizer moves; context: *cross-replica*, called from Python."""

    def __init__(self, train_state, goal, sparsity, phases, batch_size: int):
        """Masks the networks where they are sparse; under the strategy's scope.

        Args:
          train_state: `state.TrainState`; its slots receive the masks.
          goal: the bound `Objective`.
          sparsity: `masks.DynamicSparsity`, or None.
          phases: of the training.
          batch_size: images of a step.
        """
        self._augment, self._adapt = goal.augment, None
        self._batch_size = batch_size
        self._masks = []
        if sparsity is not None:
            self._masks = sparsity.masks(train_state.networks, phases)
        for masks in self._masks:
            train_state.slots |= masks.variables()

    def after_phase(self, item) -> None:
        """Sets what is masked to zero in the network that a phase has moved."""
        for masks in self._masks:
            if masks.follows(item):
                masks.apply()

    def after_average(self) -> None:
        """The same for the averaged generator."""
        for masks in self._masks:
            if masks.of_generator:
                masks.apply()

    def after_step(self, counters, run: Callable) -> None:
        """Moves what is due after a step.

        Args:
          counters: `state.Counters`, before they count the step.
          run: runs a phase that leaves dense gradients.
        """
        augment = self._augment
        if augment is not None and augment.is_due(counters.step):
            if self._adapt is None:  # a partial for the reason in `phase`
                adapt = functools.partial(augment.adapt)
                self._adapt = tf.function(adapt, autograph=False)
            self._adapt(tf.constant(self._batch_size))
        for masks in self._masks:
            if masks.is_due(counters.step):
                run(masks.growth)
                masks.move(counters.images)
