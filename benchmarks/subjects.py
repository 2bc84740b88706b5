"""What `benchmarks.run` measures apart from training: each yields facts of a line."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def peak() -> Iterator[dict]:
    """Matrix products and convolutions, GFLOP/s."""
    from benchmarks import peak as machine

    yield machine.measure()


def data() -> Iterator[dict]:
    """The data pipeline alone, on the embedded images: images/s by batch size."""
    from dglgan_tf.data import pipeline, sources

    source = sources.embedded()
    for batch in (8, 64, 256):
        iterator = iter(pipeline.make_dataset(source, batch, mirror=True))
        next(iterator)
        count, started = 0, time.monotonic()
        while time.monotonic() - started < 2:
            next(iterator)["images"][0, 0, 0, 0].numpy()
            count += batch
        rate = count / (time.monotonic() - started)
        yield {"batch": batch, "images_per_second": round(rate)}


def conversion() -> Iterator[dict]:
    """Conversion of a checkpoint of StyleGAN2 config F's size."""
    yield from _lines(["benchmarks/convert_config_f.py"])


def metrics() -> Iterator[dict]:
    """The maths of the metrics on 5,000 features."""
    options = ["--images=5000", "--only=fid,kid,is"]
    yield from _lines(["benchmarks/metric_maths.py", *options])


def startup() -> Iterator[dict]:
    """Import, `--help`, and `train` until its first step is done, in seconds."""
    yield {"what": "import dglgan_tf", "seconds": _run(["-c", "import dglgan_tf"])}
    yield {"what": "train --help", "seconds": _run(["-m", "dglgan_tf.train", "--help"])}
    for family in ("fashion_biggan", "fashion_stylegan2"):
        yield {"what": f"train {family}, first step", "seconds": _first_step(family)}


def _run(arguments) -> float:
    started = time.monotonic()
    command = [sys.executable, *arguments]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=600)
    return round(time.monotonic() - started, 3)


def _first_step(family: str) -> float:
    """Seconds until the first tick is reported, after one step."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "dglgan_tf.train",
            "--gin_file=gin/data/embedded.gin",
            f"--gin_file=gin/toy/{family}.gin",
            f"--run_dir={folder}/run",
            "--gin_param=Schedule.total_images=64",
            "--gin_param=Schedule.tick_images=64",
            "--gin_param=Trainer.batch_size=64",
        ]
        started = time.monotonic()
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        seen = []
        for line in process.stdout:
            seen.append(line)
            if line.startswith("tick"):
                break
        seconds = time.monotonic() - started
        process.kill()
        process.wait(timeout=30)
        if not seen or not seen[-1].startswith("tick"):
            raise OSError(f"{' '.join(command)} ended without a step: {seen[-3:]}")
        return round(seconds, 2)


def _lines(arguments) -> Iterator[dict]:
    """Yields the JSON lines that another benchmark prints."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=3600,
    )
    if done.returncode:
        raise OSError(f"{arguments[0]} failed: {done.stderr.strip()[-300:]}")
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            yield json.loads(line)
