"""What a training starts from: teachers, weights of its own shape, a pruned teacher."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import gin
import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.foundation import batches
from dglgan_tf.layers import conditional_norm, updates
from dglgan_tf.narrowing import pruning
from dglgan_tf.networks import base, copying, differences, files
from dglgan_tf.training import state

ROLES = files.ROLES
_OTHER = {"generator": "generator_ema", "generator_ema": "generator"}
# Passes after which spectral vectors and moments fit the remaining weights.
_SETTLING_PASSES, _SETTLING_BATCH = 16, 32


def load_teacher(path: Path, networks: state.Networks) -> base.Discriminator:
    """Reads a teacher's discriminator and checks that it judges the same images.

    Raises:
      ValueError: no discriminator in the file, another resolution or class count.
    """
    held = files.read_header(path).get("networks", {})
    if "discriminator" not in held:
        raise ValueError(
            f"teacher {path} has no discriminator (it holds {sorted(held)}), which is "
            "what guidance needs: fit one with gin/fit_discriminator.gin, or convert a "
            "checkpoint that has it"
        )
    teacher = files.load_networks(path, ["discriminator"])["discriminator"]
    copying.check_pair(networks.generator, teacher, f"teacher {path}")
    return teacher


def load_teacher_generator(path: Path, student: base.Generator) -> base.Generator:
    """Reads a teacher's (averaged) generator, which takes the student's latents.

    Raises:
      ValueError: no generator in the file, or one of other latents, images or styles.
    """
    teacher, _ = files.load_generator(path)
    copying.check_pair(student, teacher, f"teacher {path}")
    for field in ("z_dim", "style_mixing_prob"):
        ours, theirs = getattr(student, field, None), getattr(teacher, field, None)
        if ours != theirs:
            raise ValueError(
                f"teacher {path} has {field}={theirs}, the student has {field}={ours}: "
                "a student imitates a teacher that draws as it does"
            )
    return teacher


def teacher_samples(teachers: Sequence, count: int, seed: int) -> dict | None:
    """Draws images of the first teacher's generator, which is not kept.

    Args:
      teachers: weights of a run's teachers.
      count: images.
      seed: of the latents and labels.

    Returns:
      {'images': [count, H, W, C], 'labels': [count] or None}; None without teachers,
      and where the first one's file holds a discriminator only.
    """
    if not teachers or not set(_OTHER) & set(
        files.read_header(teachers[0])["networks"]
    ):
        return None
    generator, _ = files.load_generator(teachers[0])
    z, labels = _latents(generator, count, seed)
    size = batches.drawable(count, generator.resolution)
    made = [
        generator(z[i : i + size], None if labels is None else labels[i : i + size])
        for i in range(0, count, size)
    ]
    return {"images": tf.concat(made, axis=0), "labels": labels}


def initialize(networks: state.Networks, starts: Mapping[str, Path]) -> None:
    """Sets the student's networks from files; shapes must be the same.

    Args:
      networks: to set.
      starts: {role: weights}; a file with one generator gives it to both generator
        roles, and the average follows a generator that is named alone. Other roles
        stay random.

    Raises:
      ValueError: a file lacks a role or does not fit.
    """
    for role, path in starts.items():
        held = files.read_header(path).get("networks", {})
        source = role if role in held else _OTHER.get(role, role)
        if source not in held:
            raise ValueError(
                f"initialize_from={path} holds {sorted(held)} and no {role}: name "
                "weights that have it, or leave the role out: {'generator': ...}"
            )
        _assign(networks.by_role()[role], path, source, held[source])
    if "generator" in starts and "generator_ema" not in starts:
        copying.copy_weights(networks.generator, networks.generator_ema)


def _assign(network, path, source, held):
    tensors = files.read_tensors(path, f"{source}/")
    try:
        files.assign_tensors(network, tensors, path)
    except ValueError as error:
        said = differences.describe(held, network)
        if said is None:
            raise
        raise ValueError(
            f"initialize_from={path}: the {source} does not fit: {said}"
        ) from error


@dataclasses.dataclass
class Wide:
    """A network to be pruned.

    Attributes:
      network: whose channels are chosen from.
      scores: {group: [width]}; None = by magnitude.
    """

    network: base.Network
    scores: dict | None = None


def score_channels(
    starts: Mapping[str, Path], scores: Callable | None, seed: int
) -> dict[str, Wide]:
    """Reads wide networks and scores their channels.

    Outside of any strategy's scope: it differentiates with respect to their weights.

    Args:
      starts: {role: weights of the wide network}.
      scores: (generator, seed) -> {group: [width]}, such as `magnitude`; None scores
        nothing.
      seed: of the latents.

    Returns:
      'generator' (the averaged one) and 'discriminator', as far as they are named.

    Raises:
      ValueError: none is named, or a file lacks the network.
    """
    if scores is None:
        return {}
    if not starts:
        raise ValueError("train.prune needs wider weights: name train.initialize_from")
    found = {}
    if "generator" in starts:
        network, _ = files.load_generator(starts["generator"])
        found["generator"] = Wide(network, scores(network, seed))
    if "discriminator" in starts:
        held = files.load_networks(starts["discriminator"], ["discriminator"])
        found["discriminator"] = Wide(held["discriminator"])
    return found


def prune(networks: state.Networks, wide: Mapping[str, Wide], seed: int) -> None:
    """Sets the student's networks to wider ones with channels left out.

    The generator and its average both start from the wide averaged generator.

    Args:
      networks: to set; they differ from the wide ones in widths only.
      wide: of `score_channels`.
      seed: of the latents to which moments are fitted.

    Raises:
      ValueError: the networks differ in more than widths.
    """
    for role, source in wide.items():
        pruning.prune(source.network, networks.by_role()[role], source.scores)
    if "generator" in wide:
        refit_statistics(networks.generator, seed)
        copying.copy_weights(networks.generator, networks.generator_ema)


def refit_statistics(generator: base.Generator, seed: int) -> None:
    """Fits spectral vectors and moments to weights that were changed.

    Host or cross-replica context, eager. Nothing is trained. Moments see as many images
    of any size, of large ones fewer at a time.
    """
    size = batches.drawable(_SETTLING_BATCH, generator.resolution)
    passes = _SETTLING_PASSES * _SETTLING_BATCH // size
    given = [_latents(generator, size, seed + i) for i in range(passes)]
    for z, labels in given[:_SETTLING_PASSES]:
        with updates.collect() as moved:
            generator(z, labels, training=True, seed=tf.constant([seed, 0]))
        for update in moved:
            if not update.average:  # a spectral vector
                update.variable.assign(update.value)
    if conditional_norm.batch_statistics(generator):
        conditional_norm.accumulate_statistics(generator, given)


def _latents(generator, count, seed):
    random = np.random.RandomState(seed)
    z = random.randn(count, generator.z_dim).astype(np.float32)
    if not generator.num_classes:
        return tf.constant(z), None
    labels = random.randint(generator.num_classes, size=count).astype(np.int32)
    return tf.constant(z), tf.constant(labels)


def _halves(generator, count, seed):
    """Returns latents, styles where there are any, and rows -> what draws those."""
    z, labels = _latents(generator, count, seed)
    codes, images = base.halves(generator)

    def synthesize(rows):
        own = None if labels is None else labels[rows]
        return lambda found: images(found, own)

    return codes(z, labels), synthesize


@gin.configurable(module="prune")
def magnitude(generator: base.Generator, seed: int) -> dict:
    """Rates channels by the weights that read them (`pruning.magnitude_scores`)."""
    del seed
    return pruning.magnitude_scores(generator)


@gin.configurable(module="prune")
def content_aware(
    generator: base.Generator,
    seed: int,
    images: int = 64,
    threshold: float = -0.9,
) -> dict:
    """Rates channels by what the pictures' content depends on (2104.02244).

    The paper masks faces with a parsing network; here the content is what is brighter
    than a threshold, which suits pictures on a dark ground.

    Args:
      generator: the wide generator.
      seed: of latents and noise.
      images: how many are looked at.
      threshold: brightness in [-1, 1] above which a pixel is content; -2 = everything.
    """

    def mask(pictures):
        bright = tf.reduce_mean(pictures, axis=-1, keepdims=True) > threshold
        return tf.cast(bright, tf.float32)

    def loss(part):
        latents, synthesize = _halves(generator, 16, seed + part)
        side, channels = generator.resolution, generator.num_channels
        random = np.random.RandomState(seed + part)
        noise = random.randn(16, side, side, channels).astype(np.float32)
        return lambda rows: pruning.content_loss(
            synthesize(rows), latents[rows], mask, noise[rows]
        )

    return pruning.saliency_scores(generator, _parts(loss, images, generator))


@gin.configurable(module="prune")
def diversity_aware(
    generator: base.Generator,
    seed: int,
    images: int = 64,
    directions: int = 4,
    strength: float = 5.0,
) -> dict:
    """Rates channels by how they react to the latent (2403.13548).

    Args:
      generator: the wide generator.
      seed: of latents and directions.
      images: latents that are perturbed; the authors take 1,000 or more.
      directions: of each; the authors take 10.
      strength: length of a step.
    """

    def loss(part):
        latents, synthesize = _halves(generator, 16, seed + part // directions)
        random = np.random.RandomState(seed + part)
        steps = random.randn(16, *[1] * (latents.shape.rank - 2), latents.shape[-1])
        steps = steps.astype(np.float32)
        return lambda rows: pruning.diversity_loss(
            synthesize(rows), latents[rows], steps[rows], strength
        )

    return pruning.saliency_scores(
        generator, _parts(loss, images * directions, generator)
    )


def _parts(loss, images, generator):
    """Yields losses of 16 images each, as the terms whose sum each of them is.

    Args:
      loss: part -> (slice of its 16 images -> [] loss of them, a sum).
      images: in all.
      generator: the size of its images says how many a term may have.

    Yields:
      lists of functions without arguments.
    """
    if images < 16 or images % 16:
        raise ValueError(f"images={images} must be a multiple of 16")
    # Gradients keep about eight times what a call that draws does.
    size = batches.drawable(16, 2 * generator.resolution)

    def terms(part):
        of_rows = loss(part)
        cuts = [slice(i, min(i + size, 16)) for i in range(0, 16, size)]
        return [lambda rows=rows: of_rows(rows) for rows in cuts]

    return map(terms, range(images // 16))
