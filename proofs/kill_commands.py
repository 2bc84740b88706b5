#!/usr/bin/env python3
"""Kills compress, convert, prepare and evaluate at random moments, again and again.

  python proofs/kill_commands.py --kills=40 --seed=0

Each command runs undisturbed once. Then it is killed (SIGKILL) at random moments of its
length and started again; in the end the same command must leave the same results
(arrays, images, scores) and nothing half-written. Exit code 0 only then.
`convert` reads a reference file (`DGLGAN_FIXTURES`).
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tiny_configs
from absl import app, flags
from PIL import Image

from dglgan_tf.metrics import scores
from dglgan_tf.networks import files

flags.DEFINE_integer("kills", 40, "Over all four commands.", lower_bound=4)
flags.DEFINE_integer("seed", 0, "Of the moments.")
flags.DEFINE_float("patience_seconds", 600, "A process that needs longer is hung.")

REPOSITORY = Path(__file__).resolve().parents[1]
FIXTURES = Path(
    os.environ.get("DGLGAN_FIXTURES", REPOSITORY.parent / "shared/fixtures")
)
SOURCE = FIXTURES / "sg2tf1_Gresnet_Dskip_r32.pkl"
RECIPE = """
compress.stages = ['student', 'guided']
guided/train.initialize_from = 'student'
guided/train.teachers = ['student']
"""
METRIC = "kid16[efficientnet_lite0]"


class Command(NamedTuple):
    """What is killed.

    Attributes:
      words: after `python -m dglgan_tf.`; {} stands for the place of the results.
      result: place -> {name: array or text} to compare.
      refuses: words by which it refuses to do again what is done, if it does.
    """

    words: list[str]
    result: Callable[[Path], dict]
    refuses: str | None = None


def arrays(place: Path) -> dict:
    """Returns the tensors of the newest weights of each folder."""
    found = {}
    for path in sorted(place.rglob("*.safetensors")):
        found |= {(path.parent.name, k): v for k, v in files.read_tensors(path).items()}
    return found


def images(place: Path) -> dict:
    """Returns the members of the zip."""
    with zipfile.ZipFile(place / "out.zip") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def judged(place: Path) -> dict:
    """Returns the scores."""
    return {
        (line["metric"], line["snapshot"]): line["value"] for line in scores.read(place)
    }


def commands(folder: Path) -> dict[str, Command]:
    """Returns the commands, and writes what they read."""
    text = tiny_configs.FAMILIES["smallest"] + tiny_configs.COMMON.format(images=24)
    (folder / "tiny.gin").write_text(text)
    (folder / "recipe.gin").write_text(text + RECIPE)
    random_pixels = np.random.RandomState(0)
    (folder / "photos").mkdir()
    for index in range(400):
        pixels = random_pixels.randint(0, 256, [32, 32, 3], np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"{index}.png")
    return {
        "compress": Command(
            ["compress", f"--gin_file={folder}/recipe.gin", "--run_dir={}"], arrays
        ),
        "convert": Command(["convert", f"--source={SOURCE}", "--dest={}/out"], arrays),
        "prepare": Command(
            ["prepare", f"--source={folder}/photos", "--dest={}/out.zip",
             "--resolution=16"],
            images,
            refuses="exists already",
        ),
        "evaluate": Command(
            ["evaluate", "--run={}", f"--metrics={METRIC}", f"--cache={folder}/cache"],
            judged,
        ),
    }  # fmt: skip


def start(command: Command, place: Path) -> subprocess.Popen:
    """Starts a command whose results go to `place`."""
    path = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    first, *rest = [word.replace("{}", str(place)) for word in command.words]
    with open(place.with_suffix(".said"), "w") as said:
        return subprocess.Popen(
            [sys.executable, "-m", f"dglgan_tf.{first}", *rest],
            cwd=place.parent,
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )


def finish(command: Command, place: Path) -> float:
    """Runs a command to its end; returns the seconds."""
    began, process = time.time(), start(command, place)
    code = process.wait(timeout=flags.FLAGS.patience_seconds)
    said = place.with_suffix(".said").read_text()
    done = code == 2 and command.refuses is not None and command.refuses in said
    if code and not done:
        sys.exit(f"{command.words[0]} failed with {code}:\n{said[-2000:]}")
    return time.time() - began


def kill(command: Command, place: Path, seconds: float) -> bool:
    """Starts a command and kills it; returns whether it had ended before."""
    process = start(command, place)
    try:
        process.wait(timeout=seconds)
        return True
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)
        return False


def prepared(name: str, folder: Path, place: Path) -> None:
    """Makes the place; `evaluate` needs a run there."""
    run = folder / "run"
    if name == "evaluate" and not run.is_dir():
        words = ["train", f"--gin_file={folder}/tiny.gin", "--run_dir={}"]
        finish(Command(words, arrays), run)
    if name == "evaluate":
        shutil.copytree(run, place)
    else:
        place.mkdir()


def names(place: Path) -> list[str]:
    """Returns the files below a place; TensorBoard writes one at each start."""
    found = [p for p in place.rglob("*") if ".tfevents" not in p.name]
    return sorted(str(p.relative_to(place)) for p in found)


def check(name: str, command: Command, whole: Path, killed: Path) -> int:
    """Compares the results; returns how many there are."""
    left, right = command.result(whole), command.result(killed)
    if not left or left.keys() != right.keys():
        sys.exit(f"{name}: {len(left)} results undisturbed, {len(right)} after kills")
    different = [k for k, value in left.items() if not np.array_equal(value, right[k])]
    if different:
        sys.exit(f"{name}: {len(different)} results differ, such as {different[0]}")
    listed = [names(place) for place in (whole, killed)]
    if listed[0] != listed[1]:
        odd = set(listed[0]) ^ set(listed[1])
        sys.exit(f"{name}: other files after kills: {sorted(odd)[:5]}")
    return len(left)


def main(argv) -> None:
    """Kills each command in turn."""
    del argv
    moments = random.Random(flags.FLAGS.seed)
    with tempfile.TemporaryDirectory() as base:
        folder = Path(base)
        each = -(-flags.FLAGS.kills // 4)
        for name, command in commands(folder).items():
            whole, killed = folder / f"{name}_whole", folder / f"{name}_killed"
            for place in (whole, killed):
                prepared(name, folder, place)
            seconds, count = finish(command, whole), 0
            for _ in range(each):
                while kill(command, killed, moments.uniform(0.1, 1.0) * seconds):
                    count = check(name, command, whole, killed)  # it was faster
                    shutil.rmtree(killed)
                    prepared(name, folder, killed)
            finish(command, killed)
            count = check(name, command, whole, killed)
            print(
                f"{name}: {each} kills within {seconds:.1f} s: all {count} results "
                "equal, the same files",
                flush=True,
            )


if __name__ == "__main__":
    app.run(main)
