"""The run directory: what lies where, and what may be started in it.

operative_config.gin  config.gin  training_options.json
log.txt  stats.jsonl  events.out.tfevents.*
reals.png  fakes_init.png  fakes000012.png
network-snapshot-000012.safetensors    whole state; the number is in thousands
DONE                                   the run reached its total
"""

import json
import re
from pathlib import Path

from dglgan_tf.foundation import atomic

MARKER = "training_options.json"
_SNAPSHOT = re.compile(r"network-snapshot-(\d{6,})\.safetensors$")


class RunDirectory:
    """A folder that holds one training run."""

    def __init__(self, path):
        """Takes the folder's path; nothing is created yet."""
        self.path = Path(path)

    def check(self) -> bool:
        """Says whether a run is there; creates nothing.

        Raises:
          ValueError: the path holds something that is not a run.
        """
        atomic.check_folder(self.path, "run directory")
        # A kill while the marker was written leaves its temporary file.
        half = f".{MARKER}."
        existing = self.path.is_dir() and any(
            not path.name.startswith(half) for path in self.path.iterdir()
        )
        if existing and not (self.path / MARKER).is_file():
            raise ValueError(
                f"run directory {self.path} is not empty and holds no run (no "
                f"{MARKER}): name a new folder, or one of an earlier run"
            )
        return existing

    def prepare(self, options: dict) -> bool:
        """Creates the folder, or accepts it when it already is a run.

        Args:
          options: JSON-able facts, written to `training_options.json`.

        Returns:
          whether a run was there.

        Raises:
          ValueError: the folder holds something that is not a run.
        """
        existing = self.check()
        self.path.mkdir(parents=True, exist_ok=True)
        if not existing:
            atomic.write(self.path / MARKER, json.dumps(options, indent=2) + "\n")
        return existing

    def snapshots(self) -> list[Path]:
        """Returns the snapshot files, oldest first."""
        found = [p for p in self.path.glob("*.safetensors") if _SNAPSHOT.search(p.name)]
        return sorted(found, key=lambda p: int(_SNAPSHOT.search(p.name).group(1)))

    def latest_snapshot(self) -> Path | None:
        """Returns the newest snapshot, or None."""
        found = self.snapshots()
        return found[-1] if found else None

    def snapshot_path(self, images: int) -> Path:
        """Returns the file name of a snapshot after `images` images."""
        return self.path / f"network-snapshot-{images // 1000:06d}.safetensors"

    def prune(self, keep: int) -> None:
        """Deletes all but the newest `keep` snapshots, and stray temporaries."""
        for path in self.snapshots()[:-keep]:
            path.unlink()
        for path in self.path.glob(".network-snapshot-*"):
            path.unlink()

    @property
    def is_done(self) -> bool:
        """Whether the run reached its total."""
        return (self.path / "DONE").is_file()

    def mark_done(self, text: str) -> None:
        """Writes the DONE marker."""
        atomic.write(self.path / "DONE", text + "\n")


def find_weights(name: str, siblings=None) -> Path:
    """Returns the weights file that a name means.

    Args:
      name: a `.safetensors` file, a run directory (its newest snapshot), the name of a
        stage of the same recipe, or `bundled/NAME` for networks in the package.
      siblings: folder in which stages of the recipe lie.

    Raises:
      ValueError: nothing there; says what was expected and what to do.
    """
    if name.startswith("bundled/"):
        path = Path(__file__).parents[1] / f"{name}.safetensors"
        if path.is_file():
            return path
        known = sorted(p.stem for p in path.parent.glob("*.safetensors"))
        raise ValueError(f"no bundled network {name!r}; the package has {known}")
    candidates = [Path(name)]
    if siblings is not None:
        candidates.insert(0, Path(siblings) / name)
    for path in candidates:
        if path.is_file():
            return path
        snapshot = RunDirectory(path).latest_snapshot() if path.is_dir() else None
        if snapshot is not None:
            return snapshot
    raise ValueError(
        f"no weights at {name!r}: put a .safetensors file there (official checkpoints: "
        "python -m dglgan_tf.convert), or name a run directory that holds a snapshot"
    )
