"""Phases: what one optimizer step consists of, and the only strategy-aware maths.

A phase is a loss, the variables it trains and the optimizer that moves them. Lazy
regularization is a phase with an interval, several discriminator steps are a phase
with repeats. All reductions happen here, in this order: examples of a microbatch
(mean), microbatches (mean), replicas (mean).

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
import itertools
from collections.abc import Callable

from dglgan_tf.compat import keras, tf
from dglgan_tf.devices import lane_exchange
from dglgan_tf.layers import updates
from dglgan_tf.native import library
from dglgan_tf.ops import resample
from dglgan_tf.training import draws, loss_scale

_SCALE = "loss_scale"  # among the scalars of a microbatch


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


def check_split(name: str, batch_size: int, replicas: int, microbatches: int) -> None:
    """Raises ValueError unless the batch divides into equal microbatches."""
    if batch_size < 1 or batch_size % (replicas * microbatches):
        raise ValueError(
            f"{name}={batch_size} must be a positive multiple of "
            f"replicas*microbatches ({replicas}*{microbatches})"
        )


def compile_phase(phase: Phase, strategy, latents: draws.Latents, jit: bool):
    """Builds the step function of a phase.

    Args:
      phase: what to run.
      strategy: the `tf.distribute.Strategy` under whose scope all variables were made.
      latents: how z and labels of fakes are drawn.
      jit: compile the loss and gradient of one microbatch with XLA. Everything else
        (all-reduce, optimizer, assignments) stays outside: XLA with several replicas
        fails otherwise.

    Returns:
      step(reals, seed, scalars) -> {name: []}, a `tf.function` for the cross-replica
      context. `reals`: per-replica {'images', 'labels'} or {}; `seed`: [2] int32;
      `scalars`: {name: float32 []} handed to the loss.
    """
    replicas = strategy.num_replicas_in_sync
    check_split(f"{phase.name} batch", phase.batch_size, replicas, phase.microbatches)
    gradient_fn, pending = _gradient_function(phase, jit, _form(strategy, jit))

    def replica_step(reals, seed, scalars):
        context = tf.distribute.get_replica_context()
        replica = context.replica_id_in_sync_group
        if phase.scale is not None:
            scalars = {**scalars, _SCALE: tf.convert_to_tensor(phase.scale.value)}
        cut = functools.partial(_microbatch, phase, latents, reals, seed, replica)
        parts = ({**cut(i, replicas), **scalars} for i in range(phase.microbatches))
        together = phase.lanes if phase.joint else 1
        gradients, metrics, values = _accumulate(
            gradient_fn, parts, phase.lanes, together
        )
        loss = metrics[f"{phase.name}/loss"]
        gradients, loss, values = _reduce(
            gradients, loss, values, pending, replicas, context
        )
        finite, skipped = _all_finite([*gradients, loss])
        if phase.scale is not None:
            # Too large a scale is no fault of the training: not counted as skipped.
            lowered = tf.logical_and(~finite, scalars[_SCALE] > loss_scale.LEAST)
            metrics[f"{phase.name}/loss_scale"] = scalars[_SCALE]
            metrics[f"{phase.name}/rescaled"] = tf.cast(lowered, tf.float32)
            skipped = tf.where(lowered, 0.0, skipped)
            phase.scale.move(finite)
        _apply(phase, gradients, finite)
        _assign(pending, values, finite)
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


def _form(strategy, jit: bool) -> str:
    """Returns the form of the filter passes that is fast here (`ops.resample`)."""
    return "slices" if jit and on_cpu(strategy) else "depthwise"


def on_cpu(strategy) -> bool:
    """Whether a strategy, or none (the default one), computes on CPUs."""
    try:
        devices = strategy.extended.worker_devices
    except RuntimeError:  # the default strategy has none
        return not tf.config.list_logical_devices("GPU")
    return all("CPU" in device.upper() for device in devices)


def _gradient_function(phase: Phase, jit: bool, form: str):
    """Returns the gradient function of microbatches, and what moves.

    It maps those that are traced together to a list of (gradients, metrics, state
    values). The list of `Update` is filled while tracing: which variables the loss
    moves is known then, their values are results of the compiled function.
    """
    pending: list[updates.Update] = []

    def gradient(microbatch):
        factor = microbatch.pop(_SCALE, None)
        with library.use(not (jit and phase.local)), resample.use_form(form):
            with (
                updates.collect() as moved,
                tf.GradientTape(watch_accessed_variables=False) as tape,
            ):
                tape.watch(phase.variables)
                loss, metrics = phase.loss_fn(microbatch)
                scaled = loss if factor is None else loss * factor
            gradients = tape.gradient(
                scaled,
                phase.variables,
                unconnected_gradients=tf.UnconnectedGradients.ZERO,
            )
        pending[:] = moved
        metrics = {f"{phase.name}/{name}": value for name, value in metrics.items()}
        metrics[f"{phase.name}/loss"] = loss
        # Embedding look-ups give IndexedSlices, which neither add up nor divide.
        gradients = [tf.convert_to_tensor(g) for g in gradients]
        if factor is not None:
            gradients = [g / factor for g in gradients]
        return gradients, metrics, [update.value for update in moved]

    gradients = lane_exchange.abreast(gradient)
    if jit and phase.local:
        return tf.function(gradients, jit_compile=True, autograph=False), pending
    if phase.microbatches > (phase.lanes if phase.joint else 1) and phase.local:
        # Traced once, called many times. Copied into the caller's graph, calls that
        # wait for each other would need a third more memory (docs/performance.md).
        kept = {"_noinline": True} if phase.microbatches > phase.lanes else None
        return tf.function(
            gradients, autograph=False, experimental_attributes=kept
        ), pending
    return gradients, pending


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


def _accumulate(gradient_fn, microbatches, lanes, together=1):
    """Returns the means of gradients, metrics and moved values.

    A microbatch waits for the gradients of the one that had its lane before: nothing
    else would keep them, and the memory of their activations, apart. `together` of
    them are one call of `gradient_fn`: as many as the lanes, or 1.
    """
    total, done, found = None, [], []
    for group in _groups(microbatches, together):
        before = done[-lanes:][:together] if len(done) >= lanes else []
        with tf.control_dependencies(tf.nest.flatten(before)):
            results = gradient_fn(*group)
        for gradients, *rest in results:
            total = gradients if total is None else _add(total, gradients)
            done.append(gradients)
            found.append(rest)
    metrics, values = tf.nest.map_structure(_mean, *found)
    return _scale(total, 1.0 / len(done)), metrics, values


def _groups(items, size):
    """Yields lists of `size` items, the last one perhaps shorter."""
    items = iter(items)
    while group := list(itertools.islice(items, size)):
        yield group


def _add(left, right):
    return tf.nest.map_structure(tf.add, left, right)


def _mean(*parts):
    """Mean over microbatches, in their order.

    TensorFlow joins a chain of sums to one operation that begins with whichever input
    it may overwrite: with a reader beside it, as these have, the last bit would depend
    on which of the two comes first.
    """
    return tf.reduce_mean(tf.stack(parts), axis=0) if len(parts) > 1 else parts[0]


def _scale(total, factor):
    return tf.nest.map_structure(lambda x: x * factor if factor != 1.0 else x, total)


def _reduce(gradients, loss, values, pending, replicas, context):
    """Means over replicas of what differs between them, in one collective."""
    if replicas == 1:
        return gradients, loss, values
    moved = [v for u, v in zip(pending, values, strict=True) if u.average]
    reduced = context.all_reduce(
        tf.distribute.ReduceOp.MEAN, [*gradients, loss, *moved]
    )
    gradients, (loss, *moved) = reduced[: len(gradients)], reduced[len(gradients) :]
    moved = iter(moved)
    values = [
        next(moved) if update.average else value
        for update, value in zip(pending, values, strict=True)
    ]
    return gradients, loss, values


def _all_finite(tensors):
    # A sum is finite only where every term is: one reduction for each tensor.
    sums = tf.stack([tf.reduce_sum(tensor) for tensor in tensors])
    bad = tf.logical_not(tf.math.is_finite(sums))
    finite = tf.logical_not(tf.reduce_any(bad))
    first = tf.cast(tf.argmax(tf.cast(bad, tf.int32)) + 1, tf.float32)
    return finite, tf.where(finite, 0.0, first)


def _apply(phase, gradients, finite):
    gradients = [tf.where(finite, g, tf.zeros_like(g)) for g in gradients]
    pairs = list(zip(gradients, phase.variables, strict=True))
    # Already reduced: the optimizer must not sum over replicas once more.
    if isinstance(phase.optimizer, keras.optimizers.legacy.Optimizer):
        phase.optimizer.apply_gradients(pairs, experimental_aggregate_gradients=False)
    else:
        phase.optimizer.apply_gradients(pairs, skip_gradients_aggregation=True)


def _assign(pending, values, finite):
    for update, value in zip(pending, values, strict=True):
        update.variable.assign(tf.where(finite, value, update.variable))
