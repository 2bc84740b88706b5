"""What is judged: one way to make it, whatever it comes from.

Generators are always judged in inference mode, on the averaged weights where a file has
them: their batch norms use stored moments, or standing statistics computed here.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.deploy import exported, opening
from dglgan_tf.devices import lanes
from dglgan_tf.foundation import batches, run_directory
from dglgan_tf.layers import conditional_norm
from dglgan_tf.metrics import image_sets, path_length
from dglgan_tf.native import library
from dglgan_tf.networks import base, files
from dglgan_tf.sampling import sampler

STANDING_PASSES = 16  # as BigGAN's authors do
BATCH_NORMS = ("running", "standing")
BATCH = 64  # random noise follows from the first latent of a batch


def make(
    judged: str | Path | base.Generator | sampler.Sampler,
    truncation: float | None = None,
    noise: str | None = None,
    batch_norm: str = "running",
    weights: np.ndarray | Callable[[int], np.ndarray | None] | None = None,
    batch_size: int = BATCH,
    strategy: tf.distribute.Strategy | None = None,
    name: str | None = None,
    trust: bool = False,
) -> image_sets.GeneratedImages:
    """Returns a generator to be judged.

    Args:
      judged: a run directory, a `.safetensors` file, `bundled/NAME`, a SavedModel, a
        .tflite or .onnx file of an export; a network in memory, which is prepared
        (`sampler.prepare`) and must not change until it has been judged; or a sampler.
      truncation: see `sampler.Facts.truncation`; None = none.
      noise: of a StyleGAN2: 'random' (None means that, as NVIDIA's metrics do),
        'const' or 'none'.
      batch_norm: 'running' uses the stored moments, 'standing' replaces them by means
        over 16 training-mode passes first.
      weights: how often each class is drawn, or a function of the number of classes
        that says it; None = equally.
      batch_size: images at a time, over all replicas; large ones are drawn a few at
        a time (`bounded`).
      strategy: spreads a batch over its replicas; None = one device.
      name: of a network in memory, the file in which it is stored.
      trust: load a SavedModel whatever operations it contains (`deploy.graph_scan`).

    Raises:
      ValueError: no such network, or an option that it does not have.
    """
    if batch_norm not in BATCH_NORMS:
        raise ValueError(f"batch_norm={batch_norm!r} must be one of {BATCH_NORMS}")
    strategy = strategy or tf.distribute.get_strategy()
    made, network, facts, protocol = _open(judged, noise, strategy, name, trust)
    sampler.check_truncation(truncation, facts)
    protocol["truncation"] = truncation
    if network is None:
        generate, path = _of_sampler(made, truncation), None
    else:
        protocol |= _statistics(network, batch_norm, batch_size)
        sampler.prepare(network)
        generate = replicated(network, truncation, facts.noise, strategy)
        path = halves(network) if sampler.has_styles(network) else None
    if facts.noise != "none":
        protocol["noise"] = facts.noise
    return image_sets.GeneratedImages(
        bounded(generate, facts.resolution, strategy.num_replicas_in_sync),
        facts.z_dim,
        facts.num_classes,
        weights(facts.num_classes) if callable(weights) else weights,
        batch_size,
        protocol,
        path,
    )


def _open(judged, noise, strategy, name, trust):
    """Returns (sampler, None) or (None, network); facts, protocol."""
    if isinstance(judged, sampler.Sampler):
        described = {"network": judged.source, "weights": "exported"}
        return judged, None, judged.facts, described
    if isinstance(judged, base.Generator):
        network, file, role = judged, name or "in memory", "generator_ema"
    elif exported.is_export(judged):
        made = opening.load(judged, noise, trust)
        described = {"network": str(judged), "weights": "exported"}
        return made, None, made.facts, described
    else:
        with strategy.scope():
            path = run_directory.find_weights(str(judged))
            network, info = files.load_generator(path)
        file, role = path.name, info["role"]
    wanted = (noise or "random") if sampler.has_styles(network) else "const"
    facts = sampler.generator_facts(network, wanted)
    return None, network, facts, {"network": file, "weights": role}


def _statistics(network, batch_norm, batch_size) -> dict:
    """Computes standing statistics if asked; returns what the protocol says."""
    if not conditional_norm.batch_statistics(network):
        return {}
    if batch_norm == "standing":
        standing_statistics(network, batch_size)
    return {"batch_norm": batch_norm}


def standing_statistics(network: base.Generator, batch_size: int, seed: int = 0):
    """Replaces a generator's moments by means over training-mode passes."""
    images = STANDING_PASSES * batch_size
    batch_size = batches.drawable(batch_size, network.resolution)
    feeder = image_sets.GeneratedImages(
        network, network.z_dim, network.num_classes, batch_size=batch_size
    )
    given = feeder.latents(images, False, seed)
    conditional_norm.accumulate_statistics(network, _tensors(given))


def _tensors(given):
    for z, labels in given:
        yield tf.constant(z), _tensor(labels)


def _tensor(labels):
    return None if labels is None else tf.constant(labels)


def _of_sampler(made, truncation) -> Callable:
    def generate(z, labels):
        z = tf.constant(z)
        return made.generate(z, _tensor(labels), truncation, noise_seed(z))

    return generate


def bounded(generate: Callable, side: int, multiple: int = 1) -> Callable:
    """Returns (z, labels) -> images, of as many latents a call as fit memory.

    Which images come from one call depends on the batch and the size of the images
    alone, not on the machine. The last call is filled up with the first latents.

    Args:
      generate: (z [N, z_dim], labels [N] or None) -> images [N, ...].
      side: of the images, px.
      multiple: images of a call are a multiple of it, where enough are asked for.
    """

    def whole(z, labels):
        size = batches.drawable(len(z), side, multiple)
        if size == len(z):
            return generate(z, labels)
        made = [
            np.asarray(generate(z[rows], None if labels is None else labels[rows]))
            for rows in batches.filled(len(z), size)
        ]
        return np.concatenate(made)[: len(z)]

    return whole


def noise_seed(z: tf.Tensor) -> tf.Tensor:
    """Returns a seed, [2] int32, that follows from the latents [N, z_dim] alone."""
    return tf.bitcast(z[0, :2], tf.int32)


def replicated(network, truncation, noise, strategy) -> Callable:
    """Returns (z, labels) -> images, spread over a strategy's replicas.

    Random noise follows from a batch's first latent, so lanes do not divide that batch:
    the same images come from a process with lanes and from one without.

    Args:
      network: a generator, made under the strategy's scope.
      truncation, noise: see `sampler.generate`.
      strategy: batches that its replicas do not divide run on one of them.
    """

    def part(z, labels):
        seed = noise_seed(z)
        return sampler.generate(network, z, labels, truncation, noise, seed)

    work = library.traced(part)
    work = work if noise == "random" else lanes.spread(work)
    one = tf.function(work, reduce_retracing=True)

    def generate(z, labels):
        replicas = strategy.num_replicas_in_sync
        if replicas == 1 or len(z) % replicas:
            return one(tf.constant(z), _tensor(labels)).numpy()
        parts = [np.split(z, replicas)]
        parts.append(
            [None] * replicas if labels is None else np.split(labels, replicas)
        )
        return _spread(strategy, one, *parts)

    return generate


def _spread(strategy, function, z, labels):
    """Runs one part on each replica and joins the images. Context: *cross-replica*."""

    def values(parts):
        return strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(parts[context.replica_id_in_sync_group])
        )

    given = (values(z), None if labels[0] is None else values(labels))
    made = strategy.run(function, given)
    found = strategy.experimental_local_results(made)
    return np.concatenate([part.numpy() for part in found])


def halves(network) -> path_length.Path:
    """The two halves of a StyleGAN2; its stored noise is the same at both ends."""
    codes, images = base.halves(network)
    mapping = tf.function(codes, reduce_retracing=True)
    synthesis = tf.function(lambda w: images(w, None), reduce_retracing=True)
    return path_length.Path(
        lambda z, labels: mapping(tf.constant(z), _tensor(labels)),
        bounded(lambda w, labels: synthesis(tf.constant(w)), network.resolution),
    )
