"""What one training is made of, as gin files say it under the name `train`."""

import dataclasses
from collections.abc import Callable, Sequence

import gin

from dglgan_tf.data import base as data_base
from dglgan_tf.foundation import run_directory
from dglgan_tf.networks import files


@dataclasses.dataclass(frozen=True)
class Beginning:
    """The weights that a training begins with.

    Attributes:
      teachers: files whose discriminators guide the student.
      starts: {role: file} that the student starts from; other roles start at random.
      prune: (generator, seed) -> scores of the channels that stay, where the files hold
        wider networks; None = they have the student's shapes.
      seed: of what is random.
      part: most images at once, as 'auto' chose when the run began; None = open.
    """

    teachers: tuple = ()
    starts: dict = dataclasses.field(default_factory=dict)
    prune: Callable | None = None
    seed: int = 0
    part: int | None = None


@gin.configurable("train")
@dataclasses.dataclass(frozen=True)
class Plan:
    """What is trained, on what, from where; in gin files `train`.

    Attributes:
      source, generator, discriminator: make the data source and the student.
      teachers: weights whose discriminators guide the generator
        (`run_directory.find_weights`).
      teacher_networks: make the teacher's networks, for a dry run without its weights.
      initialize_from: weights that the student starts from, optimizers start fresh:
        one name for all networks, or {role: name} for some; None = random.
      prune: (generator, seed) -> scores of the channels that stay.
      seed: of weights, data order and all draws.
      devices, tpu: replicas (None = every GPU, else the CPU), or the name of a TPU.
      lanes: parts of a batch that a CPU's cores take, or 'auto' (`devices.lanes`).
      deterministic: only operations that give the same bits each time; slower.
      tf32: let GPUs that can multiply float32 with TF32's ten-bit mantissa.
    """

    source: Callable = gin.REQUIRED
    generator: Callable = gin.REQUIRED
    discriminator: Callable = gin.REQUIRED
    teachers: Sequence[str] = ()
    teacher_networks: Sequence[Callable] = ()
    initialize_from: str | dict[str, str] | None = None
    prune: Callable | None = None
    seed: int = 0
    devices: Sequence[str] | None = None
    tpu: str | None = None
    lanes: int | str = 1
    deterministic: bool = False
    tf32: bool = True

    def __post_init__(self):
        if not 0 <= self.seed < 2**31:
            raise ValueError(f"train.seed={self.seed} must be from 0 to {2**31 - 1}")
        if not set(self.starts()) <= set(files.ROLES):
            raise ValueError(
                f"train.initialize_from={self.starts()} must be one name, or one for "
                f"some of the roles {', '.join(files.ROLES)}"
            )

    def starts(self) -> dict[str, str]:
        """Returns {role: name of its weights}."""
        found = self.initialize_from or {}
        if isinstance(found, str):
            found = dict.fromkeys(files.ROLES, found)
        return dict(found)

    @property
    def networks(self) -> tuple[Callable, Callable]:
        """The makers of the student's generator and discriminator."""
        return self.generator, self.discriminator

    def beginning(self, siblings: str | None, part: int | None = None) -> Beginning:
        """Returns teachers and first weights, as files.

        Raises:
          ValueError: a name that means no weights.
        """
        find = run_directory.find_weights
        return Beginning(
            tuple(find(name, siblings) for name in self.teachers),
            {role: find(name, siblings) for role, name in self.starts().items()},
            self.prune,
            self.seed,
            part,
        )


def made(make: Callable, kind: type, name: str):
    """Returns what a factory of the configuration makes, if it is of the right kind.

    Args:
      make: `train.<name>`.
      kind: base.Generator, base.Discriminator or data_base.Source.
      name: the parameter's, for the message.

    Raises:
      ValueError: it makes something else.
    """
    found = make()
    if not isinstance(found, kind):
        wanted, hint = f"a {kind.__name__}", ""
        if kind is data_base.Source:
            wanted = "images"
            hint = ": name a source such as @embedded, @open_source or @images"
        raise ValueError(
            f"train.{name} gives a {type(found).__name__}, not {wanted}{hint}"
        )
    return found
