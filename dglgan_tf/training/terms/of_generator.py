"""Terms of the generator's loss: it imitates the teacher's, or picks its samples."""

import dataclasses
from collections.abc import Callable, Sequence

import gin
import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.losses import distillation, top_k
from dglgan_tf.networks import codes, sefa, weightless
from dglgan_tf.ops import philox
from dglgan_tf.training import draws
from dglgan_tf.training.terms import projected, term

_DIRECTION = 32  # use of a microbatch's seed


@gin.configurable
@dataclasses.dataclass(eq=False)
class SelfSupervised(term.Term):
    """Self-supervised compression (`distillation.self_supervised`, 2007.01491).

    The method has no student discriminator: set `Objective.adversarial_weight = 0`
    and `Objective.guidance_weight = 0`. The weight multiplies the term.
    """

    weight: float = 1.0
    needs_teacher = needs_teacher_generator = True

    def generator(self, microbatch):
        """See `Term`."""
        losses = distillation.self_supervised(
            microbatch.teacher_logits[0], microbatch.imitation.logits
        )
        return {self.name: (self.weight, tf.reduce_mean(losses))}


@gin.configurable
@dataclasses.dataclass(eq=False)
class OutputL1(term.Term):
    """Mean |G(z) - G_teacher(z)| (`distillation.output_l1`), times the weight."""

    weight: float = 1.0
    needs_teacher_generator = True

    def generator(self, microbatch):
        """See `Term`."""
        losses = distillation.output_l1(
            microbatch.student_images, microbatch.imitation.images
        )
        return {self.name: (self.weight, tf.reduce_mean(losses))}


@gin.configurable
@dataclasses.dataclass(eq=False)
class Perceptual(term.Term):
    """Distance to the teacher's images in a fixed network's features (1801.03924).

    See `distillation.perceptual`.

    Attributes:
      features: () -> a function of images in [-1, 1] that gives a list of [N, h, w, c],
        for instance `@efficientnet_lite0_taps`.
      weight: of the term.
    """

    features: Callable = gin.REQUIRED
    weight: float = 1.0
    needs_teacher_generator = True

    def build(self, networks):
        """See `Term`; a dry run's networks have no weights, nor need features any."""
        del networks
        if not weightless.is_active():
            self._features = self.features()

    def generator(self, microbatch):
        """See `Term`."""
        losses = distillation.perceptual(
            microbatch.student_images, microbatch.imitation.images, self._features
        )
        return {self.name: (self.weight, tf.reduce_mean(losses))}


@dataclasses.dataclass(eq=False)
class _Embedded(term.Term):
    """What terms on embeddings share: the mean over positions of the deepest features.

    Attributes:
      features: as of `Perceptual`; the last map of the list is used.
      weight: of the term.
    """

    features: Callable = gin.REQUIRED
    weight: float = 1.0
    needs_teacher_generator = True

    def build(self, networks):
        """See `Term`; a dry run's networks have no weights, nor need features any."""
        del networks
        if not weightless.is_active():
            self._features = self.features()

    def _embedding(self, images):
        deepest = tf.cast(self._features(images)[-1], tf.float32)
        return tf.reduce_mean(deepest, axis=[1, 2])


@gin.configurable
@dataclasses.dataclass(eq=False)
class DistributionMatching(_Embedded):
    """Distance of the student's images to the teacher's as two sets (DiME, 2405.11614).

    See `distillation.distribution_distance`. Each microbatch is a set of its own.

    Attributes:
      features: as of `Perceptual`; the last map of the list is used.
      weight: of the term.
    """

    def generator(self, microbatch):
        """See `Term`."""
        distance = distillation.distribution_distance(
            self._embedding(microbatch.student_images),
            self._embedding(microbatch.imitation.images),
        )
        return {self.name: (self.weight, distance)}


