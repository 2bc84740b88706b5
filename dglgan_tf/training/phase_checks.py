"""What must hold of the phases of a training before any of them runs."""

import math

from dglgan_tf.training import scores


def check(phases, replicas: int, networks, goal) -> None:
    """Raises ValueError for variables with two owners and batches that do not divide.

    Args:
      phases: list of `phase.Phase`.
      replicas: over which each batch is spread.
      networks: `state.Networks`.
      goal: `Objective`.
    """
    _check_owners(phases)
    for item in phases:
        name = f"batch of phase {item.name!r}"
        check_split(name, item.batch_size, replicas, item.microbatches)
        if item.name != "g_reg":  # no discriminator sees its images
            share = item.batch_size // (replicas * item.microbatches)
            joint = item.name == "d" and goal.d_scores is scores.scores_joint
            for judge in [networks.discriminator, *networks.teachers]:
                own = joint and judge is networks.discriminator
                _check_groups(judge, share, 2 if own else 1)


def _check_groups(judge, share, times):
    """Raises ValueError where images that are scored at once do not make groups."""
    for count in {share, times * share}:
        group = judge.group_in(count)
        if count % group:
            raise ValueError(
                f"{count} images are scored at once, which must be a multiple of the "
                f"group of {group} of minibatch standard deviation: give a batch (and "
                f"Trainer.max_microbatch) whose parts are, or set "
                "StyleGAN2Discriminator.mbstd_group_size"
            )


def path_length_batch(goal, cut) -> int:
    """Returns the images of path length regularization; ValueError: too few are left.

    Args:
      goal: `Objective`.
      cut: `layout.Layout`.
    """
    shrink = goal.path_length_batch_shrink
    size = cut.batch_size // shrink
    if size < cut.replicas or size % cut.replicas:
        least = shrink * cut.replicas
        raise ValueError(
            f"a batch of {cut.batch_size}: path length regularization takes one in "
            f"{shrink} of its images (Objective.path_length_batch_shrink) on each of "
            f"{cut.replicas} replica(s): give --batch (Trainer.batch_size) a multiple "
            f"of {least}, or set Objective.path_length_batch_shrink = 1"
        )
    return size


def whole_groups(networks, count: int) -> int:
    """Returns about so many images, as every discriminator can score them at once.

    Args:
      networks: `state.Networks`.
      count: wanted.
    """
    judges = [networks.discriminator, *networks.teachers]
    group = math.lcm(*(judge.group_in(count) for judge in judges))
    return max(count - count % group, group)


def check_reals(goal, cut) -> None:
    """Raises ValueError where fakes would be compared with another number of reals."""
    if goal.needs_reals and cut.d_batch_size != cut.batch_size:
        raise ValueError(
            f"d_batch_size={cut.d_batch_size} must equal batch_size="
            f"{cut.batch_size} with a relativistic generator loss"
        )


def check_split(name: str, batch_size: int, replicas: int, microbatches: int) -> None:
    """Raises ValueError unless the batch divides into equal microbatches."""
    if batch_size < 1 or batch_size % (replicas * microbatches):
        raise ValueError(
            f"{name}={batch_size} must be a positive multiple of "
            f"replicas*microbatches ({replicas}*{microbatches})"
        )


def _check_owners(phases):
    """Each trainable variable belongs to one family: G, D or a teacher."""
    owned: dict[int, str] = {}
    for item in phases:
        family = item.name.split("_")[0]
        for variable in item.variables:
            if owned.setdefault(id(variable), family) != family:
                raise ValueError(
                    f"variable {variable.name} is trained by {family} and by "
                    f"{owned[id(variable)]}: student and teacher must not share "
                    "variables"
                )
