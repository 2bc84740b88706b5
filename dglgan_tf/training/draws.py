"""Latents and labels as pure functions of (run seed, step, phase).

Everything is drawn for the global batch and then cut, so what an example gets does not
depend on how the batch is split over replicas and microbatches, and a resumed run draws
what the uninterrupted one would have drawn.
"""

import dataclasses

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.ops import philox


@dataclasses.dataclass(frozen=True)
class Latents:
    """How the inputs of a generator are drawn.

    Attributes:
      z_dim: length of z ~ N(0, 1).
      num_classes: labels 0 .. num_classes-1; 0 draws none.
      class_weights: relative frequencies of the classes; None = uniform.
    """

    z_dim: int
    num_classes: int
    class_weights: tuple[float, ...] | None = None


def step_seed(run_seed: int, step: int, phase: str, repeat: int) -> np.ndarray:
    """Returns the [2] int32 seed of one optimizer step (host)."""
    words = np.random.SeedSequence(
        [run_seed, step, repeat, *phase.encode()]
    ).generate_state(2)
    return words.astype(np.int64).astype(np.int32)


def fold(seed, number):
    """Returns another [2] seed; the same on every device, under XLA or not."""
    return philox.fold(seed, number)


def fakes(latents: Latents, seed, batch_size: int, start, size: int) -> dict:
    """Draws z and labels of a global batch and returns `size` of them from `start`.

    Args:
      latents: what to draw.
      seed: [2] int32.
      batch_size: global batch.
      start: int or int32 tensor, first example wanted.
      size: number of examples wanted.

    Returns:
      {'z': [size, z_dim] float32, 'fake_labels': [size] int32} (no labels when the
      networks are unconditional). Philox, so that every device draws the same bits.
    """
    z = tf.random.stateless_normal([batch_size, latents.z_dim], seed=seed, alg="philox")
    result = {"z": _rows(z, start, size)}
    if latents.num_classes:
        result["fake_labels"] = _rows(_labels(latents, seed, batch_size), start, size)
    return result


def _labels(latents, seed, batch_size):
    seed = fold(seed, 1)
    if latents.class_weights is None:
        return tf.random.stateless_uniform(
            [batch_size], seed, 0, latents.num_classes, tf.int32, alg="philox"
        )
    position = tf.random.stateless_uniform([batch_size], seed, alg="philox")
    weights = np.asarray(latents.class_weights, np.float64)
    edges = tf.constant(np.cumsum(weights / weights.sum())[:-1], tf.float32)
    return tf.cast(tf.searchsorted(edges, position, side="right"), tf.int32)


def _rows(values, start, size):
    rows = tf.slice(
        values,
        tf.concat([[start], tf.zeros([values.shape.rank - 1], tf.int32)], 0),
        [size, *values.shape[1:]],
    )
    return tf.ensure_shape(rows, [size, *values.shape[1:]])
