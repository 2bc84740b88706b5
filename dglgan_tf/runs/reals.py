"""The real images of a training: this host's share, from where the run stands."""

from dglgan_tf.data import pipeline, retrying
from dglgan_tf.devices import strategies


def iterator(built, plan, seed: int, say):
    """Returns the iterator of reals; what cannot be read is tried again.

    Args:
      built: `build.Built`.
      plan: `schedule.Schedule`, for how long and how often data may fail.
      seed: of the order.
      say: called with sentences for the user.

    Returns:
      iterator of distributed {'images', 'labels'} (`retrying.Patient`).
    """

    def skip(images):
        built.trainer.state.counters.reals += images

    def make(start):
        return iter(
            strategies.distribute(
                built.strategy, lambda shard: dataset(built, seed, shard, start)
            )
        )

    return retrying.Patient(
        make,
        position=lambda: built.trainer.state.counters.reals,
        skip=skip,
        say=say,
        batch_size=built.trainer.reals_per_step,
        patience_seconds=60 * plan.data_patience_minutes,
        most_bad=plan.max_bad_batches,
        may_skip=strategies.host_index(built.strategy)[1] == 1,
    )


def dataset(built, seed: int, shard=(0, 1), start: int = 0):
    """Returns this host's share of the reals from an image on, a `tf.data.Dataset`."""
    generator = built.networks.generator
    return pipeline.make_dataset(
        built.source,
        batch_size=built.trainer.reals_per_step,
        resolution=generator.resolution,
        num_channels=generator.num_channels,
        num_classes=generator.num_classes,
        seed=seed,
        shard=shard,
        start_image=start,
    )
