"""The state of a training before its first step: optimizers and slots."""

from collections.abc import Callable

from dglgan_tf.training import objective, optimizers, state


def make_state(
    networks: state.Networks,
    goal: objective.Objective,
    g_optimizer: Callable,
    d_optimizer: Callable,
    teacher_optimizer: Callable,
) -> state.TrainState:
    """Builds optimizers and slots; under the strategy's scope.

    Args:
      networks: what is trained.
      goal: bound to them; its lazy intervals correct the optimizers.
      g_optimizer, d_optimizer, teacher_optimizer: (reg_interval_steps=0) -> Keras
        optimizer.
    """
    g_interval = goal.path_length_interval_steps if goal.path_length_weight else 0
    d_interval = goal.r1_interval_steps if goal.has_lazy_penalty else 0
    made = {
        "g": (
            g_optimizer(reg_interval_steps=g_interval),
            [*networks.generator.trainable_variables, *goal.trained("generator")],
        )
    }
    if goal.adversarial_weight:
        made["d"] = (
            d_optimizer(reg_interval_steps=d_interval),
            [
                *networks.discriminator.trainable_variables,
                *goal.trained("discriminator"),
            ],
        )
    if goal.update_teachers:
        for index, teacher in enumerate(networks.teachers):
            made[f"teacher{index}"] = (teacher_optimizer(), teacher.trainable_variables)
    for optimizer, variables in made.values():
        optimizers.build(optimizer, variables)
    slots = goal.variables()
    if goal.path_length_weight:
        slots["path_length_mean"] = state.slot("path_length_mean")
    return state.TrainState(
        networks, {name: pair[0] for name, pair in made.items()}, slots
    )
