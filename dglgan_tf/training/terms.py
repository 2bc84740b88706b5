"""Terms: losses that a training adds to the game, as choices in gin.

`Objective.terms = [@OutputL1(), @LeCam()]`. A term sees a microbatch through a
`microbatch.View` and adds to the generator's loss, to the discriminator's, or to
neither and changes what they see. What it trains (projections from student to teacher
width) moves with the optimizer of its player; what it remembers is part of the
checkpoint.

Terms that imitate take the first of `train.teachers`: its generator sees the same
latents, the same mixing of styles and the same noise as the student, untruncated, and
its discriminator is called in inference mode. Nothing of it moves.
"""

import dataclasses
import re
from collections.abc import Callable, Sequence

import gin

from dglgan_tf.compat import tf
from dglgan_tf.config import fields
from dglgan_tf.layers import projection, taps, updates
from dglgan_tf.losses import distillation, regularizers, top_k
from dglgan_tf.networks import base, weightless
from dglgan_tf.ops import philox
from dglgan_tf.training import draws, state

_TAKE = 31  # use of a microbatch's seed


class Term:
    """What terms have in common; each hook may be left as it is.

    Attributes:
      needs_teacher: whether it asks the first teacher's discriminator.
      needs_teacher_generator: whether it asks the first teacher's generator.
    """

    needs_teacher = False
    needs_teacher_generator = False

    def __post_init__(self):
        fields.check(self)

    @property
    def name(self) -> str:
        """How metrics and checkpoints name it: 'output_l1'."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(self).__name__).lower()

    def build(self, networks: state.Networks) -> None:
        """Creates the term's variables; under the strategy's scope."""

    def variables(self) -> dict[str, tf.Variable]:
        """Returns {name: variable} of what a checkpoint must hold."""
        return {}

    def trained(self, player: str) -> list[tf.Variable]:
        """Returns what the optimizer of 'generator' or 'discriminator' moves."""
        del player
        return []

    def scalars(self, images: int) -> dict[str, float]:
        """Returns numbers for the step after `images` images (host)."""
        del images
        return {}

    def generator(self, view) -> dict[str, tuple[float, tf.Tensor]]:
        """Returns {metric: (weight, [] loss)} to add to the generator's loss."""
        del view
        return {}

    def discriminator(self, view) -> dict[str, tuple[float, tf.Tensor]]:
        """Returns {metric: (weight, [] loss)} to add to the discriminator's loss."""
        del view
        return {}

    def sample_weights(self, view):
        """Returns [N] factors of the generator's adversarial losses, or None."""
        del view

    def reals(self, view, images, labels):
        """Returns images and labels that the student's discriminator takes as real."""
        del view
        return images, labels


@gin.configurable
@dataclasses.dataclass(eq=False)
class SelfSupervised(Term):
    """Self-supervised compression (`distillation.self_supervised`, 2007.01491).

    The method has no student discriminator: set `Objective.adversarial_weight = 0`
    and `Objective.guidance_weight = 0`. The weight multiplies the term.
    """

    weight: float = 1.0
    needs_teacher = needs_teacher_generator = True

    def generator(self, view):
        """See `Term`."""
        losses = distillation.self_supervised(
            view.teacher_logits[0], view.teacher_image_logits
        )
        return {self.name: (self.weight, tf.reduce_mean(losses))}


@gin.configurable
@dataclasses.dataclass(eq=False)
class OutputL1(Term):
    """Mean |G(z) - G_teacher(z)| (`distillation.output_l1`), times the weight."""

    weight: float = 1.0
    needs_teacher_generator = True

    def generator(self, view):
        """See `Term`."""
        losses = distillation.output_l1(view.fake, view.teacher_image)
        return {self.name: (self.weight, tf.reduce_mean(losses))}


@gin.configurable
@dataclasses.dataclass(eq=False)
class Perceptual(Term):
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

    def generator(self, view):
        """See `Term`."""
        losses = distillation.perceptual(view.fake, view.teacher_image, self._features)
        return {self.name: (self.weight, tf.reduce_mean(losses))}


class _Projected(Term):
    """Compares features; a narrow student's pass a trained 1x1 projection."""

    player = "generator"

    def __post_init__(self):
        super().__post_init__()
        sides = self.resolutions
        if not sides or not all(isinstance(side, int) for side in sides):
            raise ValueError(
                f"{type(self).__name__}.resolutions={sides!r} must be sides of "
                "features, such as [8, 16]"
            )

    def _project(self, student, teacher):
        """Makes the projection from two networks' {side: width}."""
        missing = sorted(set(self.resolutions) - (student.keys() & teacher.keys()))
        if missing:
            raise ValueError(
                f"{type(self).__name__}.resolutions has {missing}; the blocks' sides "
                f"are {sorted(student)} in the student and {sorted(teacher)} in the "
                "teacher"
            )
        self._projection = projection.Projection(
            [student[side] for side in self.resolutions],
            [teacher[side] for side in self.resolutions],
        )

    def variables(self):
        """See `Term`."""
        return base.named_variables(self._projection)

    def trained(self, player):
        """See `Term`."""
        found = self._projection.trainable_variables
        return list(found) if player == self.player else []

    def _losses(self, student, teacher):
        """[N] losses of two networks' {side: features}."""
        narrow = [tf.cast(student[side], tf.float32) for side in self.resolutions]
        wide = [teacher[side] for side in self.resolutions]
        return distillation.feature_l1(self._projection(narrow), wide)


