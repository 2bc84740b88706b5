"""One microbatch in one phase: each image and score is computed once, if asked for.

Losses and terms share what is costly; what none of them reads is never traced. Context:
*replica*, under XLA or not.
"""

import contextlib
import functools

from dglgan_tf.compat import tf
from dglgan_tf.layers import taps, updates
from dglgan_tf.training import draws, imitation
from dglgan_tf.training.once import once
from dglgan_tf.training.tapped import Tapped, joined

# Uses of a microbatch's seed; the small numbers belong to the losses.
_FAKES, _REALS = 21, 22


class Microbatch:
    """Images and scores of a part of the batch, for the network that a phase trains.

    Made by `for_generator`, `for_discriminator`, `for_teacher` or `for_penalty`.

    Attributes:
      networks: the student pair and its teachers (`state.Networks`).
      inputs: {'z', 'fake_labels', 'seed', 'images', ...}, see `objective.Objective`.
      discriminator: the one that scores in this phase: the student's or a teacher.
      of_student: whether it is the student's.
      fake_labels: [N] int32 classes of the student's images, or None.
    """

    def __init__(self, goal, networks, inputs, discriminator=None):
        """Computes nothing yet; `goal` is the `Objective`."""
        self._goal, self.networks, self.inputs = goal, networks, inputs
        self.discriminator = discriminator or networks.discriminator
        self.of_student = self.discriminator is networks.discriminator
        self.fake_labels = inputs.get("fake_labels")
        # Of the generator: whether gradients reach it, and whether its statistics move.
        self._trains_generator, self._statistics_move = False, True
        augment, self._augmented_once = goal.augment, {}
        self._teachers_see_augmented = augment is not None and augment.of_teacher
        self._sees_augmented = self._teachers_see_augmented
        if self.of_student:
            self._sees_augmented = augment is not None

    @classmethod
    def for_generator(cls, goal, networks, inputs) -> "Microbatch":
        """Gradients reach the generator; reals are scored where its loss needs them."""
        found = cls(goal, networks, inputs)
        found._trains_generator = True
        return found

    @classmethod
    def for_discriminator(cls, goal, networks, inputs) -> "Microbatch":
        """The student's discriminator sees reals and fakes; the generator is fixed."""
        return cls(goal, networks, inputs)

    @classmethod
    def for_teacher(cls, goal, networks, inputs, index: int) -> "Microbatch":
        """A teacher's discriminator sees them; the generator's statistics stay too."""
        return cls.for_penalty(goal, networks, inputs, networks.teachers[index])

    @classmethod
    def for_penalty(cls, goal, networks, inputs, discriminator) -> "Microbatch":
        """Any discriminator is looked at; nothing of the generator moves."""
        found = cls(goal, networks, inputs, discriminator)
        found._statistics_move = False
        return found

    @once
    def _student(self):
        generator, inputs = self.networks.generator, self.inputs
        ignored = contextlib.nullcontext if self._statistics_move else updates.collect
        with taps.collect() as features, ignored():
            images = generator(
                inputs["z"], self.fake_labels, training=True, seed=inputs["seed"]
            )
        return images if self._trains_generator else tf.stop_gradient(images), features

    @property
    def student_images(self) -> tf.Tensor:
        """The student's images [N, H, W, C] in training mode."""
        return self._student[0]

    @property
    def student_generator_features(self) -> dict:
        """{side: [N, side, side, C]} after the blocks of the student's generator."""
        return self._student[1]

    @once
    def _reals(self):
        pair = self.inputs["images"], self.inputs.get("labels")
        if not self._trains_generator and self.of_student:
            for term in self._goal.terms:
                pair = term.reals(self, *pair)
        return pair

    @property
    def real_images(self) -> tf.Tensor:
        """What counts as real [N, H, W, C]."""
        return self._reals[0]

    @property
    def real_labels(self):
        """[N] classes of what counts as real, or None."""
        return self._reals[1]

    def _augmented(self, images, use):
        return self._goal.augment(images, draws.fold(self.inputs["seed"], use))

    def _seen(self, use, augmented):
        images = self.student_images if use == _FAKES else self.real_images
        if augmented and use not in self._augmented_once:
            self._augmented_once[use] = self._augmented(images, use)
        return self._augmented_once[use] if augmented else images

    @property
    def seen_fakes(self) -> tf.Tensor:
        """The student's images as the discriminator of this phase sees them."""
        return self._seen(_FAKES, self._sees_augmented)

    @property
    def seen_reals(self) -> tf.Tensor:
        """The reals as the discriminator of this phase sees them."""
        return self._seen(_REALS, self._sees_augmented)

    def as_fakes(self, images):
        """Returns [N, H, W, C] as the discriminator of this phase sees fakes."""
        return self._augmented(images, _FAKES) if self._sees_augmented else images

    def as_reals(self, images):
        """Returns [N, H, W, C] as the discriminator of this phase sees reals."""
        return self._augmented(images, _REALS) if self._sees_augmented else images

    @once
    def _scored(self):
        scored, fakes = Tapped(self.discriminator), self.seen_fakes
        if self._trains_generator and not self._goal.needs_reals:
            return None, scored(fakes, self.fake_labels, training=True), scored
        reals = self.seen_reals
        scores = self._goal.d_scores(
            scored, reals, self.real_labels, fakes, self.fake_labels
        )
        return (*scores, scored)

    @property
    def fake_logits(self) -> tf.Tensor:
        """Scores [N] of the student's images by the discriminator of this phase."""
        return self._scored[1]

    @property
    def real_logits(self):
        """Its scores [N] of the reals; None where it does not see any."""
        return self._scored[0]

    @once
    def discriminator_features(self) -> dict:
        """{side: [2 N, ...]} after its blocks: of the fakes, then of the reals."""
        return joined(self._scored[2].calls)

    def _by_teachers(self, images, labels):
        # In inference mode: not even a teacher's spectral vectors move.
        scored = [Tapped(teacher) for teacher in self.networks.teachers]
        return [teacher(images, labels) for teacher in scored], scored

    @once
    def _teacher_fakes(self):
        images = self._seen(_FAKES, self._teachers_see_augmented)
        return self._by_teachers(images, self.fake_labels)

    @once
    def _teacher_reals(self):
        images = self._seen(_REALS, self._teachers_see_augmented)
        return self._by_teachers(images, self.real_labels)

    @property
    def teacher_logits(self) -> list:
        """Each teacher's scores [N] of the student's images."""
        return self._teacher_fakes[0]

    @property
    def teacher_real_logits(self) -> list:
        """Each teacher's scores [N] of the reals."""
        return self._teacher_reals[0]

    @once
    def teacher_discriminator_features(self) -> dict:
        """{side: [2 N, ...]} of the first teacher: of the fakes, then of the reals."""
        return joined(self._teacher_fakes[1][0].calls + self._teacher_reals[1][0].calls)

    @once
    def imitation(self) -> imitation.Imitation:
        """What the first teacher's generator makes of the same latents and draws."""
        augment = None
        if self._teachers_see_augmented:
            augment = functools.partial(self._augmented, use=_FAKES)
        return imitation.Imitation(self.networks, self.inputs, augment)
