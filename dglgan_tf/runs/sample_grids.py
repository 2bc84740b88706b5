"""Sample grids of a training: fixed latents, the same reals every time."""

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.data import pipeline
from dglgan_tf.devices import lanes
from dglgan_tf.foundation import batches, pictures, seeding
from dglgan_tf.native import library

_ROWS = 8  # and as many columns, of small images
_PIXELS = 2**23  # of a grid: 64 images up to 256 px, 32 of 512, 8 of 1024
_AT_ONCE = 16
_SHOWN = 1024  # most pixels of a side in TensorBoard


def layout(side: int) -> tuple[int, int]:
    """Returns (rows, columns) of a grid of images of `side` pixels."""
    rows = columns = _ROWS
    while rows * columns * side**2 > _PIXELS and columns > 1:
        rows, columns = (rows // 2, columns) if rows == columns else (rows, rows)
    return rows, columns


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
        rows, self._columns = layout(generator.resolution)
        self._count = rows * self._columns
        self._batch = batches.drawable(_AT_ONCE, generator.resolution, lanes.count())
        self._z = seeding.latents(range(seed, seed + self._count), generator.z_dim)
        self._labels = None
        if generator.num_classes:
            self._labels = np.arange(self._count) % generator.num_classes
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
        pixels, _ = self._reals(self._count)
        self._show("reals.png", "reals", np.asarray(pixels), 0)

    def fakes(self, seen, name=None):
        """Writes fakesNNNNNN.png from the EMA generator."""
        name = name or f"fakes{seen // 1000:06d}.png"
        labels = None if self._labels is None else tf.constant(self._labels, tf.int32)
        made = []
        for rows in batches.filled(self._count, self._batch):
            own = None if labels is None else tf.gather(labels, rows)
            images = self._generate(tf.constant(self._z[rows]), own)
            made.append(pictures.to_uint8(images.numpy()))
        self._show(name, "fakes", np.concatenate(made)[: self._count], seen)

    def _show(self, name, tag, pixels, step):
        grid = pictures.grid(pixels, self._columns)
        pictures.save_png(self._path / name, grid)
        with self._summary.as_default():
            tf.summary.image(tag, pictures.scaled(grid, _SHOWN)[None], step=step)
