"""Terms of the student discriminator's loss, and what it takes for real."""

import dataclasses
from collections.abc import Callable, Sequence

import gin

from dglgan_tf.compat import tf
from dglgan_tf.layers import updates
from dglgan_tf.losses import distillation, regularizers
from dglgan_tf.ops import philox
from dglgan_tf.training import draws, state
from dglgan_tf.training.terms import projected, term

_TAKE = 31  # use of a microbatch's seed


@gin.configurable
@dataclasses.dataclass(eq=False)
class FeatureAlignment(projected.Projected):
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
        self.project(*(projected.discriminator_widths(network) for network in pair))

    def discriminator(self, microbatch):
        """See `Term`."""
        losses = self.losses(
            microbatch.discriminator_features, microbatch.teacher_discriminator_features
        )
        # The mean over reals plus the mean over as many fakes.
        return {self.name: (self.weight, 2.0 * tf.reduce_mean(losses))}


@gin.configurable
@dataclasses.dataclass(eq=False)
class LogitAlignment(term.Term):
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

    def discriminator(self, microbatch):
        """See `Term`."""
        real = self.loss(microbatch.real_logits, microbatch.teacher_real_logits[0])
        fake = self.loss(microbatch.fake_logits, microbatch.teacher_logits[0])
        return {self.name: (self.weight, tf.reduce_mean(real + fake))}


@gin.configurable
@dataclasses.dataclass(eq=False)
class TeacherSamplesRejected(term.Term):
    """The student discriminator rejects the teacher generator's images as well.

    Attributes:
      loss: teacher_fake_logits -> [N]: `distillation.d_teacher_samples_hinge` or
        `distillation.d_teacher_samples_logistic`.
      weight: of the term; the authors have 0.1.
    """

    loss: Callable = gin.REQUIRED
    weight: float = 0.1
    needs_teacher_generator = True

    def discriminator(self, microbatch):
        """See `Term`."""
        images = microbatch.as_fakes(microbatch.imitation.images)
        logits = microbatch.discriminator(images, microbatch.fake_labels, training=True)
        return {self.name: (self.weight, tf.reduce_mean(self.loss(logits)))}


@gin.configurable
@dataclasses.dataclass(eq=False)
class TeacherSamplesAsData(term.Term):
    """Takes a microbatch of the teacher generator's images for real ones, at times.

    See `distillation.teacher_samples_as_data`. The labels stay those of the reals, so
    that classes keep their frequency; the released code draws uniform ones.

    Attributes:
      probability: of each microbatch; the authors have 0.5.
    """

    probability: float = 0.5
    needs_teacher_generator = True

    def reals(self, microbatch, images, labels):
        """See `Term`."""
        seed, z = draws.fold(microbatch.inputs["seed"], _TAKE), microbatch.inputs["z"]
        coin = philox.uniform([], draws.fold(seed, 0))
        latents = philox.normal([images.shape[0], z.shape[1]], draws.fold(seed, 1))
        samples = microbatch.networks.teacher_generator.call_frozen(
            latents, labels, seed
        )
        return distillation.teacher_samples_as_data(
            images, labels, samples, labels, coin < self.probability
        )


@gin.configurable
@dataclasses.dataclass(eq=False)
class LeCam(term.Term):
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

    def discriminator(self, microbatch):
        """See `Term`."""
        logits = {"real": microbatch.real_logits, "fake": microbatch.fake_logits}
        means = {kind: updates.current(mean) for kind, mean in self._means.items()}
        losses = regularizers.lecam(
            logits["real"], logits["fake"], means["real"], means["fake"]
        )
        for kind, mean in self._means.items():
            moved = regularizers.moving_mean(means[kind], logits[kind], self.decay)
            updates.record(mean, moved, average=True)
        return {self.name: (self.weight, tf.reduce_mean(losses))}
