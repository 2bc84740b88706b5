#!/usr/bin/env python3
"""Trains on two hosts (two processes on loopback) and checks what must hold there.

  python proofs/two_hosts.py --family=biggan --steps=20
  python proofs/two_hosts.py --family=stylegan2 --steps=20

1. The logged losses equal those of one process with two replicas (--tolerance).
2. When one host is killed, the other ends in time, with a sentence and exit code 75.
3. Both started again end with the same bits and losses as hosts that nobody killed.

Exit code 0 only when all three hold.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tiny_configs
from absl import app, flags

from dglgan_tf.cli import entry
from dglgan_tf.networks import files

flags.DEFINE_enum("family", "biggan", list(tiny_configs.FAMILIES), "Which networks.")
flags.DEFINE_integer("steps", 20, "Of the training.", 4)
flags.DEFINE_float("tolerance", 2e-4, "Largest relative difference of a loss.")
flags.DEFINE_float("limit_seconds", 180.0, "For the host that is left to end.")
flags.DEFINE_float("patience_seconds", 900.0, "A process that needs longer is hung.")
flags.DEFINE_bool("kill", True, "Also kill one host and start both again.")

REPOSITORY = Path(__file__).resolve().parents[1]
TWO_REPLICAS = """
import sys
from dglgan_tf.compat import tf
cpu = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
from dglgan_tf import train
train.entry()
"""


def start(folder: Path, run: str, index=None, ports=()) -> subprocess.Popen:
    """Starts one host, or with no index one process with two replicas."""
    arguments = ["--gin_file=tiny.gin", f"--run_dir={run}"]
    command = [sys.executable, "-m", "dglgan_tf.train", *arguments]
    path = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    variables = {**os.environ, "PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": ""}
    variables.pop("TF_CONFIG", None)
    if index is None:
        devices = "--gin_param=train.devices=['CPU:0', 'CPU:1']"
        command = [sys.executable, "-c", TWO_REPLICAS, *arguments, devices]
    else:
        cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
        task = {"type": "worker", "index": index}
        variables["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": task})
    with open(folder / f"{run}{index}.said", "w") as said:
        return subprocess.Popen(
            command, cwd=folder, env=variables, stdin=subprocess.DEVNULL,
            stdout=said, stderr=said,
        )  # fmt: skip


def two_ports() -> list[int]:
    """Returns free ports."""
    with socket.socket() as first, socket.socket() as second:
        for each in (first, second):
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in (first, second)]


def said(folder: Path, run: str, index) -> str:
    """Returns the end of what a process wrote."""
    return (folder / f"{run}{index}.said").read_text()[-3000:]


def finish(folder: Path, run: str, hosts: int) -> None:
    """Runs to the end: one process with two replicas, or two hosts."""
    ports = two_ports()
    names = range(hosts) if hosts > 1 else [None]
    started = [start(folder, run, index, ports) for index in names]
    try:
        for index, process in zip(names, started, strict=True):
            code = process.wait(timeout=flags.FLAGS.patience_seconds)
            if code:
                sys.exit(f"host {index} ended with {code}:\n{said(folder, run, index)}")
    finally:
        for process in started:
            process.kill()


def logged(run: Path) -> list[dict]:
    """Returns the logged losses of each step."""
    stats = run / "stats.jsonl"
    lines = stats.read_text().splitlines() if stats.is_file() else []
    kept = ("g/", "d/", "g_reg/", "d_reg/")
    return [
        {k: v for k, v in json.loads(line).items() if k.startswith(kept)}
        for line in lines
    ]


def largest_difference(left: list[dict], right: list[dict]) -> float:
    """Returns the largest difference of a loss, relative where it is above 1."""
    if len(left) != len(right) or [set(x) for x in left] != [set(x) for x in right]:
        sys.exit(f"the runs logged {len(left)} and {len(right)} steps, or other names")
    return max(
        abs(a[name] - b[name]) / max(1.0, abs(a[name]))
        for a, b in zip(left, right, strict=True)
        for name in a
    )


def kill_one(folder: Path, after: int) -> None:
    """Kills the second host after some steps; checks how the first one ends."""
    ports = two_ports()
    both = [start(folder, "killed", index, ports) for index in (0, 1)]
    end = time.time() + flags.FLAGS.patience_seconds
    try:
        while len(logged(folder / "killed")) < after and time.time() < end:
            if both[0].poll() is not None:
                sys.exit(f"the chief ended early:\n{said(folder, 'killed', 0)}")
            time.sleep(0.05)
        both[1].send_signal(signal.SIGKILL)
        began = time.time()
        code = both[0].wait(timeout=flags.FLAGS.limit_seconds)
    except subprocess.TimeoutExpired:
        sys.exit(f"the chief did not end:\n{said(folder, 'killed', 0)}")
    finally:
        for process in both:
            process.kill()
    sentence = said(folder, "killed", 0).strip().splitlines()[-1]
    if code != entry.RETRY or "host 1 (127.0.0.1:" not in sentence:
        sys.exit(f"the chief ended with {code}:\n{said(folder, 'killed', 0)}")
    print(
        f"killed host 1: the chief ended {time.time() - began:.1f} s later: {sentence}"
    )


def newest(run: Path) -> dict[str, np.ndarray]:
    """Returns the arrays of the newest snapshot."""
    return files.read_tensors(sorted(run.glob("network-snapshot-*.safetensors"))[-1])


def main(argv) -> None:
    """Runs everything."""
    del argv
    values = flags.FLAGS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = tiny_configs.FAMILIES[values.family] + tiny_configs.COMMON.format(
            images=4 * values.steps
        )
        (folder / "tiny.gin").write_text(text)
        finish(folder, "replicas", 1)
        finish(folder, "hosts", 2)
        left, right = logged(folder / "replicas"), logged(folder / "hosts")
        worst = largest_difference(left, right)
        print(
            f"{values.family}: {len(right)} steps on two hosts differ from one process "
            f"with two replicas by at most {worst:.2g} (relative)",
            flush=True,
        )
        if len(right) != values.steps or not worst <= values.tolerance:
            sys.exit(f"that is above {values.tolerance:g}, or steps are missing")
        if not values.kill:
            return
        kill_one(folder, after=values.steps // 2)
        finish(folder, "killed", 2)
        a, b = newest(folder / "hosts"), newest(folder / "killed")
        same = a.keys() == b.keys() and all(np.array_equal(a[n], b[n]) for n in a)
        if not same or logged(folder / "killed") != right:
            sys.exit("the run that was killed and continued differs")
        print(f"both started again: all {len(a)} arrays and {len(right)} steps equal")


if __name__ == "__main__":
    app.run(main)
