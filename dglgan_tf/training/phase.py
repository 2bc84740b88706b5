"""Phases: what one optimizer step consists of.

Lazy regularization is a phase with an interval, several discriminator steps are a phase
with repeats.

State that a forward pass moves (spectral vectors, BatchNorm moments, `w_avg`, the mean
path length) moves once a step: every microbatch of every replica starts from the value
at the start of the step, and the mean of what they propose is assigned. So N replicas
equal N microbatches on the same split.

A step whose loss or gradient is not finite moves nothing: state keeps its value and a
zero gradient takes the place of the bad one (so weights stay where they are, unless
the optimizer carries momentum or weight decay). Replicas agree, since they look at
the reduced numbers, and no host waits: the metric `<phase>/skipped` is 0, or 1 + the
position of the first bad tensor among the phase's variables (the loss comes last).
"""

import dataclasses
import functools
from collections.abc import Callable

from dglgan_tf.compat import tf
from dglgan_tf.devices import strategies
from dglgan_tf.training import draws, loss_scale, phase_checks, reduction
from dglgan_tf.training.gradient import SCALE, Gradient


@dataclasses.dataclass(frozen=True)
class Phase:
    """One kind of optimizer step.

    Attributes:
      name: prefix of its metrics ('g', 'g_reg', 'd', 'd_reg', 'teacher').
      loss_fn: microbatch {name: tensor} -> (loss [], {metric: []}); float32, already
        weighted, a mean over the microbatch. May run under XLA: it draws from
        `microbatch['seed']` only and assigns nothing (see `layers.updates`).
      variables: trained by this phase.
      optimizer: Keras optimizer, shared by phases of one network.
      batch_size: global number of examples of a step.
      microbatches: number of equal parts that each replica's share is cut into.
      lanes: how many of them are computed at once.
      joint: whether these exchange what BatchNorm needs (`devices.lane_exchange`).
      interval: the phase runs at steps that are multiples of it.
      repeats: optimizer steps each time it runs.
      reals: 'next' fetches a batch of reals for each repeat, 'last' uses the one
        fetched before, None needs none.
      scale: dynamic factor of the loss while its gradient is computed, or None.
      local: whether the loss has no cross-replica reduction inside (it may be jitted).
    """

    name: str
    loss_fn: Callable
    variables: list
    optimizer: object
    batch_size: int
    microbatches: int = 1
    lanes: int = 1
    joint: bool = False
    interval: int = 1
    repeats: int = 1
    reals: str | None = None
    scale: loss_scale.Scale | None = None
    local: bool = True


def compile_phase(phase: Phase, strategy, latents: draws.Latents, jit: bool):
    """Builds the step function of a phase.

    Args:
      phase: what to run.
      strategy: the `tf.distribute.Strategy` under whose scope all variables were made.
      latents: how z and labels of fakes are drawn.
      jit: compile the loss and gradient of one microbatch with XLA (`gradient`).

    Returns:
      step(reals, seed, scalars) -> {name: []}, a `tf.function` for the cross-replica
      context. `reals`: per-replica {'images', 'labels'} or {}; `seed`: [2] int32;
      `scalars`: {name: float32 []} handed to the loss.
    """
    replicas = strategy.num_replicas_in_sync
    phase_checks.check_split(
        f"{phase.name} batch", phase.batch_size, replicas, phase.microbatches
    )
    form = (
        "slices" if jit and strategies.on_cpu(strategy) else "depthwise"
    )  # which is fast here
    gradient = Gradient(phase, jit, form)

    def replica_step(reals, seed, scalars):
        context = tf.distribute.get_replica_context()
        replica = context.replica_id_in_sync_group
        if phase.scale is not None:
            scalars = {**scalars, SCALE: tf.convert_to_tensor(phase.scale.value)}
        cut = functools.partial(_microbatch, phase, latents, reals, seed, replica)
        parts = ({**cut(i, replicas), **scalars} for i in range(phase.microbatches))
        gradients, metrics, values = reduction.over_microbatches(
            gradient, parts, phase.lanes, phase.lanes if phase.joint else 1
        )
        loss = metrics[f"{phase.name}/loss"]
        gradients, loss, values = reduction.over_replicas(
            gradients, loss, values, gradient.updates, replicas, context
        )
        finite, skipped = reduction.all_finite([*gradients, loss])
        if phase.scale is not None:
            found, skipped = phase.scale.judge(finite, skipped, scalars[SCALE])
            metrics |= {f"{phase.name}/{name}": value for name, value in found.items()}
        reduction.apply(phase.optimizer, phase.variables, gradients, finite)
        reduction.assign(gradient.updates, values, finite)
        metrics[f"{phase.name}/skipped"] = skipped
        return metrics

    def step(reals, seed, scalars):
        metrics = strategy.run(replica_step, args=(reals, seed, scalars))
        return {
            name: strategy.reduce(tf.distribute.ReduceOp.MEAN, value, axis=None)
            for name, value in metrics.items()
        }

    # A partial, since TensorFlow counts traces by code object: the phases would pass
    # for one function that is traced again and again.
    return tf.function(functools.partial(step), autograph=False)


def _microbatch(phase, latents, reals, seed, replica, index, replicas):
    """Cuts one microbatch out of a replica's share; replica context, outside XLA."""
    size = phase.batch_size // (replicas * phase.microbatches)
    position = replica * phase.microbatches + index  # of the microbatch in the batch
    part = draws.fakes(latents, seed, phase.batch_size, position * size, size)
    part["seed"] = draws.fold(seed, position)
    for name, value in reals.items():
        if name == "labels" and not latents.num_classes:
            continue  # of labelled data under an unconditional model
        part[name] = value[index * size : (index + 1) * size]
    return part
