"""The host loop: step, log, look, save, stop cleanly."""

import time

from dglgan_tf.compat import tf
from dglgan_tf.devices import team as teams
from dglgan_tf.runs import recovery, schedule, signals
from dglgan_tf.training import alarms, trainer


def run(train: trainer.Trainer, make_reals, plan: schedule.Schedule, watched, team):
    """Trains until `plan.total_images`.

    Where more than `max_skipped` updates of a tick were not finite, the run goes back
    to its newest snapshot with a lower learning rate, `max_rollbacks` times.

    Args:
      train: its counters say where to start.
      make_reals: () -> iterator of the distributed reals where the counters stand.
      plan: when to do what.
      watched: `watching.Watched`: logs, snapshots and what is looked at.
      team: `team.Team`.

    Returns:
      {metric: mean of the last tick}.

    Raises:
      FloatingPointError: too many updates were not finite; nothing is saved then.
      OSError: the disk is full; the snapshot before stays.
      Interrupted: after SIGTERM or SIGINT, state saved.
      ConnectionError: another host is gone.
    """
    session = _Session(train, make_reals, plan, watched, team)
    try:
        with signals.stop_signals() as received:
            while session.images < plan.total_images:
                session.step(received)
    except teams.LOST as error:
        if team.count == 1:
            raise
        newest = watched.snapshots.latest()
        raise team.lost(newest.name if newest else None) from error
    return session.means


class _Session:
    """The position of a run: what is due next, the iterator, the newest metrics."""

    def __init__(self, train, make_reals, plan, watched, team):
        self._train, self._make_reals, self._plan = train, make_reals, plan
        self._watched, self._team = watched, team
        self.means, self._metrics = {}, {}
        self._alarms = alarms.Alarms()
        self._saved_at = time.time()
        self._start()

    @property
    def images(self):
        """Images seen so far."""
        return self._train.state.counters.images

    def _start(self):
        """Takes up the run at the counters' position."""
        plan = self._plan
        self._tick_due, self._grid_due, self._snapshot_due = (
            schedule.Due(interval, self.images)
            for interval in (
                plan.tick_images,
                plan.grid_every_images,
                plan.snapshot_every_images,
            )
        )
        rollbacks = self._train.state.counters.rollbacks
        self._train.scale_learning_rates(plan.rollback_factor**rollbacks)
        self._reals = self._make_reals()

    def step(self, received):
        """Trains one step and does what is due after it."""
        try:
            self._metrics = self._train.train_step(self._reals)
        except tf.errors.ResourceExhaustedError as error:
            raise recovery.out_of_memory(self._train) from error
        self._watched.add(self._metrics, self._train.batch_size)
        last = self.images >= self._plan.total_images
        stop = self._team.any_wants(bool(received))
        started = time.time()
        if self._tick_due(self.images) or last or stop:
            if not self._tick():
                recovery.roll_back(self._train, self._plan, self._watched)
                self._start()
                return
            started = time.time()
        if self._grid_due(self.images) or last:
            self._watched.on_grid(self.images)
        if self._is_snapshot_due() or last or stop:
            self._saved_at = time.time()
            self._watched.on_snapshot(self._train, score=last or not stop)
        self._watched.maintenance(time.time() - started)
        if stop and not last:
            raise signals.stopped(received, self.images, self._watched)

    def _tick(self) -> bool:
        """Logs; returns whether few enough updates were skipped."""
        self.means = self._watched.on_tick(self._train)
        weight = self.means.get("g/guidance_weight", 0.0)
        for sentence in self._alarms.after_tick(self.means, weight):
            self._watched.say(f"alarm: {sentence}")
        skipped = sum(v for n, v in self.means.items() if n.endswith("/skipped"))
        return skipped <= self._plan.max_skipped

    def _is_snapshot_due(self):
        minutes = (time.time() - self._saved_at) / 60
        due = self._snapshot_due(self.images)
        late = minutes > self._plan.snapshot_every_minutes
        # A state whose update was just skipped is nothing to go back to.
        return (due or late) and not any(
            float(v) for n, v in self._metrics.items() if n.endswith("/skipped")
        )
