"""The host loop: pull batches, step, log, look, save, stop cleanly."""

import contextlib
import dataclasses
import signal
import time
from collections.abc import Callable
from pathlib import Path

import gin

from dglgan_tf.compat import tf
from dglgan_tf.config import fields
from dglgan_tf.training import alarms, checkpoint, trainer


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


_OF_OTHER_HOSTS = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
    tf.errors.FailedPreconditionError,
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


@dataclasses.dataclass
class Work:
    """What a run consists of.

    Attributes:
      train: the trainer; its counters say where to start.
      make_iterator: () -> iterator of the distributed dataset where the counters are.
      schedule: when to do what.
      directory: `run_directory.RunDirectory`.
      progress: `progress.Progress`.
      draw_grid: images seen -> None; saves a sample grid.
      diagnose: () -> {metric: [] tensor}; called once a tick.
      info: facts for the snapshots' headers.
      after_save: called with the path of each new snapshot.
      is_chief: whether this host writes snapshots.
      agree: called once a step with whether this host wants to stop; returns whether
        all of them do now.
      lost_host: (name of the newest snapshot) -> the error to raise where TensorFlow
        says that another host is gone; None with a single host.
    """

    train: trainer.Trainer
    make_iterator: Callable
    schedule: Schedule
    directory: object
    progress: object
    draw_grid: Callable[[int], None]
    diagnose: Callable[[], dict]
    info: dict
    after_save: Callable[[Path], None] = lambda path: None
    is_chief: bool = True
    agree: Callable[[bool], bool] = bool
    lost_host: Callable[[str | None], Exception] | None = None


def run(work: Work) -> dict[str, float]:
    """Trains until `schedule.total_images`.

    Where more than `max_skipped` updates of a tick were not finite, the run goes back
    to its newest snapshot with a lower learning rate, `max_rollbacks` times.

    Returns:
      the last tick's metrics.

    Raises:
      FloatingPointError: too many updates were not finite; nothing is saved then.
      OSError: the disk is full; the snapshot before stays.
      Interrupted: after SIGTERM or SIGINT, state saved.
      ConnectionError: another host is gone.
    """
    try:
        with stop_signals() as received:
            session = _Session(work)
            while session.images < work.schedule.total_images:
                session.step(received)
    except _OF_OTHER_HOSTS as error:
        if work.lost_host is None:
            raise
        newest = work.directory.latest_snapshot()
        raise work.lost_host(newest.name if newest else None) from error
    return session.means


