"""TrainState: everything that a checkpoint holds, and nothing else."""

import dataclasses
from collections.abc import Callable

from dglgan_tf.compat import tf
from dglgan_tf.networks import base


@dataclasses.dataclass
class Networks:
    """The networks of one training.

    Attributes:
      generator, discriminator: the student pair, trained.
      generator_ema: averaged copy of the generator, what is sampled and exported.
      teachers: pretrained discriminators that guide the generator.
      teacher_generator: the first teacher's generator, for terms that imitate it.
      load_teacher_generator: () -> that generator; called where a term asks for it.
    """

    generator: base.Generator
    discriminator: base.Discriminator
    generator_ema: base.Generator
    teachers: list[base.Discriminator] = dataclasses.field(default_factory=list)
    teacher_generator: base.Generator | None = None
    load_teacher_generator: Callable[[], base.Generator] | None = None

    @property
    def synchronized(self) -> bool:
        """Whether a forward pass of the student reduces over replicas."""
        return self.generator.synchronized or self.discriminator.synchronized

    def by_role(self) -> dict[str, base.Network]:
        """Returns {role: network} of the student, as stored in files."""
        return {
            "generator": self.generator,
            "generator_ema": self.generator_ema,
            "discriminator": self.discriminator,
        }


@dataclasses.dataclass
class Counters:
    """Progress of a run, on the host.

    Attributes:
      step: train steps done.
      images: images that the generator's steps have seen (`step * batch_size`).
      reals: real images consumed, the position in the data.
      seconds: training time spent, over all sessions of the run.
      rollbacks: returns to a snapshot after numbers that were not finite.
    """

    step: int = 0
    images: int = 0
    reals: int = 0
    seconds: float = 0.0
    rollbacks: int = 0


@dataclasses.dataclass
class TrainState:
    """What changes during training.

    Attributes:
      networks: see `Networks`.
      optimizers: {'g', 'd', 'teacher0', ...}: Keras optimizers, built.
      slots: {'path_length_mean': [] variable}: what the objective remembers, and what
        its terms train beside the networks.
      counters: see `Counters`.
    """

    networks: Networks
    optimizers: dict[str, object]
    slots: dict[str, tf.Variable]
    counters: Counters = dataclasses.field(default_factory=Counters)


def slot(name: str, initial=0.0) -> tf.Variable:
    """Creates a float32 slot that phases move through `layers.updates`."""
    return tf.Variable(
        initial,
        trainable=False,
        dtype=tf.float32,
        name=name,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )
