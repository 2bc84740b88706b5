"""Trainer: builds the phases of an objective and runs those that are due.

`train_step` is called in the cross-replica context and never waits for a device: its
metrics are tensors that the loop reads when it logs.
"""

import functools
import time
from collections.abc import Callable

import gin

from dglgan_tf.compat import tf
from dglgan_tf.layers import spectral_norm
from dglgan_tf.networks import base
from dglgan_tf.training import (
    draws,
    ema,
    freeze,
    objective,
    optimizers,
    phase,
    phase_plan,
    state,
)
from dglgan_tf.training import loss_scale as scaling
from dglgan_tf.training.sparsity import masks as dynamic


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
    return not phase.on_cpu(strategy)


@gin.configurable(denylist=["networks", "strategy", "seed", "class_weights", "lanes"])
class Trainer:
    """Runs an objective on a student pair.

    Attributes:
      state: `TrainState`, what a checkpoint holds.
      phases: the list of `Phase`, in the order in which they run.
      lanes: as given.
      reals_per_step: batch of reals that each discriminator repeat consumes.
      data_seconds: spent waiting for reals; whoever reports it sets it to 0.

    Args:
      networks: the student pair, its EMA generator, the teachers.
      strategy: whose scope made the networks' variables.
      seed: of the run; all draws follow from it and the step.
      objective: losses and regularizers.
      class_weights: relative frequency of the classes among fakes; None = uniform.
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
        holds: more accumulation follows from it, with the same global batch.
      d_batch_size: reals in a discriminator step; None = batch_size.
      d_steps: discriminator steps for each generator step.
      d_first: run the discriminator before the generator (BigGAN).
      lanes: how many parts of a microbatch are computed at once (`devices.lanes`).
      frozen_generator: train the discriminator alone, for a generator that came
        without one.
      freeze_d_blocks: how many of the discriminator's blocks next to the image
        stay as they are (FreezeD, 2002.10964).
      sparsity: train with moving masks on convolution kernels; None = dense.
      loss_scale: dynamic factor of the losses, for float16; None = none.
      jit: 'auto', True or False, see `resolve_jit`.

    Raises:
      ValueError: a batch that does not divide, an unsupported combination.
    """

    def __init__(
        self,
        networks: state.Networks,
        strategy,
        seed: int,
        objective: objective.Objective,
        class_weights=None,
        lanes: int = 1,
        g_optimizer: Callable = gin.REQUIRED,
        d_optimizer: Callable = gin.REQUIRED,
        teacher_optimizer: Callable | None = None,
        ema_decay: Callable = ema.half_life,
        ema_statistics: bool = False,
        batch_size: int = gin.REQUIRED,
        g_microbatches: int = 1,
        d_microbatches: int = 1,
        max_microbatch: int | None = None,
        d_batch_size: int | None = None,
        d_steps: int = 1,
        d_first: bool = False,
        frozen_generator: bool = False,
        freeze_d_blocks: int = 0,
        sparsity: dynamic.DynamicSparsity | None = None,
        loss_scale: scaling.LossScale | None = None,
        jit: str | bool = "auto",
    ):
        """Builds optimizers and phases; under `strategy.scope()`."""
        if freeze_d_blocks:
            freeze.freeze_first_blocks(networks.discriminator, freeze_d_blocks)
        objective = objective.bound(networks)
        self.strategy, self.seed, self.objective = strategy, seed, objective
        layout = phase_plan.Layout(
            batch_size=batch_size,
            g_microbatches=g_microbatches,
            d_microbatches=d_microbatches,
            d_batch_size=batch_size if d_batch_size is None else d_batch_size,
            d_steps=d_steps,
            d_first=d_first,
            replicas=strategy.num_replicas_in_sync,
            lanes=lanes,
            frozen_generator=frozen_generator,
        ).limited(max_microbatch)
        self.batch_size, self.reals_per_step = batch_size, layout.d_batch_size
        self._ema_decay, self._ema_statistics = ema_decay, ema_statistics
        self.lanes, self.jit = lanes, resolve_jit(jit, strategy)
        generator = networks.generator
        self._latents = draws.Latents(
            generator.z_dim, generator.num_classes, class_weights
        )
        self.state = phase_plan.make_state(
            networks, objective, g_optimizer, d_optimizer,
            teacher_optimizer or d_optimizer,
        )  # fmt: skip
        self.phases = phase_plan.make_phases(
            self.state, objective, layout, self._is_local()
        )
        self._check_and_scale(loss_scale)
        self._add_masks(sparsity)
        self.data_seconds, self._rates, self._steps = 0.0, {}, {}
        self._averages = self._adapt = self._reals = None

    def _check_and_scale(self, loss_scale):
        self._ema_decay(0, self.batch_size)  # what is out of range is said now
        if loss_scale is not None:
            self.phases = loss_scale.attach(self.state, self.phases)

    def _add_masks(self, sparsity):
        networks = self.state.networks
        self._masks = sparsity.masks(networks, self.phases) if sparsity else []
        for masks in self._masks:
            self.state.slots |= masks.variables()

    def _is_local(self):
        networks = self.state.networks
        return self.strategy.num_replicas_in_sync == 1 or not any(
            network.synchronized
            for network in (networks.generator, networks.discriminator)
        )

    def train_step(self, iterator) -> dict[str, tf.Tensor]:
        """Runs the phases that are due at this step, in order.

        Cross-replica context, called from Python. Which phases run is decided on the
        host from the step number, so nothing is traced twice and no `tf.cond` runs.

        Args:
          iterator: of a distributed dataset of {'images', 'labels'}, global batches of
            `reals_per_step`.

        Returns:
          {'phase/quantity': [] tensor}: means over the batch; only the phases that ran.
        """
        counters, metrics = self.state.counters, {}
        augment = self.objective.augment
        generator = self.state.optimizers["g"]
        scalars = {
            name: tf.constant(value, tf.float32)
            for name, value in self.objective.scalars(counters.images).items()
        }
        due = [item for item in self.phases if counters.step % item.interval == 0]
        of_generator = [item for item in due if item.optimizer is generator]
        for item in due:
            for repeat in range(item.repeats):
                if item.reals == "next":
                    self._fetch(iterator)
                seed = draws.step_seed(self.seed, counters.step, item.name, repeat)
                reals = self._reals if item.reals else {}
                step = self._step_of(item)
                metrics.update(step(reals, tf.constant(seed), scalars))
                self._mask(item)
            if of_generator and item is of_generator[-1]:
                self._update_ema()
        if augment is not None and augment.is_due(counters.step):
            self._strengthen(augment)
        for masks in self._masks:
            if masks.is_due(counters.step):
                self._move(masks, scalars)
        counters.step += 1
        counters.images += self.batch_size
        return metrics

    def scale_learning_rates(self, factor: float) -> None:
        """Sets every learning rate to `factor` times the configured one; host."""
        for name, optimizer in self.state.optimizers.items():
            rate = self._rates.setdefault(name, optimizers.learning_rate(optimizer))
            optimizer.learning_rate = factor * rate

    def tensor_name(self, phase_name: str, index: int) -> str:
        """Names what the metric '<phase>/skipped' = 1 + index means."""
        (found,) = (item for item in self.phases if item.name == phase_name)
        if index >= len(found.variables):
            return "loss"
        networks = self.state.networks
        members = networks.by_role()
        members |= {f"teacher{i}": t for i, t in enumerate(networks.teachers)}
        for role, network in members.items():
            for name, variable in base.named_variables(network, role).items():
                if variable is found.variables[index]:
                    return f"the gradient of {name}"
        for name, variable in self.state.slots.items():
            if variable is found.variables[index]:
                return f"the gradient of {name}"
        return f"variable {index}"

    def trace_counts(self) -> dict[str, int]:
        """Returns how often each phase was traced; 1 unless something is amiss."""
        return {
            name: step.experimental_get_tracing_count()
            for name, step in self._steps.items()
        }

    def _fetch(self, iterator):
        began = time.perf_counter()
        self._reals = next(iterator)
        self.data_seconds += time.perf_counter() - began
        self.state.counters.reals += self.reals_per_step

    def _step_of(self, item):
        if not self._steps and not self.objective.update_teachers:
            # Weights that no longer move need no power steps: once for all, now that
            # everything is loaded.
            for teacher in self.state.networks.teachers:
                spectral_norm.freeze_spectral_norm(teacher)
        if item.name not in self._steps:
            self._steps[item.name] = phase.compile_phase(
                item, self.strategy, self._latents, self.jit
            )
        return self._steps[item.name]

    def _mask(self, item):
        for masks in self._masks:
            if masks.follows(item):
                masks.apply()

    def _move(self, masks, scalars):
        counters, item = self.state.counters, masks.growth
        seed = draws.step_seed(self.seed, counters.step, item.name, 0)
        reals = self._reals if item.reals else {}
        self._step_of(item)(reals, tf.constant(seed), scalars)
        masks.move(counters.images)

    def _strengthen(self, augment):
        if self._adapt is None:
            # A partial for the reason given in `phase.compile_phase`.
            self._adapt = tf.function(functools.partial(augment.adapt), autograph=False)
        self._adapt(tf.constant(self.batch_size))

    def _update_ema(self):
        if self._averages is None:
            networks = self.state.networks
            self._averages = ema.compile_update(
                networks.generator, networks.generator_ema, self._ema_statistics
            )
        decay = self._ema_decay(self.state.counters.images, self.batch_size)
        self._averages(tf.constant(decay, tf.float32))
        for masks in self._masks:
            if masks.of_generator:
                masks.apply()
