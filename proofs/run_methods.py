#!/usr/bin/env python3
"""Trains every variant and baseline for some steps as a user would, and looks.

  python proofs/run_methods.py --steps=120 --batch=8

Each file of gin/variants and gin/baselines runs through its public command, with its
own networks, bundled teacher and embedded images; only the number of steps and the
batch are smaller. Of every stage it then asks: did it end, is every number of
stats.jsonl finite and no update skipped, do the pictures of fixed latents differ from
those before the first step (mean over pixels, of 255), does the snapshot load and draw
images of its own. Exit code 1 where one of them fails.
"""

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from absl import app, flags

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("variants", "baselines")

flags.DEFINE_integer("steps", 120, "Of each stage.", 2)
flags.DEFINE_integer("batch", 8, "Images of a step.", 2)
flags.DEFINE_list("only", [], "Names of files, without .gin; default: all.")
flags.DEFINE_list("gin_param", [], "More bindings for every file.")
flags.DEFINE_string("outdir", None, "Folder that keeps the runs; default: none.")
flags.DEFINE_integer("timeout", 900, "Seconds that one file may take.", 1)


def chosen() -> list[Path]:
    """Returns the gin files to run."""
    found = [p for name in FOLDERS for p in sorted((ROOT / "gin" / name).glob("*.gin"))]
    wanted = flags.FLAGS.only
    if unknown := set(wanted) - {path.stem for path in found}:
        sys.exit(f"--only={','.join(sorted(unknown))}: no such variant or baseline")
    return [path for path in found if not wanted or path.stem in wanted]


def train(path: Path, folder: Path) -> list[Path]:
    """Runs one file; returns the run directories of its stages."""
    values = flags.FLAGS
    recipe = "compress.stages" in path.read_text()
    images = values.steps * values.batch
    bindings = [
        f"Trainer.batch_size = {values.batch}",
        f"Schedule.total_images = {images}",
        f"Schedule.tick_images = {max(images // 6, values.batch)}",
        *values.gin_param,
    ]
    command = [
        sys.executable,
        "-m",
        f"dglgan_tf.{'compress' if recipe else 'train'}",
        f"--gin_file={path.relative_to(ROOT)}",
        f"--run_dir={folder}",
        *(f"--gin_param={binding}" for binding in bindings),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=values.timeout,
    )
    if done.returncode:
        raise ValueError(f"exit code {done.returncode}: {done.stderr.strip()[-600:]}")
    found = sorted(p.parent for p in folder.rglob("training_options.json"))
    if len(found) < 1 + recipe:
        raise ValueError(f"only {len(found)} of its stages left a run")
    return found


def look(run: Path) -> str:
    """Checks one run; returns what was seen in a line."""
    if not (run / "DONE").is_file():
        raise ValueError(f"{run.name} did not end")
    records = [json.loads(line) for line in (run / "stats.jsonl").open()]
    for record in records:
        bad = [name for name, value in record.items() if not math.isfinite(value)]
        bad += [name for name in record if name.endswith("/skipped") and record[name]]
        if bad:
            raise ValueError(f"step {record['step']}: {bad} not finite or skipped")
    if records[-1]["step"] != flags.FLAGS.steps:
        raise ValueError(f"{records[-1]['step']} steps ran")
    change = _moved(run)
    if change < 0.5:
        raise ValueError(f"the pictures of fixed latents moved by {change:.2f} of 255")
    losses = [
        f"{name} {records[0][name]:+.3f} -> {records[-1][name]:+.3f}"
        for name in ("g/loss", "d/loss", "teacher0/loss")
        if name in records[0]
    ]
    return f"{', '.join(losses)}; pictures moved {change:.1f}; {_sampled(run)}"


def _moved(run):
    """Mean difference of the grids of fixed latents before and after, of 255."""
    from PIL import Image

    grids = [run / "fakes_init.png", sorted(run.glob("fakes0*.png"))[-1]]
    before, after = (np.asarray(Image.open(path), np.float32) for path in grids)
    return np.abs(before - after).mean()


def _sampled(run):
    from dglgan_tf.deploy import opening

    images = opening.load(str(run)).images(range(8), batch=8)
    apart = np.abs(images[0] - images[1:]).mean()
    if not np.isfinite(images).all() or apart < 1e-3:
        raise ValueError(f"samples of the snapshot differ by {apart:.2g} only")
    return f"samples {'x'.join(map(str, images.shape[1:]))} differ by {apart:.2f}"


def main(argv) -> None:
    """Runs all files, one after another."""
    del argv
    keep, failed, began = flags.FLAGS.outdir, [], time.time()
    root = Path(keep or tempfile.mkdtemp(prefix="methods_"))
    files = chosen()
    for path in files:
        name, started = f"{path.parent.name}/{path.stem}", time.time()
        folder = root / path.stem
        try:
            for run in train(path, folder):
                stage = "" if run == folder else f":{run.name}"
                print(f"ok   {name}{stage}: {look(run)}", flush=True)
        except (ValueError, OSError, subprocess.TimeoutExpired) as error:
            failed.append(name)
            print(f"FAIL {name}: {error}", flush=True)
        print(f"     {time.time() - started:.0f} s", flush=True)
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    seconds = time.time() - began
    print(f"{len(files) - len(failed)} of {len(files)} files in {seconds:.0f} s")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")
    print("next: python -m dglgan_tf.compress --gin_file=gin/variants/two_stage.gin")


if __name__ == "__main__":
    app.run(main)
