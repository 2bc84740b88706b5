"""What accompanies the steps of a run: logs, diagnostics, pictures, snapshots, scores.

The chief looks and saves; on other hosts only the numbers are read, since all hosts
must decide alike whether too many updates were skipped.
"""

from dglgan_tf.runs import initial_weights, sample_grids, scoring
from dglgan_tf.training import diagnostics, phase_checks


class Watched:
    """A run as other hosts than the chief follow it: nothing is drawn or written.

    Attributes:
      progress: `progress.Progress`.
      snapshots: `snapshots.Snapshots`.
    """

    def __init__(self, progress, snapshots):
        """Takes the logs and the snapshots of the run."""
        self.progress, self.snapshots = progress, snapshots
        self.say, self.add = progress.say, progress.add
        self.maintenance = progress.maintenance

    def on_tick(self, train) -> dict[str, float]:
        """Logs what was added since the last tick; returns the means."""
        self.progress.data_seconds, train.data_seconds = train.data_seconds, 0.0
        return self.progress.tick(train.state.counters)

    def on_grid(self, images: int) -> None:
        """Called when a sample grid is due."""

    def on_snapshot(self, train, score: bool) -> None:
        """Called when a snapshot is due; `score`: whether its score may be computed."""
        train.state.counters.seconds = self.progress.seconds


class Chief(Watched):
    """A run as the chief follows it."""

    def __init__(self, progress, snapshots, built, options: dict, fresh: bool):
        """Draws the reals, and the first grid of a fresh run.

        Args:
          progress, snapshots: see `Watched`.
          built: `build.Built`.
          options: of `run_options`.
          fresh: whether the run starts now.
        """
        super().__init__(progress, snapshots)
        seed = options["seed"]
        self._grids = sample_grids.Pictures(
            built, snapshots.folder, progress.summary, seed
        )
        if fresh:
            self._grids.reals()
            self._grids.fakes(0, "fakes_init.png")
        self.on_grid = self._grids.fakes
        count = phase_checks.whole_groups(
            built.networks, diagnostics.count(built.networks.generator.resolution)
        )
        self._diagnose = diagnostics.compile_diagnostics(
            built.trainer,
            self._grids.real_batch(count),
            initial_weights.teacher_samples(options["teachers"], count, seed),
        )
        self._score = scoring.in_training(built, snapshots.directory, progress)

    def on_tick(self, train):
        """See `Watched`; adds the diagnostics."""
        self.add(self._diagnose(), 0)
        return super().on_tick(train)

    def on_snapshot(self, train, score):
        """See `Watched`; saves, and scores where that is due."""
        super().on_snapshot(train, score)
        path = self.snapshots.save(train.state)
        if score:
            self._score(path)