@gin.configurable
@dataclasses.dataclass(eq=False)
class FeatureL1(_Projected):
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
        self._project(*(_generator_widths(network) for network in pair))

    def generator(self, view):
        """See `Term`."""
        losses = self._losses(view.generator_features, view.teacher_generator_features)
        return {self.name: (self.weight, tf.reduce_mean(losses))}


@gin.configurable
@dataclasses.dataclass(eq=False)
class FeatureAlignment(_Projected):
    """Sum over blocks of mean |F - F_teacher| of the discriminators.

    L1 on reals plus L1 on fakes (DGL-GAN code, `distillation.feature_l1`), each seen by
    the teacher as it is seen by the student.

    Attributes:
      resolutions: sides of the features, for instance [8, 4].
      weight: of the term; the authors' scripts have 0.1 and 1.
    """

    resolutions: Sequence[int] = gin.REQUIRED
    weight: float = 0.1
    needs_teacher = True
    player = "discriminator"

    def build(self, networks):
        """See `Term`."""
        pair = networks.discriminator, networks.teachers[0]
        self._project(*(_discriminator_widths(network) for network in pair))

    def discriminator(self, view):
        """See `Term`."""
        losses = self._losses(
            view.discriminator_features, view.teacher_discriminator_features
        )
        # The mean over reals plus the mean over as many fakes.
        return {self.name: (self.weight, 2.0 * tf.reduce_mean(losses))}


def _generator_widths(network):
    labels = tf.zeros([1], tf.int32) if network.num_classes else None
    return taps.widths(lambda: network(tf.zeros([1, network.z_dim]), labels))


def _discriminator_widths(network):
    side, labels = network.resolution, None
    if network.num_classes:
        labels = tf.zeros([1], tf.int32)
    images = tf.zeros([1, side, side, network.num_channels])
    return taps.widths(lambda: network(images, labels))


@gin.configurable
@dataclasses.dataclass(eq=False)
class LogitAlignment(Term):
    """The student discriminator's opinion follows the teacher's, on reals and fakes.

    loss(D(x), T(x)) + loss(D(G(z)), T(G(z))) with `distillation.logit_alignment` or
    `distillation.logit_divergence`, each score beside the other of the same image.

    Attributes:
      loss: (student_logits, teacher_logits) -> [N].
      weight: of the term; the authors have 0.1.
    """

    loss: Callable = distillation.logit_alignment
    weight: float = 0.1
    needs_teacher = True

    def discriminator(self, view):
        """See `Term`."""
        real = self.loss(view.real_logits, view.teacher_real_logits[0])
        fake = self.loss(view.fake_logits, view.teacher_logits[0])
        return {self.name: (self.weight, tf.reduce_mean(real + fake))}


@gin.configurable
@dataclasses.dataclass(eq=False)
class TeacherSamplesRejected(Term):
    """The student discriminator rejects the teacher generator's images as well.

    Attributes:
      loss: teacher_fake_logits -> [N]: `distillation.d_teacher_samples_hinge` or
        `distillation.d_teacher_samples_logistic`.
      weight: of the term; the authors have 0.1.
    """

    loss: Callable = gin.REQUIRED
    weight: float = 0.1
    needs_teacher_generator = True

    def discriminator(self, view):
        """See `Term`."""
        images = view.as_fake(view.teacher_image)
        logits = view.judge(images, view.fake_labels, training=True)
        return {self.name: (self.weight, tf.reduce_mean(self.loss(logits)))}


@gin.configurable
@dataclasses.dataclass(eq=False)
class TeacherSamplesAsData(Term):
    """Takes a microbatch of the teacher generator's images for real ones, at times.

    See `distillation.teacher_samples_as_data`. The labels stay those of the reals, so
    that classes keep their frequency; the released code draws uniform ones.

    Attributes:
      probability: of each microbatch; the authors have 0.5.
    """

    probability: float = 0.5
    needs_teacher_generator = True

    def reals(self, view, images, labels):
        """See `Term`."""
        seed, z = draws.fold(view.batch["seed"], _TAKE), view.batch["z"]
        coin = philox.uniform([], draws.fold(seed, 0))
        latents = philox.normal([images.shape[0], z.shape[1]], draws.fold(seed, 1))
        samples = view.networks.teacher_generator.call_frozen(latents, labels, seed)
        return distillation.teacher_samples_as_data(
            images, labels, samples, labels, coin < self.probability
        )


@gin.configurable
@dataclasses.dataclass(eq=False)
class LeCam(Term):
    """LeCam regularization of the discriminator (`regularizers.lecam`, 2104.03310).

    The running means start at 0, so that the first steps pull the scores there.

    Attributes:
      weight: of the term.
      decay: of the running means of the scores.
    """

    weight: float = 0.01
    decay: float = 0.99
    name = "lecam"

    def build(self, networks):
        """See `Term`."""
        self._means = {kind: state.slot(f"lecam_{kind}") for kind in ("real", "fake")}

    def variables(self):
        """See `Term`."""
        return dict(self._means)

    def discriminator(self, view):
        """See `Term`."""
        logits = {"real": view.real_logits, "fake": view.fake_logits}
        means = {kind: updates.current(mean) for kind, mean in self._means.items()}
        losses = regularizers.lecam(
            logits["real"], logits["fake"], means["real"], means["fake"]
        )
        for kind, mean in self._means.items():
            moved = regularizers.moving_mean(means[kind], logits[kind], self.decay)
            updates.record(mean, moved, average=True)
        return {self.name: (self.weight, tf.reduce_mean(losses))}


@gin.configurable
@dataclasses.dataclass(eq=False)
class TopK(Term):
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

    def sample_weights(self, view):
        """See `Term`."""
        return top_k.top_k_weights(view.fake_logits, view.batch["top_k_share"])
