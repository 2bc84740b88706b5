"""What a dry run prints of one training: configuration, layers, totals, estimates."""

import gin

from dglgan_tf.compat import tf
from dglgan_tf.cost import macs, memory, tables
from dglgan_tf.data import base as data_base
from dglgan_tf.foundation import run_directory
from dglgan_tf.networks import base, weightless
from dglgan_tf.runs import plan as plans
from dglgan_tf.runs import progress
from dglgan_tf.training import state, trainer


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
        train = trainer.Trainer(networks, tf.distribute.get_strategy(), seed=0)
    costs = {id(n): macs.count(n) for n in (*teachers, *students)}
    tables_of = []
    for kind in (base.Generator, base.Discriminator):
        shown = {}
        for name, found in (("teacher", teachers), ("student", students)):
            for network in found:
                if isinstance(network, kind):
                    shown[f"{name} {kind.__name__[0]}"] = costs[id(network)]
        tables_of.append(tables.compare(shown))
    parts = [
        memory.Part(_role(n), costs[id(n)], ema=n is networks.generator)
        for n in students
    ]
    parts += [
        memory.Part("teacher", costs[id(t)], trained=train.objective.update_teachers)
        for t in teachers
        if isinstance(t, base.Discriminator)
    ]
    return "\n\n".join(
        [gin.config_str(), *tables_of, _estimates(parts, train, schedule)]
    )


def _role(network) -> str:
    return "generator" if isinstance(network, base.Generator) else "discriminator"


def _estimates(parts, train, schedule):
    microbatch = max(p.batch_size // p.microbatches for p in train.phases)
    total = memory.training_bytes(parts, microbatch)["total"]
    steps = -(-schedule.total_images // train.batch_size)
    step_macs = 3 * train.batch_size * sum(part.cost.macs for part in parts)
    return (
        f"{steps:,} steps of {train.batch_size} images, phases "
        f"{', '.join(p.name for p in train.phases)}; about {total / 2**30:.2f} GiB on "
        f"one device and {2 * step_macs / 1e12:.3g} TFLOP a step: "
        f"{progress.duration(2 * step_macs * steps / 1e11)} at 100 GFLOP/s, "
        f"{progress.duration(2 * step_macs * steps / 2e13)} at 20 TFLOP/s"
    )
