"""Where the images of an evaluation come from: a generator, or stored ones.

Both give batches of (images uint8 [n, H, W, C], labels int32 [n] or None), and say in
`protocol` what they are.
"""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from dglgan_tf.metrics import frechet, path_length

Batches = Iterator[tuple[np.ndarray, np.ndarray | None]]


def to_uint8(images) -> np.ndarray:
    """Maps a network's output to bytes as NVIDIA's tools do: trunc(127.5 x + 128).

    Args:
      images: [N, H, W, C] float in [-1, 1], nominally; values beyond are clipped.
        uint8 images pass as they are.

    Raises:
      ValueError: NaN or infinity among the values.
    """
    images = np.asarray(images)
    if images.dtype == np.uint8:
        return images
    if not np.isfinite(images).all():
        bad = np.flatnonzero(~np.isfinite(images).all(axis=(1, 2, 3)))
        raise ValueError(
            f"{len(bad)} of {len(images)} generated images hold NaN or infinity (the "
            f"first is number {bad[0]} of its batch): the generator has diverged"
        )
    return np.clip(images * 127.5 + 128.0, 0, 255).astype(np.uint8)


@dataclasses.dataclass
class StoredImages:
    """Images of a data set, read in a fixed order.

    Attributes:
      batches: starts a pass from the beginning, yields (images, labels). The order
        must be shuffled (with a fixed seed) where metrics take only the first images.
      protocol: what they are: data set, split, mirror, order.
      fingerprint: changes when the images change; None = statistics are not cached.
      count: how many there are; None = not known.
    """

    batches: Callable[[], Batches]
    protocol: dict = dataclasses.field(default_factory=dict)
    fingerprint: str | None = None
    count: int | None = None

    def draw(self, count: int | None, balanced: bool = False, seed: int = 0) -> Batches:
        """Yields the stored images, all of them: (images [n, H, W, C], labels [n]).

        The arguments of `GeneratedImages.draw` are not used; the caller stops when it
        has enough.
        """
        del count, balanced, seed
        return self.batches()


@dataclasses.dataclass
class StoredStatistics:
    """Real images of which only a file of statistics is there.

    Attributes:
      moments: mean and covariance; None where there are only features.
      features: [N, D]; None where there are only moments.
      protocol: which file.
    """

    moments: frechet.Moments | None
    features: np.ndarray | None = None
    protocol: dict = dataclasses.field(default_factory=dict)
    fingerprint: str | None = None


@dataclasses.dataclass
class GeneratedImages:
    """Images drawn from a generator with seeded latents.

    Image number i has the same latent and label whatever the batch size.

    Attributes:
      generate: (z float32 [n, z_dim], labels int32 [n] or None) to images, float in
        [-1, 1] or uint8, as array or tensor. Use the EMA weights with training=False.
      z_dim: length of a latent.
      num_classes: 0 = unconditional.
      class_weights: [num_classes] relative frequencies of labels; None = uniform.
      batch_size: images at a time, constant (the last batch is cut afterwards).
      protocol: what the generator is: weights, truncation, batch-norm mode.
      path: its two halves, for path lengths; None = one piece, z alone is followed.
    """

    generate: Callable
    z_dim: int
    num_classes: int = 0
    class_weights: np.ndarray | None = None
    batch_size: int = 64
    protocol: dict = dataclasses.field(default_factory=dict)
    path: path_length.Path | None = None

    def __post_init__(self):
        if self.batch_size < 1 or self.z_dim < 1:
            raise ValueError(
                f"batch_size={self.batch_size} and z_dim={self.z_dim} must be positive"
            )
        weights = self.class_weights
        if weights is None:
            return
        if not self.num_classes:
            raise ValueError("class_weights given for an unconditional generator")
        if len(weights) != self.num_classes or min(weights) < 0 or sum(weights) <= 0:
            raise ValueError(
                f"class_weights must be {self.num_classes} frequencies, not all zero"
            )

    def latents(self, count: int, balanced: bool, seed: int) -> Batches:
        """Yields batches of latents and labels until there are at least `count`.

        Args:
          count, balanced, seed: as in `draw`.

        Yields:
          z [batch_size, z_dim] float32, labels [batch_size] int32 or None.
        """
        z_rng, label_rng = (np.random.default_rng([seed, part]) for part in (0, 1))
        for start in range(0, count, self.batch_size):
            z = z_rng.standard_normal((self.batch_size, self.z_dim), np.float32)
            yield z, self._labels(start, balanced, label_rng)

    def _labels(self, start, balanced, rng):
        if not self.num_classes:
            return None
        numbers = np.arange(start, start + self.batch_size)
        if balanced:
            return (numbers % self.num_classes).astype(np.int32)
        share = np.ones(self.num_classes)
        if self.class_weights is not None:
            share = np.asarray(self.class_weights, np.float64)
        edges = np.cumsum(share / share.sum())
        draws = rng.random(self.batch_size)
        found = np.searchsorted(edges, draws, side="right")
        return np.minimum(found, self.num_classes - 1).astype(np.int32)

    def pairs(self, count: int, seed: int) -> Iterator[tuple]:
        """Yields ends of paths and positions on them until there are at least `count`.

        Args:
          count: number of pairs.
          seed: of latents, labels and positions.

        Yields:
          z0, z1 [n, z_dim] float32, t [n] in [0, 1), labels [n] int32 or None; n is
          half of batch_size.
        """
        z_rng, label_rng, t_rng = (np.random.default_rng([seed, p]) for p in (2, 3, 4))
        size = max(self.batch_size // 2, 1)
        for start in range(0, count, size):
            z = z_rng.standard_normal((size, 2, self.z_dim), np.float32)
            labels = self._labels(start, False, label_rng)
            t = t_rng.random(size)
            yield z[:, 0], z[:, 1], t, None if labels is None else labels[:size]

    def draw(self, count: int, balanced: bool = False, seed: int = 0) -> Batches:
        """Yields exactly `count` images.

        Args:
          count: number of images.
          balanced: label i % num_classes instead of random labels.
          seed: of latents and labels.

        Yields:
          images [n, H, W, C] uint8, labels [n] int32 or None; n <= batch_size.
        """
        done = 0
        for z, labels in self.latents(count, balanced, seed):
            images = to_uint8(self.generate(z, labels))
            if len(images) != len(z):
                raise ValueError(
                    f"the generator gave {len(images)} images for {len(z)} latents"
                )
            keep = min(len(images), count - done)
            done += keep
            yield images[:keep], None if labels is None else labels[:keep]
