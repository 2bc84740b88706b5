#!/usr/bin/env python3
"""Trains where homes are missing and disks are full; Linux, as root (it mounts).

  python proofs/odd_homes.py

1. As a user without a name and without HOME; with an empty DGLGAN_CACHE; with a home
   that cannot be written: the training ends with exit code 0.
2. On a disk that is full at five moments (shares of what an undisturbed run writes):
   exit code 2, one sentence that says so, no traceback; with more room the same command
   ends with the bits of the undisturbed run, and nothing half-written is left.

Exit code 0 only when all of it holds.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tiny_configs
from absl import app, flags

from dglgan_tf.networks import files

flags.DEFINE_float("patience_seconds", 600, "A process that needs longer is hung.")

REPOSITORY = Path(__file__).resolve().parents[1]
SHARES = (0.02, 0.25, 0.5, 0.75, 0.95)
NOBODY = 4242  # a number without a name
ROOM = 256  # MB of a disk that is large enough


def train(folder: Path, run: Path, changes: dict, before=()):
    """Runs the training of `folder/tiny.gin`.

    Args:
      folder: of the configuration.
      run: the run directory.
      changes: of the environment; None takes a variable away.
      before: words in front of the command.
    """
    path = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    variables = {**os.environ, "PYTHONPATH": path, **changes}
    return subprocess.run(
        [
            *before, sys.executable, "-m", "dglgan_tf.train",
            f"--gin_file={folder / 'tiny.gin'}", f"--run_dir={run}",
        ],
        cwd=folder,
        env={name: value for name, value in variables.items() if value is not None},
        capture_output=True,
        text=True,
        timeout=flags.FLAGS.patience_seconds,
        check=False,
    )  # fmt: skip


@contextlib.contextmanager
def disk(folder: Path, options: str):
    """Mounts a disk in memory."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    subprocess.run(command, check=True, timeout=60)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, timeout=60)


def newest(run: Path) -> dict:
    """Returns the tensors of a run's newest snapshot."""
    return files.read_tensors(sorted(run.glob("network-snapshot-*.safetensors"))[-1])


def must(holds: bool, what: str, done) -> None:
    """Ends the proof where something does not hold."""
    if not holds:
        sys.exit(f"{what} (exit code {done.returncode}):\n{done.stderr[-2000:]}")


def homes(folder: Path) -> None:
    """The three homes."""
    open_to_all = folder / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    shutil.copy(folder / "tiny.gin", open_to_all)
    # Reading is allowed to it, where the interpreter lies in somebody's home.
    caps = "+dac_read_search"
    nobody = [
        "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
        f"--inh-caps={caps}", f"--ambient-caps={caps}",
    ]  # fmt: skip
    gone = {"HOME": None, "DGLGAN_CACHE": None}
    done = train(
        open_to_all, open_to_all / "run", {**gone, "TMPDIR": str(open_to_all)}, nobody
    )
    must(done.returncode == 0, "a user without a name and home", done)
    print("a user without a name, no HOME: trained", flush=True)
    done = train(folder, folder / "empty", {"HOME": None, "DGLGAN_CACHE": ""})
    must(done.returncode == 0, "no HOME and an empty DGLGAN_CACHE", done)
    print("no HOME, DGLGAN_CACHE empty: trained", flush=True)
    with disk(folder / "home", "ro") as home:
        changes = {"HOME": str(home), "DGLGAN_CACHE": None}
        done = train(folder, folder / "read_only", changes)
        must(done.returncode == 0, "a home that cannot be written", done)
    print("a read-only home: trained", flush=True)


def full_disks(folder: Path) -> None:
    """The five moments."""
    done = train(folder, folder / "whole", {})
    must(done.returncode == 0, "the undisturbed run", done)
    expected = newest(folder / "whole")
    written = sum(
        p.stat().st_size for p in (folder / "whole").rglob("*") if p.is_file()
    )
    for share in SHARES:
        size = max(int(share * written), 4096)
        with disk(folder / f"disk{share}", f"size={size}") as place:
            run = place / "run"
            done = train(folder, run, {})
            said = done.stderr.strip().split("\n")[-1]
            must(done.returncode == 2, f"a full disk at {share:.0%}", done)
            must("o space left" in said, "the reason is not said", done)
            must(str(place) in said, "the file is not named", done)
            must("Traceback" not in done.stderr, "a traceback", done)
            more = f"remount,size={ROOM}m"
            subprocess.run(["mount", "-o", more, str(place)], check=True, timeout=60)
            done = train(folder, run, {})
            must(done.returncode == 0, f"continued after {share:.0%}", done)
            found = newest(run)
            same = found.keys() == expected.keys() and all(
                np.array_equal(value, found[name]) for name, value in expected.items()
            )
            must(same, f"other bits after a full disk at {share:.0%}", done)
            left = [p.name for p in run.iterdir() if p.name.startswith(".")]
            must(left in ([], [".lock"]), f"left behind: {left}", done)
        print(f"full at {share:.0%} of {written} bytes: {said}", flush=True)


def main(argv) -> None:
    """Runs both parts."""
    del argv
    if os.geteuid() != 0:
        sys.exit("only root may mount and change its user: run this as root")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        text = tiny_configs.FAMILIES["smallest"] + tiny_configs.COMMON
        (folder / "tiny.gin").write_text(text.format(images=32))
        homes(folder)
        full_disks(folder)
    print("all of it holds")


if __name__ == "__main__":
    app.run(main)
