"""The snapshots of a run: saved by the chief, the newest ones kept."""

from pathlib import Path

from dglgan_tf.foundation import run_directory
from dglgan_tf.training import checkpoint


class Snapshots:
    """Saves the state of a training into its run directory.

    Attributes:
      directory: `run_directory.RunDirectory`.
      folder: its path.
    """

    def __init__(self, directory: run_directory.RunDirectory, info: dict, keep: int):
        """Takes the run directory, facts for the headers, how many are kept."""
        self.directory, self.folder = directory, directory.path
        self._info, self._keep = info, keep

    def latest(self) -> Path | None:
        """Returns the newest snapshot, or None."""
        return self.directory.latest_snapshot()

    def save(self, train_state) -> Path:
        """Writes a snapshot; returns its path.

        Raises:
          OSError: the disk is full; says from where the run can continue.
        """
        path = self.directory.snapshot_path(train_state.counters.images)
        try:
            checkpoint.save(train_state, path, self._info)
        except OSError as error:
            newest = self.latest()
            raise OSError(
                f"cannot save {path}: {error.strerror or error}; the run can continue "
                f"from {newest.name if newest else 'its start'}: make room and run "
                "the same command again"
            ) from error
        self.directory.prune(self._keep)
        return path
