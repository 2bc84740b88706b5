"""What a dry run prints of one training: configuration, layers, totals, estimates."""

import gin

from dglgan_tf.compat import tf
from dglgan_tf.cost import macs, phases, tables
from dglgan_tf.cost import rate as device_rate
from dglgan_tf.data import base as data_base
from dglgan_tf.foundation import batches, run_directory
from dglgan_tf.networks import base, weightless
from dglgan_tf.runs import auto_parts, progress
from dglgan_tf.runs import plan as plans
from dglgan_tf.training import diagnostics, state, trainer

_DRAWN = 64  # images of a grid, and that `evaluate` asks for at once


def show(plan, when, siblings, planned) -> dict:
    """Prints a training's description; says what is missing.

    Args:
      plan: `plan.Plan`.
      when: `schedule.Schedule`.
      siblings: folder in which names of weights may be stages.
      planned: stages that will have run before; they need not be there.

    Returns:
      {}, as there are no metrics.
    """
    made = plan.generator, plan.discriminator, plan.teacher_networks
    print(describe(*made, when))
    plans.made(plan.source, data_base.Source, "source")
    for name in dict.fromkeys([*plan.teachers, *plan.starts().values()]):
        if name not in planned:
            run_directory.find_weights(name, siblings)
    return {}


def describe(generator, discriminator, teacher_networks, schedule) -> str:
    """Returns what a dry run prints: configuration, layers, totals, estimates.

    Networks are built without weights, so that one of any size costs a moment.
    """
    with weightless.weightless():
        networks = state.Networks(generator(), discriminator(), generator())
        students = [networks.generator, networks.discriminator]
        teachers = [make() for make in teacher_networks]
        for network in teachers:
            if isinstance(network, base.Discriminator):
                networks.teachers.append(network)
            else:
                networks.teacher_generator = network
        strategy = tf.distribute.get_strategy()
        wanted = auto_parts.resolved(networks, strategy, lanes=1)
        train = trainer.Trainer(networks, strategy, seed=0, wanted=wanted)
    costs = {id(n): macs.count(n) for n in (*teachers, *students)}
    tables_of = []
    for kind in (base.Generator, base.Discriminator):
        shown = {}
        for name, found in (("teacher", teachers), ("student", students)):
            for network in found:
                if isinstance(network, kind):
                    shown[f"{name} {kind.__name__[0]}"] = costs[id(network)]
        tables_of.append(tables.compare(shown))
    parts = auto_parts.networks_of(networks, train.objective.update_teachers)
    side = networks.generator.resolution
    return "\n\n".join(
        [
            gin.config_str(),
            *tables_of,
            _estimates(parts, train, schedule),
            _memory(parts, train.phases, side),
        ]
    )


def _estimates(parts, train, schedule):
    steps = -(-schedule.total_images // train.batch_size)
    macs_of_step = phases.step_macs(parts, train.phases)
    rate = device_rate.macs_per_second()
    return (
        f"{steps:,} steps of {train.batch_size} images, phases "
        f"{', '.join(p.name for p in train.phases)}; {2 * macs_of_step / 1e12:.3g} "
        f"TFLOP a step: at the {2 * rate / 1e9:.0f} GFLOP/s that a convolution with "
        f"its gradients reaches here, {progress.duration(macs_of_step / rate)} a step "
        f"and {progress.duration(macs_of_step * steps / rate)} altogether"
    )


def _memory(parts, due, side) -> str:
    """Returns a table of the most memory that each phase takes, beside the process."""
    drawn = batches.drawable(_DRAWN, side)
    at_once = {item.name: item.batch_size // item.microbatches * item.lanes
               for item in due}  # fmt: skip
    judged = batches.drawable(diagnostics.count(side), side)
    at_once |= {"diagnostics": judged, "snapshot": 0}
    at_once |= dict.fromkeys(phases.DRAWING, drawn)
    rows = [
        f"{name:<12s} {images:>15d} "
        f"{phases.phase_bytes(parts, name, images) / 2**30:>7.2f}"
        for name, images in at_once.items()
    ]
    return "\n".join([f"{'phase':<12s} {'images at once':>15s} {'GiB':>7s}", *rows])