def _step(train, iterator):
    try:
        return train.train_step(iterator)
    except tf.errors.ResourceExhaustedError as error:
        replicas = train.strategy.num_replicas_in_sync
        part = max(p.batch_size // p.microbatches for p in train.phases) // replicas
        raise ValueError(
            f"out of memory with parts of {part} images on each device: set "
            f"Trainer.max_microbatch={max(part // 2, 1)}, which keeps the batch size "
            "and accumulates, or choose narrower networks"
        ) from error


class _Session:
    """The position of a run: what is due next, the iterator, the newest metrics."""

    def __init__(self, work):
        self.work, self.means, self._metrics = work, {}, {}
        self._heard: set[str] = set()  # alarms of the last tick
        self._said: set[str] = set()
        self._leaps = alarms.Leaps()
        self._saved_at = time.time()
        self._start()

    @property
    def images(self):
        """Images seen so far."""
        return self.work.train.state.counters.images

    def _start(self):
        """Takes up the run at the counters' position."""
        schedule, train = self.work.schedule, self.work.train
        self._due = {
            name: _Due(getattr(schedule, name), self.images)
            for name in ("tick_images", "grid_every_images", "snapshot_every_images")
        }
        scale = schedule.rollback_factor**train.state.counters.rollbacks
        train.scale_learning_rates(scale)
        self._iterator = self.work.make_iterator()

    def step(self, received):
        """Trains one step and does what is due after it."""
        work = self.work
        self._metrics = _step(work.train, self._iterator)
        work.progress.add(self._metrics, work.train.batch_size)
        last = self.images >= work.schedule.total_images
        stop = work.agree(bool(received))
        started = time.time()
        if self._due["tick_images"](self.images) or last or stop:
            if not self._tick():
                self._roll_back()
                return
            started = time.time()
        if self._due["grid_every_images"](self.images) or last:
            work.draw_grid(self.images)
        if self._snapshot_due() or last or stop:
            path = self._save()
            if not stop or last:
                work.after_save(path)
        work.progress.maintenance(time.time() - started)
        if stop and not last:
            number = received[0] if received else signal.SIGTERM  # of another host
            name = signal.Signals(number).name
            work.progress.say(
                f"{name}: state saved at {self.images} images in "
                f"{work.directory.path}; run the same command again to continue"
            )
            raise Interrupted(128 + number)

    def _tick(self) -> bool:
        """Logs; returns whether few enough updates were skipped."""
        work = self.work
        work.progress.add(work.diagnose(), 0)
        work.progress.data_seconds = work.train.data_seconds
        work.train.data_seconds = 0.0
        self.means = work.progress.tick(work.train.state.counters)
        counters = work.train.state.counters
        weight = work.train.objective.weight_at(counters.images)
        heard = alarms.sentences(self.means, weight)
        heard |= self._leaps.sentences(self.means)
        # One tick may mislead; an alarm that stays is said once.
        lasting = heard.keys() & self._heard
        for name in lasting - self._said:
            work.progress.say(f"alarm: {heard[name]}")
        self._heard, self._said = set(heard), set(lasting)
        skipped = sum(v for n, v in self.means.items() if n.endswith("/skipped"))
        return skipped <= work.schedule.max_skipped

    def _snapshot_due(self):
        minutes = (time.time() - self._saved_at) / 60
        due = self._due["snapshot_every_images"](self.images)
        late = minutes > self.work.schedule.snapshot_every_minutes
        # A state whose update was just skipped is nothing to go back to.
        return (due or late) and not any(
            float(v) for n, v in self._metrics.items() if n.endswith("/skipped")
        )

    def _save(self):
        work = self.work
        counters = work.train.state.counters
        counters.seconds = work.progress.seconds
        path = work.directory.snapshot_path(counters.images)
        self._saved_at = time.time()
        if not work.is_chief:
            return path
        try:
            checkpoint.save(work.train.state, path, work.info)
        except OSError as error:
            newest = work.directory.latest_snapshot()
            raise OSError(
                f"cannot save {path}: {error.strerror or error}; the run can continue "
                f"from {newest.name if newest else 'its start'}: make room and run "
                "the same command again"
            ) from error
        work.directory.prune(work.schedule.keep_snapshots)
        return path

    def _roll_back(self):
        work = self.work
        counters, schedule = work.train.state.counters, work.schedule
        found = work.progress.first_bad
        bad = {name: work.train.tensor_name(name, i) for name, i in found.items()}
        what = ", ".join(f"{name}: {tensor}" for name, tensor in bad.items())
        trouble = (
            f"more than Schedule.max_skipped={schedule.max_skipped} updates were not "
            f"finite before step {counters.step} (first in {what})"
        )
        snapshot, rollbacks = work.directory.latest_snapshot(), counters.rollbacks + 1
        if snapshot is None or rollbacks > schedule.max_rollbacks:
            raise FloatingPointError(
                f"{trouble}, after {rollbacks - 1} returns to a snapshot with a lower "
                "learning rate: lower it further, or look at the data and the losses"
            )
        checkpoint.restore(work.train.state, snapshot)
        work.train.state.counters.rollbacks = rollbacks
        work.progress.say(
            f"{trouble}: back to {snapshot.name}, learning rates times "
            f"{schedule.rollback_factor**rollbacks:g}"
        )
        work.progress.rewind(self.images)
        self._start()
