"""What must hold of the phases of a training before any of them runs."""


def check(phases, replicas: int) -> None:
    """Raises ValueError for variables with two owners and batches that do not divide.

    Args:
      phases: list of `phase.Phase`.
      replicas: over which each batch is spread.
    """
    _check_owners(phases)
    for item in phases:
        name = f"batch of phase {item.name!r}"
        check_split(name, item.batch_size, replicas, item.microbatches)


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
