"""Images by seed from a network or from its export.

Image i is a function of seed i, its class and the truncation alone: latents come from
NumPy's generator of that seed, nothing in a generator mixes the images of a batch, and
random noise is drawn for one image at a time.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.devices import lanes
from dglgan_tf.foundation import batches, seeding
from dglgan_tf.layers import spectral_norm
from dglgan_tf.native import library
from dglgan_tf.networks import base
from dglgan_tf.sampling import constants, truncation

NOISE_MODES = ("const", "random", "none")

_SMALL = 2**26  # bytes of weights
_BATCH = 32


@dataclasses.dataclass(frozen=True)
class Facts:
    """What one must know of a generator to feed it.

    Attributes:
      z_dim, resolution, num_channels, num_classes: as in `base.Generator`.
      truncation: 'w' (style vectors are pulled to their mean by a factor) or 'z'
        (latents are confined to a threshold).
      untruncated: the truncation value that changes nothing.
      noise: 'const', 'random' or 'none'; 'none' where the network has no noise.
      class_names: in order; empty where they are unknown or there are no classes.
      stretched: (height, width) from which the training images were stretched to a
        square; None where they were not.
    """

    z_dim: int
    resolution: int
    num_channels: int
    num_classes: int
    truncation: str
    untruncated: float
    noise: str = "none"
    class_names: tuple[str, ...] = ()
    stretched: tuple[int, int] | None = None


@dataclasses.dataclass(frozen=True)
class Sampler:
    """A generator ready to draw images by seed.

    Attributes:
      facts: what it takes.
      generate: (z [N, z_dim], labels [N] int32 or None, truncation or None,
        seed [2] int32) -> float32 [N, H, W, C]; a fixed N is traced once.
      source: where it came from, for messages.
      network: the Keras model; None of an export.
    """

    facts: Facts
    generate: Callable
    source: str = ""
    network: base.Generator | None = None

    def images(self, seeds, labels=None, truncation=None, batch: int | None = None):
        """Draws one image for each seed.

        Args:
          seeds: N ints from 0 to 2**32 - 1.
          labels: N ints; None draws the class from the seed, where there are classes.
          truncation: see `Facts.truncation`; None = none.
          batch: see `batches`.

        Returns:
          float32 [N, H, W, C], nominally in [-1, 1].
        """
        return np.concatenate([*self.batches(seeds, labels, truncation, batch)])

    def batches(self, seeds, labels=None, truncation=None, batch: int | None = None):
        """Yields what `images` joins, one call after the other.

        Args:
          seeds, labels, truncation: see `images`.
          batch: images of one call, which changes speed and memory, not the images;
            None = 32, or as many as `foundation.batches.drawable` lets it be.
        """
        check_truncation(truncation, self.facts)
        if batch is None:
            batch = batches.drawable(_BATCH, self.facts.resolution, lanes.count())
        if batch < 1 or not len(seeds):
            raise ValueError(
                f"batch={batch} and seeds ({len(seeds)}) must be 1 or more"
            )
        labels = self._labels(seeds, labels)
        batch = 1 if self.facts.noise == "random" else min(batch, len(seeds))
        left = len(seeds)
        for rows in batches.filled(len(seeds), batch):
            some = [int(seeds[row]) for row in rows]
            classes = None
            if labels is not None:
                classes = tf.constant([int(labels[row]) for row in rows], tf.int32)
            part = self.generate(
                tf.constant(seeding.latents(some, self.facts.z_dim)),
                classes,
                truncation,
                _noise_seed(some[0]),
            )
            yield part.numpy()[:left]
            left -= batch

    def _labels(self, seeds, labels):
        classes = self.facts.num_classes
        if not classes:
            if labels is not None:
                raise ValueError("labels were given, but the network has no classes")
            return None
        if labels is None:
            return seeding.labels_of(seeds, classes)
        if not isinstance(labels, seeding.Computed):
            self._check_labels(np.asarray(labels), len(seeds))
        return labels

    def _check_labels(self, labels, count: int) -> None:
        classes = self.facts.num_classes
        if labels.shape != (count,):
            raise ValueError(
                f"labels have shape {labels.shape}: give one for each of the "
                f"{count} seeds"
            )
        if labels.min() < 0 or labels.max() >= classes:
            raise ValueError(
                f"labels lie between {labels.min()} and {labels.max()}: the network "
                f"has the classes 0 to {classes - 1}"
            )


def check_truncation(value, facts: Facts) -> None:
    """Raises ValueError for a truncation that the network cannot have."""
    if value is None:
        return
    if not np.isfinite(value):
        raise ValueError(f"truncation={value} must be a finite number")
    if facts.truncation == "z" and value <= 0:
        raise ValueError(
            f"truncation={value} must be above 0: this network confines its latents "
            "to that threshold (2 is mild, 0.5 strong)"
        )


def _noise_seed(seed: int) -> tf.Tensor:
    return tf.constant(np.asarray([seed, 0], np.uint32).view(np.int32))


def generator_facts(network: base.Generator, noise="const", info=None) -> Facts:
    """Returns the facts of a network; `info` is that of its file, see `Facts`."""
    info = info or {}
    if noise not in NOISE_MODES:
        raise ValueError(f"noise={noise!r} must be one of {NOISE_MODES}")
    styled = has_styles(network)
    return Facts(
        network.z_dim,
        network.resolution,
        network.num_channels,
        network.num_classes,
        "w" if styled else "z",
        1.0 if styled else truncation.UNLIMITED,
        noise if styled else "none",
        tuple(info.get("class_names") or ())[: network.num_classes],
        tuple(info.get("stretched") or ()) or None,
    )


def has_styles(network) -> bool:
    """Whether a generator has a mapping network: z -> style vectors -> images."""
    return hasattr(network, "map") and hasattr(network, "synthesize")


def prepare(network: base.Generator) -> None:
    """Readies a generator whose weights no longer change.

    Computes the singular values of spectral normalisation once, and the mean style
    vector where the weights came without it. Again after other weights were loaded.
    """
    spectral_norm.freeze_spectral_norm(network)
    if not getattr(network, "w_avg_known", True):
        network.estimate_w_avg()


def generate(network, z, labels, truncation_value, noise="const", seed=None):
    """Makes images with any generator.

    Args:
      network: a `base.Generator`.
      z: [N, z_dim] float32.
      labels: [N] int32 or None.
      truncation_value: None, float or [] float32; see `Facts.truncation`.
      noise: see `Facts.noise`.
      seed: [2] int32 for noise='random'.

    Returns:
      [N, H, W, C] float32.
    """
    if has_styles(network):
        ws = styles(network, z, labels, truncation_value)
        return network.synthesize(ws, noise=noise, seed=seed)
    if truncation_value is not None:
        z = truncation.truncate(z, truncation_value)
    return network(z, labels, training=False)


def styles(network, z, labels, truncation_value) -> tf.Tensor:
    """Returns style vectors [N, num_ws, w_dim], truncated unless the value is None."""
    ws = network.map(z, labels)
    return ws if truncation_value is None else network.truncate(ws, truncation_value)


def from_network(network: base.Generator, noise="const", info=None, source=""):
    """Returns a `Sampler` of a network; its weights must not change afterwards."""
    facts = generator_facts(network, noise, info)
    prepare(network)

    weights = constants.Weights()
    programs = {}

    def call(z, labels, value, seed):
        value = None if value is None else tf.constant(value, tf.float32)
        given = {"z": z, "labels": labels, "truncation": value, "seed": seed}
        given = {k: tf.convert_to_tensor(v) for k, v in given.items() if v is not None}
        key = tuple((name, tensor.shape) for name, tensor in given.items())
        if key not in programs:
            programs[key] = _program(network, facts, given, weights)
        return programs[key](*given.values())

    return Sampler(facts, call, str(source), network)


def _program(network, facts, given, weights):
    """Returns a function of `given`'s tensors; what is constant is evaluated now."""

    def function(*tensors):
        found = dict(zip(given, tensors, strict=True))
        return generate(
            network,
            found["z"],
            found.get("labels"),
            found.get("truncation"),
            facts.noise,
            found.get("seed"),
        )

    batched = sum(name in ("z", "labels") for name in given)  # the first ones
    size = given["z"].shape[0] // lanes.fitting(given["z"].shape[0])
    specs = [
        tf.TensorSpec([size, *t.shape[1:]] if i < batched else t.shape, t.dtype, name)
        for i, (name, t) in enumerate(given.items())
    ]
    program = constants.evaluate(library.traced(function), specs)
    # Constants in a graph are faster than variables, and held several times.
    small = sum(value.nbytes for value in program.values.values()) <= _SMALL
    run = constants.callable_of(program, None if small else weights)

    def whole(*tensors):
        rows, rest = tensors[:batched], tensors[batched:]
        return lanes.spread(lambda *part: run(*part, *rest))(*rows)

    return tf.function(whole, autograph=False)
