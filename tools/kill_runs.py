#!/usr/bin/env python3
"""Kills a tiny training again and again and checks that it ends as if it had not been.

  python tools/kill_runs.py --kills=40 --seed=0

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
from absl import app, flags

from dglgan_tf.networks import files

flags.DEFINE_integer("kills", 40, "How often the run is killed.", lower_bound=1)
flags.DEFINE_integer("seed", 0, "Of the moments.")
flags.DEFINE_integer("steps_per_kill", 12, "Length of the run, relative to the kills.")

REPOSITORY = Path(__file__).resolve().parents[1]
CONFIGURATION = """
include 'families/biggan.gin'
train.source = @synthetic
train.deterministic = True
train.generator = @BigGANGenerator
train.discriminator = @BigGANDiscriminator
synthetic.num_channels = 1
synthetic.num_classes = 3
BigGANGenerator.ch = 2
BigGANGenerator.z_dim = 8
BigGANGenerator.shared_dim = 4
BigGANGenerator.resolution = 32
BigGANGenerator.num_channels = 1
BigGANGenerator.num_classes = 3
BigGANDiscriminator.ch = 2
BigGANDiscriminator.resolution = 32
BigGANDiscriminator.num_channels = 1
BigGANDiscriminator.num_classes = 3
Trainer.batch_size = 4
Trainer.d_steps = 2
Schedule.total_images = {images}
Schedule.tick_images = 4
Schedule.snapshot_every_images = 8
"""


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
            stderr=said,
        )  # fmt: skip


def finish(folder: Path, run: str) -> None:
    """Runs a training that nobody kills."""
    code = start(folder, run).wait()
    if code:
        said = (folder / f"{run}.stderr").read_text()
        sys.exit(f"the run failed with {code}:\n{said[-3000:]}")


def undisturbed(folder: Path) -> tuple[float, float]:
    """Trains `whole`; returns the seconds until its first step and in all."""
    began, process, ready = time.time(), start(folder, "whole"), None
    stats = folder / "whole" / "stats.jsonl"
    while process.poll() is None:
        if ready is None and stats.is_file() and stats.stat().st_size:
            ready = time.time() - began
        time.sleep(0.05)
    finish(folder, "whole")  # does nothing where the run is done
    return ready or 1.0, time.time() - began


def kill(process, run: Path, wait: float, in_save: bool) -> str:
    """Kills a training after `wait` seconds, or in the first save after them."""
    began = time.time()
    while process.poll() is None:
        passed = time.time() - began
        writing = in_save and any(run.glob(".network-snapshot-*"))
        if passed > wait and (writing or not in_save or passed > 10 * wait):
            break
        time.sleep(0.0005)
    process.send_signal(signal.SIGKILL)
    process.wait()
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
        (folder / "tiny.gin").write_text(CONFIGURATION.format(images=images))
        ready, seconds = undisturbed(folder)
        print(f"undisturbed: {images} images in {seconds:.1f} s", flush=True)
        # Late enough to get on, early enough that the run lasts for all kills.
        latest = ready + (seconds - ready) / values.kills
        kills = 0
        while kills < values.kills and not (folder / "killed" / "DONE").exists():
            kills += 1
            process = start(folder, "killed")
            wait = moments.uniform(0.2 * ready, latest)
            when = kill(process, folder / "killed", wait, kills % 2 == 0)
            seen = check_snapshots(folder / "killed")
            print(f"kill {kills}: {when}; saved: {seen} images", flush=True)
        finish(folder, "killed")
        left, right = final_state(folder / "whole"), final_state(folder / "killed")
    if left[0].keys() != right[0].keys() or left[1:] != right[1:]:
        sys.exit("the runs differ in counters or logged losses")
    different = [n for n, v in left[0].items() if not np.array_equal(v, right[0][n])]
    if different:
        sys.exit(f"{len(different)} arrays differ, for instance {different[0]}")
    print(
        f"{kills} kills: all {len(left[0])} arrays, the counters and {len(left[2])} "
        "logged ticks equal those of the undisturbed run"
    )


if __name__ == "__main__":
    app.run(main)
