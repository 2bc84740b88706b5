"""The host loop: pull batches, step, log, look, save, stop cleanly."""

import contextlib
import dataclasses
import signal
import time
from collections.abc import Callable

import gin

from dglgan_tf.training import checkpoint, trainer


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
        that one tick may have; more of them stop the run.
    """

    total_images: int = gin.REQUIRED
    tick_images: int = 4000
    grid_every_images: int = 40_000
    snapshot_every_images: int = 40_000
    snapshot_every_minutes: float = 15.0
    keep_snapshots: int = 2
    max_skipped: int = 10

    def __post_init__(self):
        for field in dataclasses.fields(self):
            name, value = field.name, getattr(self, field.name)
            if name == "snapshot_every_minutes":
                if not isinstance(value, (int, float)) or not value > 0:
                    raise ValueError(f"Schedule.{name}={value!r} must be positive")
                continue
            least = 0 if name == "max_skipped" else 1
            if not isinstance(value, int) or value < least:
                raise ValueError(
                    f"Schedule.{name}={value!r} must be an integer >= {least}"
                )


class Interrupted(SystemExit):
    """The run was asked to stop by a signal and has saved its state."""


@contextlib.contextmanager
def stop_signals():
    """Turns SIGTERM and SIGINT into a flag; a second SIGINT acts at once.

    Yields:
      list of the signal numbers received.
    """
    received: list[int] = []

    def handler(number, frame):
        if received and number == signal.SIGINT:
            signal.default_int_handler(number, frame)
        received.append(number)

    previous = {}
    for number in (signal.SIGTERM, signal.SIGINT):
        # Signals can only be set in the main thread; elsewhere the run goes on without.
        with contextlib.suppress(ValueError):
            previous[number] = signal.signal(number, handler)
    try:
        yield received
    finally:
        for number, old in previous.items():
            signal.signal(number, old)


class _Due:
    """Tells once every `interval` images."""

    def __init__(self, interval, images):
        self._interval, self._last = interval, images // interval

    def __call__(self, images):
        current = images // self._interval
        due, self._last = current > self._last, current
        return due


def run(
    train: trainer.Trainer,
    iterator,
    schedule: Schedule,
    run_dir,
    progress,
    draw_grid: Callable[[int], None],
    diagnose: Callable[[], dict],
    info: dict,
) -> dict[str, float]:
    """Trains until `schedule.total_images`.

    Args:
      train: the trainer; its counters say where to start.
      iterator: of the distributed dataset, at the counters' position.
      schedule: when to do what.
      run_dir: `runs.RunDirectory`.
      progress: `progress.Progress`.
      draw_grid: images seen -> None; saves a sample grid.
      diagnose: () -> {metric: [] tensor}; called once a tick.
      info: facts for the snapshots' headers.

    Returns:
      the last tick's metrics.

    Raises:
      FloatingPointError: too many updates were not finite; nothing is saved then.
      OSError: the disk is full; the snapshot before stays.
      Interrupted: after SIGTERM or SIGINT, state saved.
    """
    counters = train.state.counters
    due = {
        name: _Due(getattr(schedule, name), counters.images)
        for name in ("tick_images", "grid_every_images", "snapshot_every_images")
    }
    saved_at, means = time.time(), {}

    def save():
        counters.seconds = progress.seconds
        path = run_dir.snapshot_path(counters.images)
        try:
            checkpoint.save(train.state, path, info)
        except OSError as error:
            newest = run_dir.latest_snapshot()
            raise OSError(
                f"cannot save {path}: {error.strerror or error}; the run can continue "
                f"from {newest.name if newest else 'its start'}: make room and run "
                "the same command again"
            ) from error
        run_dir.prune(schedule.keep_snapshots)

    with stop_signals() as received:
        while counters.images < schedule.total_images:
            progress.add(train.train_step(iterator), train.batch_size)
            last = counters.images >= schedule.total_images
            started = time.time()
            if due["tick_images"](counters.images) or last or received:
                progress.add(diagnose(), 0)
                means = progress.tick(counters)
                _check_skipped(means, counters, schedule.max_skipped)
                started = time.time()
            if due["grid_every_images"](counters.images) or last:
                draw_grid(counters.images)
            late = time.time() - saved_at > 60 * schedule.snapshot_every_minutes
            if (
                due["snapshot_every_images"](counters.images)
                or last
                or late
                or received
            ):
                save()
                saved_at = time.time()
            progress.maintenance(time.time() - started)
            if received and not last:
                name = signal.Signals(received[0]).name
                progress.say(
                    f"{name}: state saved at {counters.images} images in "
                    f"{run_dir.path}; run the same command again to continue"
                )
                raise Interrupted(128 + received[0])
    return means


def _check_skipped(means, counters, limit):
    skipped = {n: int(v) for n, v in means.items() if n.endswith("/skipped") and v}
    if sum(skipped.values()) > limit:
        counts = ", ".join(f"{n.split('/')[0]} {v}" for n, v in skipped.items())
        raise FloatingPointError(
            f"loss or gradient was not finite in {sum(skipped.values())} updates "
            f"({counts}) before step {counters.step}, more than "
            f"Schedule.max_skipped={limit}; the newest snapshot is from before: lower "
            "the learning rate and run the same command again"
        )