@gin.configurable
@dataclasses.dataclass(eq=False)
class LatentDirections(_Embedded):
    """The student's images change along latent directions as the teacher's do.

    See `distillation.latent_directions` (after 2208.08840). Each latent's codes
    (`networks.codes`: StyleGAN2's styles, BigGAN's pieces of z) move along one of the
    teacher's directions of largest change (`networks.sefa`), forwards or backwards by
    the microbatch's seed; both networks draw in inference mode with stored noise. The
    student needs codes as long as the teacher's and a like mapping, as pruned ones do.

    Attributes:
      features: as of `Perceptual`; the last map of the list is used.
      weight: of the term.
      directions: how many of them at most, the strongest first.
      strength: length of a step in the space of codes.
      temperature: of the relations.
    """

    directions: int = 8
    strength: float = 3.0
    temperature: float = 0.1

    def build(self, networks):
        """See `Term`.

        Raises:
          ValueError: codes of another length.
        """
        super().build(networks)
        pair = networks.generator, networks.teacher_generator
        lengths = [codes.count(network) for network in pair]
        if lengths[0] != lengths[1]:
            raise ValueError(
                f"LatentDirections: the student has {lengths[0][0]} codes of length "
                f"{lengths[0][1]}, the teacher {lengths[1][0]} of {lengths[1][1]}: "
                "start from the pruned teacher (train.prune)"
            )
        if not weightless.is_active():
            count = min(self.directions, lengths[1][1])
            self._found = sefa.directions(pair[1], count=count)[0]

    def generator(self, microbatch):
        """See `Term`."""
        step = self._steps(microbatch.inputs)
        networks = microbatch.networks
        student, teacher = (
            [
                self._embedding(images)
                for images in self._pair(network, microbatch, step)
            ]
            for network in (networks.generator, networks.teacher_generator)
        )
        losses = distillation.latent_directions(student, teacher, self.temperature)
        return {self.name: (self.weight, tf.reduce_mean(losses))}

    def _steps(self, inputs):
        """One step [N, 1, D] for each latent."""
        known = self.strength * np.concatenate([self._found, -self._found])
        count = inputs["z"].shape[0]
        drawn = philox.uniform([count], draws.fold(inputs["seed"], _DIRECTION))
        chosen = tf.cast(drawn * len(known), tf.int32)
        return tf.gather(tf.constant(known, tf.float32), chosen)[:, None]

    def _pair(self, network, microbatch, step):
        """Images [N, H, W, C] of the latents, and of the moved ones."""
        labels = microbatch.fake_labels
        start = codes.encode(network, microbatch.inputs["z"], labels)
        return [codes.decode(network, c, labels) for c in (start, start + step)]


@gin.configurable
@dataclasses.dataclass(eq=False)
class FeatureL1(projected.Projected):
    """Sum over blocks of mean |F - F_teacher| of the generators.

    See `distillation.feature_l1`. BigGAN's form; for StyleGAN2's add `OutputL1`.

    Attributes:
      resolutions: sides of the features, for instance [8, 16].
      weight: of the term.
    """

    resolutions: Sequence[int] = gin.REQUIRED
    weight: float = 1.0
    needs_teacher_generator = True

    def build(self, networks):
        """See `Term`."""
        pair = networks.generator, networks.teacher_generator
        self.project(*(projected.generator_widths(network) for network in pair))

    def generator(self, microbatch):
        """See `Term`."""
        losses = self.losses(
            microbatch.student_generator_features, microbatch.imitation.features
        )
        return {self.name: (self.weight, tf.reduce_mean(losses))}


@gin.configurable
@dataclasses.dataclass(eq=False)
class TopK(term.Term):
    """The generator learns from its best samples of each microbatch (2002.06224).

    See `top_k.top_k_weights`; guidance and other terms keep all samples.

    Attributes:
      epoch_images: images of one epoch.
      decay: factor of the share that is kept, for each epoch.
      smallest_share: its lower bound.
    """

    epoch_images: int = gin.REQUIRED
    decay: float = 0.99
    smallest_share: float = 0.5

    def scalars(self, images):
        """See `Term`."""
        share = top_k.top_k_share(
            images, self.epoch_images, self.decay, self.smallest_share
        )
        return {"top_k_share": share}

    def sample_weights(self, microbatch):
        """See `Term`."""
        return top_k.top_k_weights(
            microbatch.fake_logits, microbatch.inputs["top_k_share"]
        )
