"""Smaller parts for a phase whose step the device's memory did not hold."""

import dataclasses
from collections.abc import Callable

from absl import logging

from dglgan_tf.compat import tf
from dglgan_tf.training import layout, phase


class Halved:
    """Runs phases; each may once go on in parts of half the size."""

    def __init__(self, strategy, networks):
        """Halves nothing yet.

        Args:
          strategy: that runs the steps.
          networks: `state.Networks`: what must stay together in a part.
        """
        self._strategy, self._networks = strategy, networks
        self._smaller: dict[str, phase.Phase] = {}

    def run(self, item: phase.Phase, step: Callable):
        """Returns `step(phase)` of a phase, or of the same one in smaller parts.

        A step that ran out of memory has applied nothing: updates wait for its last
        gradient. Its repetition draws the same latents.

        Args:
          item: as configured.
          step: of the phase that it is given.

        Raises:
          ResourceExhaustedError: again, or where no smaller part is legal.
        """
        used = self._smaller.get(item.name, item)
        try:
            return step(used)
        except tf.errors.ResourceExhaustedError:
            smaller = halved(item, self._strategy, self._networks)
            if smaller is None or used is not item:
                raise
        logging.warning(
            "phase %s is out of memory: it goes on in %d parts in place of %d",
            item.name,
            smaller.microbatches,
            item.microbatches,
        )
        self._smaller[item.name] = smaller
        return step(smaller)


def halved(item: phase.Phase, strategy, networks) -> phase.Phase | None:
    """Returns a phase with parts of half the size; None where there can be none.

    Groups of the minibatch standard deviation stay whole, and hosts stay alike.
    """
    count = 2 * item.microbatches * strategy.num_replicas_in_sync
    several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    group = layout.group_of(networks)
    if several or not group or item.batch_size % (count * group):
        return None
    return dataclasses.replace(item, microbatches=2 * item.microbatches)
