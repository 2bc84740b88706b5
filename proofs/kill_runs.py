#!/usr/bin/env python3
"""Kills a tiny training again and again and checks that it ends as if it had not been.

  python proofs/kill_runs.py --kills=40 --seed=0

One run goes through undisturbed. Another is killed (SIGKILL) at random moments, every
second time while a snapshot is being written, and started again with the same command;
after each kill every snapshot must be readable. In the end both runs must hold the same
bits (networks, average, optimizers, counters) and the same log of losses. Exit code 0
only then.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tiny_configs
from absl import app, flags

from dglgan_tf.networks import files

flags.DEFINE_integer("kills", 40, "How often the run is killed.", lower_bound=1)
flags.DEFINE_integer("seed", 0, "Of the moments.")
flags.DEFINE_enum("family", "biggan", list(tiny_configs.FAMILIES), "Which networks.")
flags.DEFINE_integer("steps_per_kill", 12, "Length of the run, relative to the kills.")
flags.DEFINE_float(
    "patience_seconds", 900, "A process that needs longer counts as hung.", 1
)

REPOSITORY = Path(__file__).resolve().parents[1]


def start(folder: Path, run: str) -> subprocess.Popen:
    """Starts the training of `folder/tiny.gin` in `folder/run`."""
    path = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    with open(folder / f"{run}.stderr", "w") as said:
        return subprocess.Popen(
            [
                sys.executable, "-m", "dglgan_tf.train", "--gin_file=tiny.gin",
                f"--run_dir={run}",
            ],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=said,  # inherited, it would keep the caller's pipe open
            stderr=said,
        )  # fmt: skip


def finish(folder: Path, run: str) -> None:
    """Runs a training that nobody kills."""
    process = start(folder, run)
    try:
        code = process.wait(timeout=flags.FLAGS.patience_seconds)
    except subprocess.TimeoutExpired:
        code = "a wait that was too long"
    finally:
        process.kill()
    if code:
        said = (folder / f"{run}.stderr").read_text()
        sys.exit(f"the run failed with {code}:\n{said[-3000:]}")


def logged(run: Path) -> int:
    """Returns how many steps the run has logged."""
    stats = run / "stats.jsonl"
    return stats.read_text().count("\n") if stats.is_file() else 0


def kill(process, run: Path, steps: int, pause: float, in_save: bool) -> str:
    """Kills a training once it got on by so many steps, wherever it then is.

    Args:
      process: the training.
      run: its folder.
      steps: logged since the start of this process; 0 = while it starts.
      pause: seconds more.
      in_save: wait for the next snapshot's temporary file.

    Returns:
      when that was.
    """
    began, before = time.time(), logged(run)
    end = began + flags.FLAGS.patience_seconds

    def alive():
        return process.poll() is None and time.time() < end

    try:
        while steps and alive() and logged(run) - before < steps:
            before = min(before, logged(run))  # what was not saved is dropped first
            time.sleep(0.002)
        until = time.time() + pause
        while time.time() < until and alive() and logged(run) - before < steps + 2:
            before = min(before, logged(run))
            time.sleep(0.002)
        while in_save and alive() and not any(run.glob(".network-snapshot-*")):
            pass
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)
    if time.time() >= end:
        sys.exit(f"a run made no step in {flags.FLAGS.patience_seconds:.0f} s")
    torn = bool(list(run.glob(".network-snapshot-*")))
    return f"after {time.time() - began:.1f} s{', inside a save' if torn else ''}"


def check_snapshots(run: Path) -> int:
    """Reads every snapshot whole; returns the images of the newest."""
    images = 0
    for path in sorted(run.glob("network-snapshot-*.safetensors")):
        images = files.read_header(path)["counters"]["images"]
        files.read_tensors(path)
    return images


def final_state(run: Path):
    """Returns arrays, counters and logged losses without times."""
    path = sorted(run.glob("network-snapshot-*.safetensors"))[-1]
    counters = files.read_header(path)["counters"]
    counters.pop("seconds")
    lines = (run / "stats.jsonl").read_text().splitlines()
    apart = ("timing/", "resources/", "timestamp")
    records = [
        {k: v for k, v in json.loads(line).items() if not k.startswith(apart)}
        for line in lines
    ]
    return files.read_tensors(path), counters, records


def main(argv) -> None:
    """Runs both trainings and compares them."""
    del argv
    values, moments = flags.FLAGS, random.Random(flags.FLAGS.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = 4 * values.kills * values.steps_per_kill
        text = tiny_configs.FAMILIES[values.family] + tiny_configs.COMMON
        (folder / "tiny.gin").write_text(text.format(images=images))
        began = time.time()
        finish(folder, "whole")
        seconds = time.time() - began
        print(f"undisturbed: {images} images in {seconds:.1f} s", flush=True)
        kills, most = 0, max(values.steps_per_kill // 2, 1)
        while kills < values.kills and not (folder / "killed" / "DONE").exists():
            kills += 1
            process = start(folder, "killed")
            # One in four dies while it starts; the others get on by less than what
            # the run has for each kill, so that it lasts.
            steps = moments.choice([0, 1, 1, 1]) * moments.randint(1, most)
            pause = moments.uniform(0.0, 0.1 if steps else 0.3 * seconds)
            in_save = bool(steps) and kills % 2 == 0
            when = kill(process, folder / "killed", steps, pause, in_save)
            seen = check_snapshots(folder / "killed")
            print(f"kill {kills}: {when}; saved: {seen} images", flush=True)
        finish(folder, "killed")
        left, right = final_state(folder / "whole"), final_state(folder / "killed")
    if left[0].keys() != right[0].keys() or left[1:] != right[1:]:
        sys.exit("the runs differ in counters or logged losses")
    different = [n for n, v in left[0].items() if not np.array_equal(v, right[0][n])]
    if different:
        sys.exit(f"{len(different)} arrays differ, for instance {different[0]}")
    if kills < values.kills:
        sys.exit(f"the run was done after {kills} kills: raise --steps_per_kill")
    print(
        f"{kills} kills: all {len(left[0])} arrays, the counters and {len(left[2])} "
        "logged ticks equal those of the undisturbed run"
    )


if __name__ == "__main__":
    app.run(main)
