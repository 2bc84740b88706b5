"""What a run does when a step cannot be used: a smaller part, or an earlier state."""

from dglgan_tf.training import checkpoint, tensor_names


def out_of_memory(train) -> ValueError:
    """Returns the error of a step that the device's memory does not hold."""
    replicas = train.strategy.num_replicas_in_sync
    part = max(p.batch_size // p.microbatches for p in train.phases) // replicas
    return ValueError(
        f"out of memory with parts of {part} images on each device: set "
        f"Trainer.max_microbatch={max(part // 2, 1)}, which keeps the batch size "
        "and accumulates, or choose narrower networks"
    )


def roll_back(train, plan, watched) -> None:
    """Restores the newest snapshot and counts the return.

    Args:
      train: `trainer.Trainer`, restored in place.
      plan: `schedule.Schedule`: how often, and how learning rates fall.
      watched: `watching.Watched`; its logs go back to the restored state.

    Raises:
      FloatingPointError: no snapshot, or too many returns.
    """
    counters = train.state.counters
    bad = {
        name: tensor_names.tensor_name(train, name, index)
        for name, index in watched.progress.first_bad.items()
    }
    what = ", ".join(f"{name}: {tensor}" for name, tensor in bad.items())
    trouble = (
        f"more than Schedule.max_skipped={plan.max_skipped} updates were not "
        f"finite before step {counters.step} (first in {what})"
    )
    snapshot, rollbacks = watched.snapshots.latest(), counters.rollbacks + 1
    if snapshot is None or rollbacks > plan.max_rollbacks:
        raise FloatingPointError(
            f"{trouble}, after {rollbacks - 1} returns to a snapshot with a lower "
            "learning rate: lower it further, or look at the data and the losses"
        )
    checkpoint.restore(train.state, snapshot)
    train.state.counters.rollbacks = rollbacks
    watched.say(
        f"{trouble}: back to {snapshot.name}, learning rates times "
        f"{plan.rollback_factor**rollbacks:g}"
    )
    watched.progress.rewind(train.state.counters.images)
