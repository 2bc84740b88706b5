"""The run directory: what lies where, and what may be started in it.

operative_config.gin  config.gin  training_options.json
log.txt  stats.jsonl  events.out.tfevents.*
reals.png  fakes_init.png  fakes000012.png
network-snapshot-000012.safetensors    whole state; the number is in thousands
DONE                                   the run reached a total; says which
.lock                                  a process writes here now; says which
"""

import contextlib
import json
import re
from pathlib import Path

from dglgan_tf.foundation import atomic, run_lock

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
            not path.name.startswith(half) and path.name != run_lock.NAME
            for path in self.path.iterdir()
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

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Holds the folder inside the block, so that no other process writes to it.

        Makes the folder, and removes it where nothing else was written. A process that
        is killed holds it no longer.

        Raises:
          ValueError: another process holds it; says which one and since when.
        """
        return run_lock.held(self.path)

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

    def set_aside(self, kept: Path) -> list[Path]:
        """Renames the snapshots newer than `kept` to NAME.damaged; returns them."""
        moved = []
        for path in self.snapshots()[self.snapshots().index(Path(kept)) + 1 :]:
            moved.append(path.with_name(f"{path.name}.damaged"))
            path.replace(moved[-1])
        return moved

    @property
    def is_done(self) -> bool:
        """Whether the run reached the total that it had then."""
        return (self.path / "DONE").is_file()

    @property
    def done_images(self) -> int:
        """Images after which the run was done; 0 where it is not, or DONE says none."""
        if not self.is_done:
            return 0
        with open(self.path / "DONE", encoding="utf-8", errors="replace") as file:
            found = re.match(r"(\d{1,18}) images", file.read(100))
        return int(found[1]) if found else 0

    def is_done_for(self, total_images: int) -> bool:
        """Whether nothing is left to train for a total.

        A run that was done for a shorter schedule is not done for a longer one.

        Raises:
          ValueError: the run was done, and its snapshots are gone.
        """
        if not self.is_done:
            return False
        if self.latest_snapshot() is None:
            raise ValueError(
                f"{self.path} is done after {self.done_images:,} images, but holds no "
                "snapshot: put one back, or delete the folder to train again"
            )
        return self.done_images >= total_images

    def mark_done(self, text: str) -> None:
        """Writes the DONE marker."""
        atomic.write(self.path / "DONE", text + "\n")


def plain_name(text: str) -> str:
    """Returns a text as the name of a folder: letters, figures, '_', '-' and '.'."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("_.") or "_"


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
