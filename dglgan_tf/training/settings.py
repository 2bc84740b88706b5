"""How a training proceeds, as gin files say it under the name `Trainer`."""

import dataclasses
from collections.abc import Callable

import gin

from dglgan_tf.devices import strategies
from dglgan_tf.training import ema
from dglgan_tf.training.layout import Layout
from dglgan_tf.training.loss_scale import LossScale
from dglgan_tf.training.objective import Objective
from dglgan_tf.training.sparsity.masks import DynamicSparsity


@gin.configurable("Trainer")
@dataclasses.dataclass(frozen=True)
class Settings:
    """What a `trainer.Trainer` is told beside its networks.

    Attributes:
      objective: losses and regularizers.
      g_optimizer, d_optimizer: (reg_interval_steps=0) -> Keras optimizer; the
        interval is that of lazy regularization, for its correction.
      teacher_optimizer: of each updated teacher, without correction, as the
        authors do; None = another `d_optimizer`.
      ema_decay: (images, batch_size) -> decay of the generator's EMA.
      ema_statistics: average non-trainable state too (BigGAN) instead of copying
        it (StyleGAN2).
      batch_size: images in a generator step, over all replicas.
      g_microbatches, d_microbatches: gradient accumulation on each replica.
      max_microbatch: most images that one replica computes at once, what its memory
        holds: more accumulation follows from it, with the same global batch; 'auto'
        finds it out (`runs.auto_parts`).
      d_batch_size: reals in a discriminator step; None = batch_size.
      d_steps: discriminator steps for each generator step.
      d_first: run the discriminator before the generator (BigGAN).
      frozen_generator: train the discriminator alone, for a generator that came
        without one.
      freeze_d_blocks: how many of the discriminator's blocks next to the image
        stay as they are (FreezeD, 2002.10964).
      sparsity: train with moving masks on convolution kernels; None = dense.
      loss_scale: dynamic factor of the losses, for float16; None = none.
      jit: 'auto', True or False, see `resolve_jit`.
    """

    objective: Objective = gin.REQUIRED
    g_optimizer: Callable = gin.REQUIRED
    d_optimizer: Callable = gin.REQUIRED
    teacher_optimizer: Callable | None = None
    ema_decay: Callable = ema.half_life
    ema_statistics: bool = False
    batch_size: int = gin.REQUIRED
    g_microbatches: int = 1
    d_microbatches: int = 1
    max_microbatch: int | str | None = None
    d_batch_size: int | None = None
    d_steps: int = 1
    d_first: bool = False
    frozen_generator: bool = False
    freeze_d_blocks: int = 0
    sparsity: DynamicSparsity | None = None
    loss_scale: LossScale | None = None
    jit: str | bool = "auto"

    @property
    def reals_per_step(self) -> int:
        """Batch of reals that each discriminator step consumes."""
        return self.batch_size if self.d_batch_size is None else self.d_batch_size

    def layout(self, replicas: int, lanes: int) -> Layout:
        """Returns how batches are cut for so many replicas and lanes.

        Raises:
          ValueError: a size that no layout can have.
        """
        return Layout(
            batch_size=self.batch_size,
            g_microbatches=self.g_microbatches,
            d_microbatches=self.d_microbatches,
            d_batch_size=self.reals_per_step,
            d_steps=self.d_steps,
            d_first=self.d_first,
            replicas=replicas,
            lanes=lanes,
            frozen_generator=self.frozen_generator,
        ).limited(self.max_microbatch)


def resolve_jit(jit: str | bool, strategy) -> bool:
    """Returns whether to compile with XLA: 'auto' means on GPUs and TPUs only.

    XLA on a CPU ran 1.4 to 3 times slower than graph mode (docs/performance.md).

    Raises:
      ValueError: anything but 'auto', True or False.
    """
    if jit in (True, False):
        return jit
    if jit != "auto":
        raise ValueError(f"Trainer.jit={jit!r} must be 'auto', True or False")
    return not strategies.on_cpu(strategy)
