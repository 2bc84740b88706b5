"""Discriminators whose calls leave the features of their blocks."""

from dglgan_tf.compat import tf
from dglgan_tf.layers import taps


class Tapped:
    """A discriminator that is called as ever.

    Attributes:
      calls: for each call {side: [N, side, side, C]}, see `taps.collect`.
    """

    def __init__(self, network):
        """Takes the discriminator."""
        self._network, self.calls = network, []

    def __call__(self, images, labels=None, training=False):
        """Returns its scores [N] of images [N, H, W, C]."""
        with taps.collect() as features:
            logits = self._network(images, labels, training=training)
        self.calls.append(features)
        return logits


def joined(calls) -> dict[int, tf.Tensor]:
    """Returns {side: features of all calls, joined along the batch}."""
    return {
        side: tf.concat([features[side] for features in calls], axis=0)
        for side in calls[0]
    }
