"""A generator as one looks at it: codes of seeds, images of codes, in fixed batches."""

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.foundation import batches, seeding
from dglgan_tf.networks import base, codes
from dglgan_tf.sampling import sampler, truncation


class View:
    """Codes and images of one generator under one truncation.

    Args:
      network: weights are final.
      psi: truncation as in `sampler.Facts`; None = none.
      batch: images of one call, at most; large ones are drawn a few at a time.

    Attributes:
      network: the generator.
      facts: its `sampler.Facts`.
    """

    def __init__(self, network: base.Generator, psi: float | None = None, batch=16):
        self.network, self.facts = network, sampler.generator_facts(network)
        sampler.check_truncation(psi, self.facts)
        sampler.prepare(network)
        self._psi = psi
        self._batch = batches.drawable(batch, network.resolution)
        self._decode = tf.function(
            lambda c, w: codes.decode(network, c, w), autograph=False
        )

    def class_weights(self, classes) -> np.ndarray | None:
        """Returns [N, num_classes] one-hot float32 of N classes; None without any."""
        if not self.facts.num_classes:
            return None
        return np.eye(self.facts.num_classes, dtype=np.float32)[np.asarray(classes)]

    def own_classes(self, seeds) -> np.ndarray:
        """Returns the class that each seed draws, zeros without classes."""
        return seeding.random_labels(seeds, max(self.facts.num_classes, 1))

    def encode(self, z, weights=None, psi=None) -> np.ndarray:
        """Returns the truncated codes [N, L, D] of latents and class weights.

        Args:
          z: [N, z_dim].
          weights: [N, num_classes] or None.
          psi: in place of the view's truncation.
        """
        psi = self._psi if psi is None else psi
        z = tf.constant(z, tf.float32)
        if psi is not None and self.facts.truncation == "z":
            z = truncation.truncate(z, psi)
        found = codes.encode(self.network, z, weights)
        if psi is not None and self.facts.truncation == "w":
            found = self.network.truncate(found, psi)
        return found.numpy()

    def latents(self, seeds) -> np.ndarray:
        """Returns the latents [N, z_dim] of seeds."""
        return seeding.latents(seeds, self.facts.z_dim)

    def images(self, wanted, weights=None) -> np.ndarray:
        """Returns the images [N, H, W, C] float32 of codes [N, L, D].

        Args:
          wanted: codes.
          weights: [N, num_classes] of a conditional network, else None.
        """
        parts = []
        for rows in batches.filled(len(wanted), self._batch):
            own = None if weights is None else tf.constant(weights[rows])
            parts.append(self._decode(tf.constant(wanted[rows]), own).numpy())
        return np.concatenate(parts)[: len(wanted)]

    def of_seeds(self, seeds, classes, psi=None) -> np.ndarray:
        """Returns one image for each seed and class."""
        weights = self.class_weights(classes)
        return self.images(self.encode(self.latents(seeds), weights, psi), weights)
