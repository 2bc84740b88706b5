"""Converts a config-F sized checkpoint; prints time and memory as one JSON line.

    python benchmarks/convert_config_f.py [--folder=/tmp/config_f]

The file (G and Gs of 30 M parameters, D of 29 M, 1024 px) holds random weights; the
conversion is the command of `dglgan_tf.convert` in a process of its own, from
start to exit, with its contact sheet.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from absl import app, flags

REPOSITORY = Path(__file__).resolve().parents[1]
_FOLDER = flags.DEFINE_string("folder", None, "Where to work; None = temporary.")
_RESOLUTION = flags.DEFINE_integer("resolution", 1024, "Of the networks, in pixels.")

MAKE = """
import sys
from dglgan_tf.converters import exporting
from dglgan_tf.networks import stylegan2
resolution = int(sys.argv[2])
settings = {"resolution": resolution, "label_method": "concatenation"}
networks = {
    "generator": stylegan2.StyleGAN2Generator(**settings),
    "generator_ema": stylegan2.StyleGAN2Generator(**settings),
    "discriminator": stylegan2.StyleGAN2Discriminator(resolution),
}
exporting.export_checkpoint(networks, sys.argv[1], "tf1")
"""


def measure(command) -> dict:
    """Runs a command; returns its seconds, CPU seconds and peak memory in bytes."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    if status:
        raise RuntimeError(f"{command} ended with status {status}")
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_bytes": used.ru_maxrss * 1024,
    }


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unknown argument {argv[1]}")
    os.environ["PYTHONPATH"] = str(REPOSITORY)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(_FOLDER.value or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        source = folder / "config-f.pkl"
        if not source.exists():
            size = str(_RESOLUTION.value)
            make = [sys.executable, "-c", MAKE, source, size]
            subprocess.run(make, check=True, timeout=3600)
        out = folder / "converted"
        found = measure(
            [sys.executable, "-m", "dglgan_tf.convert"]
            + [f"--source={source}", f"--dest={out}"]
        )
        print(
            json.dumps(
                {
                    "benchmark": "convert_config_f",
                    "resolution": _RESOLUTION.value,
                    "file_bytes": source.stat().st_size,
                    **found,
                    "cpus": len(os.sched_getaffinity(0)),
                    "load_before": round(os.getloadavg()[0], 1),
                }
            )
        )


if __name__ == "__main__":
    app.run(main)
