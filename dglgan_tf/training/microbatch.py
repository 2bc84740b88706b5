"""A microbatch as losses and terms see it: computed once, and only what is asked for.

Losses and terms share what is costly: the student's images, the scores of each
discriminator, the images that the teacher's generator makes of the same latents. What
none of them reads is never traced. Replica context, under XLA or not.
"""

import contextlib
import functools

from dglgan_tf.compat import tf
from dglgan_tf.layers import taps, updates
from dglgan_tf.training import draws

# Uses of a microbatch's seed; the small numbers belong to the losses.
_SHOW_FAKE, _SHOW_REAL = 21, 22


class _kept(functools.cached_property):  # noqa: N801 - a decorator
    """Computed once. Without Python 3.11's lock, behind which lanes wait for ever."""

    def __init__(self, function):
        super().__init__(function)
        self.lock = contextlib.nullcontext()


class View:
    """Images and scores of one microbatch in one phase.

    Attributes:
      networks: the student pair and its teachers (`state.Networks`).
      batch: see `objective.Objective`.
      fake_labels, labels: [N] of fakes and of what counts as real, or None.
      paired: whether the discriminator sees reals in this phase.
    """

    def __init__(
        self, goal, networks, batch, judge=None, train_generator=False, still=False
    ):
        """Computes nothing yet.

        Args:
          goal: the `Objective`: how discriminators see images.
          networks, batch: see the class.
          judge: the discriminator that plays; None = the student's.
          train_generator: whether gradients reach the generator; else the
            discriminator is trained and reals are scored with the fakes.
          still: leave the generator's statistics where they are.
        """
        self.networks, self.batch = networks, batch
        self._goal, self._still, self._attached = goal, still, train_generator
        self.judge = networks.discriminator if judge is None else judge
        self.is_student = self.judge is networks.discriminator
        self.paired = not train_generator or goal.needs_reals
        self.fake_labels = batch.get("fake_labels")

    @_kept
    def _generated(self):
        batch, generator = self.batch, self.networks.generator
        call = functools.partial(
            generator, batch["z"], self.fake_labels, training=True, seed=batch["seed"]
        )
        with taps.collect() as features:
            if self._still:
                with updates.collect():  # dropped
                    images = call()
            else:
                images = call()
        return images if self._attached else tf.stop_gradient(images), features

    @property
    def fake(self) -> tf.Tensor:
        """The student's images [N, H, W, C] in training mode."""
        return self._generated[0]

    @property
    def generator_features(self) -> dict:
        """{side: [N, side, side, C]} after the blocks of the student's generator."""
        return self._generated[1]

    @_kept
    def _reals(self):
        pair = self.batch["images"], self.batch.get("labels")
        if not self._attached and self.is_student:
            for term in self._goal.terms:
                pair = term.reals(self, *pair)
        return pair

    @property
    def real(self) -> tf.Tensor:
        """What counts as real [N, H, W, C]."""
        return self._reals[0]

    @property
    def labels(self):
        """Labels [N] of what counts as real, or None."""
        return self._reals[1]

    @_kept
    def shown_fake(self) -> tf.Tensor:
        """The student's images as the student's discriminator sees them."""
        return self._shown(self.fake, _SHOW_FAKE, teacher=False)

    @_kept
    def shown_real(self) -> tf.Tensor:
        """The reals as the student's discriminator sees them."""
        return self._shown(self.real, _SHOW_REAL, teacher=False)

    def _shown(self, images, use, teacher):
        if self._goal.augment is None or (teacher and not self._alike):
            return images
        return self._goal.augment(images, draws.fold(self.batch["seed"], use))

    def as_real(self, images):
        """Returns images as the discriminator that plays sees reals."""
        return self._shown(images, _SHOW_REAL, not self.is_student)

    def as_fake(self, images):
        """Returns images as the discriminator that plays sees fakes."""
        return self._shown(images, _SHOW_FAKE, not self.is_student)

    @property
    def judged_fake(self) -> tf.Tensor:
        """The student's images as the discriminator that plays sees them."""
        return self.shown_fake if self.is_student else self.taught_fake

    @property
    def judged_real(self) -> tf.Tensor:
        """The reals as the discriminator that plays sees them."""
        return self.shown_real if self.is_student else self.taught_real

    @_kept
    def _scored(self):
        judge, fake = _Tapped(self.judge), self.judged_fake
        if not self.paired:
            return None, judge(fake, self.fake_labels, training=True), judge
        real = self.judged_real
        scores = self._goal.d_scores(judge, real, self.labels, fake, self.fake_labels)
        return (*scores, judge)

    @property
    def fake_logits(self) -> tf.Tensor:
        """Scores [N] of the fakes by the discriminator that plays."""
        return self._scored[1]

    @property
    def real_logits(self):
        """Its scores [N] of the reals; None where it does not see any."""
        return self._scored[0]

    @_kept
    def discriminator_features(self) -> dict:
        """{side: [2 N, ...]} after its blocks: of the fakes, then of the reals."""
        return _joined(self._scored[2].calls)

    @_kept
    def taught_fake(self) -> tf.Tensor:
        """The student's images as teacher discriminators see them."""
        return self.shown_fake if self._alike else self.fake

    @_kept
    def taught_real(self) -> tf.Tensor:
        """The reals as teacher discriminators see them."""
        return self.shown_real if self._alike else self.real

    @property
    def _alike(self):
        """Whether teachers see what the student's discriminator sees."""
        return self._goal.augment is None or self._goal.augment.of_teacher

    @_kept
    def _taught_fakes(self):
        return self._by_teachers(self.taught_fake, self.fake_labels)

    @_kept
    def _taught_reals(self):
        return self._by_teachers(self.taught_real, self.labels)

    def _by_teachers(self, images, labels):
        # In inference mode: not even a teacher's spectral vectors move.
        judges = [_Tapped(teacher) for teacher in self.networks.teachers]
        return [judge(images, labels) for judge in judges], judges

    @property
    def teacher_logits(self) -> list:
        """Each teacher's scores [N] of the student's images."""
        return self._taught_fakes[0]

    @property
    def teacher_real_logits(self) -> list:
        """Each teacher's scores [N] of the reals."""
        return self._taught_reals[0]

    @_kept
    def teacher_discriminator_features(self) -> dict:
        """{side: [2 N, ...]} of the first teacher: of the fakes, then of the reals."""
        return _joined(self._taught_fakes[1][0].calls + self._taught_reals[1][0].calls)

    @_kept
    def _imitated(self):
        generator, batch = self.networks.teacher_generator, self.batch
        with taps.collect() as features:
            images = generator.call_frozen(batch["z"], self.fake_labels, batch["seed"])
        return tf.stop_gradient(images), features

    @property
    def teacher_image(self) -> tf.Tensor:
        """The first teacher's images [N, H, W, C] of the same latents and draws."""
        return self._imitated[0]

    @property
    def teacher_generator_features(self) -> dict:
        """{side: [N, side, side, C]} after the blocks of its generator."""
        return self._imitated[1]

    @_kept
    def teacher_image_logits(self) -> tf.Tensor:
        """The first teacher's scores [N] of its own generator's images."""
        images = self._shown(self.teacher_image, _SHOW_FAKE, teacher=True)
        return self.networks.teachers[0](images, self.fake_labels, training=False)


class _Tapped:
    """A discriminator whose calls leave their features."""

    def __init__(self, network):
        self._network, self.calls = network, []

    def __call__(self, images, labels=None, training=False):
        with taps.collect() as features:
            logits = self._network(images, labels, training=training)
        self.calls.append(features)
        return logits


def _joined(calls):
    return {
        side: tf.concat([features[side] for features in calls], axis=0)
        for side in calls[0]
    }
