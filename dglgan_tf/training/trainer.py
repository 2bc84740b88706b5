"""Trainer: builds the phases of an objective and runs those that are due.

`train_step` is called in the cross-replica context and never waits for a device: its
metrics are tensors that the loop reads when it logs.
"""

import time

from dglgan_tf.compat import tf
from dglgan_tf.layers import spectral_norm
from dglgan_tf.training import (
    between_steps,
    draws,
    ema,
    freeze,
    new_state,
    optimizers,
    phase,
    phase_plan,
    settings,
    smaller_parts,
    state,
)


class Trainer:
    """Runs an objective on a student pair.

    Attributes:
      state: `TrainState`, what a checkpoint holds.
      objective: losses and regularizers, bound to the networks.
      phases: the list of `Phase`, in the order in which they run.
      batch_size: images of a generator step, over all replicas.
      reals_per_step: batch of reals that each discriminator repeat consumes.
      data_seconds: spent waiting for reals; whoever reports it sets it to 0.
      strategy, seed, lanes, jit: in effect.
    """

    def __init__(
        self,
        networks: state.Networks,
        strategy,
        seed: int,
        wanted: settings.Settings | None = None,
        class_weights=None,
        lanes: int = 1,
    ):
        """Builds optimizers and phases; under `strategy.scope()`.

        Args:
          networks: the student pair, its EMA generator, the teachers.
          strategy: whose scope made the networks' variables.
          seed: of the run; all draws follow from it and the step.
          wanted: how it trains; None = as gin says under `Trainer`.
          class_weights: relative frequency of the classes among fakes; None = uniform.
          lanes: how many parts of a microbatch are computed at once (`devices.lanes`).

        Raises:
          ValueError: a batch that does not divide, an unsupported combination.
        """
        wanted = settings.Settings() if wanted is None else wanted
        if wanted.freeze_d_blocks:
            freeze.freeze_first_blocks(networks.discriminator, wanted.freeze_d_blocks)
        self.strategy, self.seed, self.lanes = strategy, seed, lanes
        self.jit = settings.resolve_jit(wanted.jit, strategy)
        cut = wanted.layout(strategy.num_replicas_in_sync, lanes)
        self.batch_size, self.reals_per_step = cut.batch_size, cut.d_batch_size
        self._ema_decay, self._ema_statistics = wanted.ema_decay, wanted.ema_statistics
        self._ema_decay(0, self.batch_size)  # what is out of range is said now
        self.objective = wanted.objective.bound(networks)
        self.state = new_state.make_state(
            networks,
            self.objective,
            wanted.g_optimizer,
            wanted.d_optimizer,
            wanted.teacher_optimizer or wanted.d_optimizer,
        )
        self.phases = phase_plan.make_phases(self.state, self.objective, cut)
        if wanted.loss_scale is not None:
            self.phases = wanted.loss_scale.attach(self.state, self.phases)
        self._between = between_steps.BetweenSteps(
            self.state, self.objective, wanted.sparsity, self.phases, self.batch_size
        )
        self._latents = draws.Latents(
            networks.generator.z_dim, networks.generator.num_classes, class_weights
        )
        self.data_seconds, self._rates, self._steps = 0.0, {}, {}
        self._halved = smaller_parts.Halved(strategy, networks)
        self._averages = self._reals = None

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
                metrics.update(self._run(item, repeat, scalars))
                self._between.after_phase(item)
            if of_generator and item is of_generator[-1]:
                self._update_ema()
        self._between.after_step(counters, lambda item: self._run(item, 0, scalars))
        counters.step += 1
        counters.images += self.batch_size
        return metrics

    def _fetch(self, iterator):
        began = time.perf_counter()
        self._reals = next(iterator)
        self.data_seconds += time.perf_counter() - began
        self.state.counters.reals += self.reals_per_step

    def _run(self, item, repeat, scalars):
        seed = draws.step_seed(self.seed, self.state.counters.step, item.name, repeat)
        given = self._reals if item.reals else {}, tf.constant(seed), scalars
        return self._halved.run(item, lambda used: self._step_of(used)(*given))

    def _step_of(self, item):
        if not self._steps and not self.objective.update_teachers:
            # Weights that no longer move, now loaded, need no power steps any more.
            for teacher in self.state.networks.teachers:
                spectral_norm.freeze_spectral_norm(teacher)
        if (key := (item.name, item.microbatches)) not in self._steps:
            self._steps[key] = phase.compile_phase(
                item, self.strategy, self._latents, self.jit
            )
        return self._steps[key]

    def _update_ema(self):
        if self._averages is None:
            networks = self.state.networks
            self._averages = ema.compile_update(
                networks.generator, networks.generator_ema, self._ema_statistics
            )
        decay = self._ema_decay(self.state.counters.images, self.batch_size)
        self._averages(tf.constant(decay, tf.float32))
        self._between.after_average()

    def scale_learning_rates(self, factor: float) -> None:
        """Sets every learning rate to `factor` times the configured one; host."""
        for name, optimizer in self.state.optimizers.items():
            rate = self._rates.setdefault(name, optimizers.learning_rate(optimizer))
            optimizer.learning_rate = factor * rate

    def trace_counts(self) -> dict[str, int]:
        """Returns how often each phase was traced; 1 unless something is amiss."""
        return {
            name: step.experimental_get_tracing_count()
            for (name, _), step in self._steps.items()
        }
