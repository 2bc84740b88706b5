"""Phases of updated teachers, and the lazy penalty of any discriminator."""

from dglgan_tf.training import game, penalties


def of_teachers(make, networks, goal, cut) -> list:
    """Returns the phases that train the teachers' discriminators (method 1.4).

    Args:
      make: of `phase_plan`: (name, loss, network, optimizer, ...) -> phase.
      networks: `state.Networks`.
      goal: the `Objective`; none without `update_teachers`.
      cut: `layout.Layout`.
    """
    found = []
    for index, teacher in enumerate(networks.teachers if goal.update_teachers else ()):
        found.append(
            make(
                f"teacher{index}",
                lambda inputs, i=index: game.teacher_loss(goal, networks, i, inputs),
                teacher,
                f"teacher{index}",
                reals="last",
                **cut.of_discriminator(),
            )
        )
        if goal.has_lazy_penalty:
            found.append(lazy(make, f"teacher{index}", teacher, networks, goal, cut))
    return found


def lazy(make, name: str, discriminator, networks, goal, cut):
    """Returns the phase of R1 and R2 of a discriminator; arguments as above."""
    return make(
        f"{name}_reg",
        lambda inputs: penalties.lazy_penalty(goal, networks, discriminator, inputs),
        discriminator,
        name,
        interval=goal.r1_interval_steps,
        reals="last",
        **cut.of_discriminator(),
    )
