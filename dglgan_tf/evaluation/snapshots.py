"""Which snapshots of a run are judged, and how far each had come."""

from pathlib import Path

from dglgan_tf.foundation import run_directory
from dglgan_tf.networks import files


def images_seen(path) -> int | None:
    """Returns how many images a snapshot had seen; None where it does not say."""
    counters = files.read_header(path).get("counters", {})
    return counters.get("images")


def chosen(run_dir, which: str, best_name: str | None = None) -> list[Path]:
    """Returns the snapshots of a run that `all`, `latest` or `best` mean.

    Args:
      run_dir: folder of the run.
      which: 'all', 'latest' or 'best' (by the scores in the folder).
      best_name: file name of the best one, for 'best'.

    Raises:
      ValueError: no snapshot.
    """
    run = run_directory.RunDirectory(run_dir)
    folder = Path(run_dir) / "best"
    kept = run_directory.RunDirectory(folder).snapshots() if folder.is_dir() else []
    newest = {path.name: path for path in [*kept, *run.snapshots()]}
    found = [newest[name] for name in sorted(newest)]
    if not found:
        raise ValueError(f"no snapshot in {run_dir}: train first")
    if which == "latest":
        return found[-1:]
    if which == "best":
        if best_name not in newest:
            raise ValueError(
                f"the best snapshot {best_name} is not in {run_dir} any more: raise "
                "Schedule.keep_snapshots, or evaluate the others"
            )
        return [newest[best_name]]
    return found
