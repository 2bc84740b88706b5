"""Sample grids of a training: fixed latents, the same reals every time."""

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.data import pipeline
from dglgan_tf.devices import lanes
from dglgan_tf.foundation import pictures, seeding
from dglgan_tf.native import library

GRID = 64  # latents and reals shown


class Pictures:
    """Sample grids of fixed latents, in the run directory and TensorBoard."""

    def __init__(self, parts, path, summary, seed):
        """Draws the latents.

        Args:
          parts: `training_run.Parts`.
          path: folder of the run.
          summary: writer of TensorBoard's files.
          seed: the latents are those of the seeds from here on.
        """
        self._parts, self._path, self._summary = parts, path, summary
        generator = parts.networks.generator_ema
        self._z = seeding.latents(range(seed, seed + GRID), generator.z_dim)
        self._labels = None
        if generator.num_classes:
            self._labels = np.arange(GRID) % generator.num_classes
        self._generate = tf.function(
            lanes.spread(library.traced(self._fake)), autograph=False
        )

    def _fake(self, z, labels):
        return self._parts.networks.generator_ema(z, labels, training=False)

    def real_batch(self, n):
        """Returns n reals as the networks see them, with labels."""
        pixels, labels = self._reals(n)
        return {"images": pipeline.to_float(pixels), "labels": labels}

    def _reals(self, n):
        channels = self._parts.networks.generator.num_channels
        return pipeline.real_batch(self._parts.source, n, 0, channels)

    def reals(self):
        """Writes reals.png."""
        pixels, _ = self._reals(GRID)
        self._show("reals.png", "reals", np.asarray(pixels), 0)

    def fakes(self, seen, name=None):
        """Writes fakesNNNNNN.png from the EMA generator."""
        name = name or f"fakes{seen // 1000:06d}.png"
        labels = None if self._labels is None else tf.constant(self._labels, tf.int32)
        made = [
            self._generate(
                tf.constant(self._z[i : i + 16]),
                None if labels is None else labels[i : i + 16],
            ).numpy()
            for i in range(0, GRID, 16)
        ]
        self._show(name, "fakes", pictures.to_uint8(np.concatenate(made)), seen)

    def _show(self, name, tag, pixels, step):
        grid = pictures.grid(pixels)
        pictures.save_png(self._path / name, grid)
        with self._summary.as_default():
            tf.summary.image(tag, grid[None], step=step)
