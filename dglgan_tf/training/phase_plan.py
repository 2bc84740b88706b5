"""From an objective to phases: who is trained by what, when, on what."""

from dglgan_tf.layers import conditional_norm
from dglgan_tf.training import (
    balance,
    game,
    layout,
    objective,
    penalties,
    phase,
    phase_checks,
    state,
    teacher_phases,
)


def make_phases(
    train_state: state.TrainState,
    goal: objective.Objective,
    cut: layout.Layout,
) -> list[phase.Phase]:
    """Returns the phases of a step in the order in which they run.

    Args:
      train_state: of `new_state.make_state`.
      goal: losses and regularizers.
      cut: batches and parts.
    """
    phase_checks.check_reals(goal, cut)
    joint = bool(conditional_norm.batch_statistics(train_state.networks.generator))
    local = cut.replicas == 1 or not train_state.networks.synchronized

    def make(name, loss_fn, network, optimizer, also=(), **options):
        return phase.Phase(
            name,
            loss_fn,
            [*(network.trainable_variables if network else ()), *also],
            train_state.optimizers[optimizer] if optimizer else None,
            local=local,
            joint=joint,
            **options,
        )

    g_phases, d_phases = [], []
    if not cut.frozen_generator:
        g_phases = _generator(make, train_state, goal, cut)
    if goal.adversarial_weight:
        d_phases = _discriminator(make, train_state.networks, goal, cut)
    order = d_phases + g_phases if cut.d_first else g_phases + d_phases
    order = balance.phases(make, train_state.networks, goal, cut) + order
    order += teacher_phases.of_teachers(make, train_state.networks, goal, cut)
    phase_checks.check(order, cut.replicas, train_state.networks, goal)
    return order


def _generator(make, train_state, goal, cut):
    networks = train_state.networks
    found = [
        make(
            "g",
            lambda inputs: game.generator_loss(goal, networks, inputs),
            networks.generator,
            "g",
            goal.trained("generator"),
            batch_size=cut.batch_size,
            microbatches=cut.g_microbatches * cut.lanes,
            lanes=cut.lanes,
            reals=("last" if cut.d_first else "next") if goal.needs_reals else None,
        )
    ]
    if goal.path_length_weight:
        mean_length = train_state.slots["path_length_mean"]
        size = phase_checks.path_length_batch(goal, cut)
        # Or as many parts as the smaller batch gives.
        count = cut.g_microbatches * cut.lanes
        while count > 1 and size % (cut.replicas * count):
            count -= 1
        found.append(
            make(
                "g_reg",
                lambda inputs: penalties.path_length_loss(
                    goal, networks, mean_length, inputs
                ),
                networks.generator,
                "g",
                batch_size=size,
                microbatches=count,
                lanes=min(cut.lanes, count),
                interval=goal.path_length_interval_steps,
            )
        )
    return found


def _discriminator(make, networks, goal, cut):
    # A relativistic generator that goes first has fetched this step's reals.
    fetched = goal.needs_reals and not cut.d_first and cut.d_steps == 1
    loss = game.fitting_loss if cut.frozen_generator else game.discriminator_loss
    found = [
        make(
            "d",
            lambda inputs: loss(goal, networks, inputs),
            networks.discriminator,
            "d",
            goal.trained("discriminator"),
            repeats=cut.d_steps,
            reals="last" if fetched and not cut.frozen_generator else "next",
            **cut.of_discriminator(),
        )
    ]
    if goal.has_lazy_penalty:
        found.append(
            teacher_phases.lazy(make, "d", networks.discriminator, networks, goal, cut)
        )
    return found
