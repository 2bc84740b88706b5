"""When a run does what, in images."""

import dataclasses

import gin

from dglgan_tf.config import fields


@gin.configurable
@dataclasses.dataclass
class Schedule:
    """When the loop does what, in images.

    Attributes:
      total_images: length of the run.
      tick_images: between log lines.
      grid_every_images: between sample grids.
      snapshot_every_images: between snapshots.
      snapshot_every_minutes: a snapshot at the latest after so many minutes.
      keep_snapshots: newest ones kept.
      max_skipped: updates whose loss or gradient was not finite (they are not applied)
        that one tick may have; more of them take the run back to its newest snapshot.
      max_rollbacks: how often in all; then the run gives up.
      rollback_factor: of the learning rates, each time.
      data_patience_minutes: how long the run waits for data that cannot be read.
      max_bad_batches: batches with damaged data that it leaves out; more end it.
    """

    total_images: int = gin.REQUIRED
    tick_images: int = 4000
    grid_every_images: int = 40_000
    snapshot_every_images: int = 40_000
    snapshot_every_minutes: float = 15.0
    keep_snapshots: int = 2
    max_skipped: int = 10
    max_rollbacks: int = 3
    rollback_factor: float = 0.5
    data_patience_minutes: float = 30.0
    max_bad_batches: int = 100

    def __post_init__(self):
        fields.check(
            self,
            least={"max_skipped": 0, "max_rollbacks": 0, "max_bad_batches": 0},
            positive=(
                "snapshot_every_minutes",
                "rollback_factor",
                "data_patience_minutes",
            ),
        )
        if self.rollback_factor > 1:
            raise ValueError(
                f"Schedule.rollback_factor={self.rollback_factor!r} must be at most 1"
            )


class Due:
    """Tells once every `interval` images."""

    def __init__(self, interval: int, images: int):
        """Counts from where a run stands, `images`."""
        self._interval, self._last = interval, images // interval

    def __call__(self, images: int) -> bool:
        """Returns whether a multiple of the interval was passed since the last call."""
        current = images // self._interval
        due, self._last = current > self._last, current
        return due
