"""Runs a suite of experiments: `python -m experiments.run --suite=fashion_biggan`.

Every arm of every seed is a stage of `dglgan_tf.compress`, judged by
`dglgan_tf.evaluate` and sampled by `dglgan_tf.sample`: the runner only calls the public
commands. Running it again continues where it stopped; what is finished stays as it is.
It ends with results.csv, results.md and plots.
"""

import subprocess
import sys
import time
from pathlib import Path

from absl import flags

from dglgan_tf.cli import entry as command_line

_SUITE = flags.DEFINE_string("suite", "fashion_biggan", "Which suite (arms.py).")
_ARMS = flags.DEFINE_list("arms", ["a", "b", "c"], "Which arms of it.")
_SEEDS = flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds, each with all arms.")
_OUTDIR = flags.DEFINE_string("outdir", "runs/experiments", "Folder of all results.")
_PARAMS = flags.DEFINE_multi_string(
    "gin_param", [], "Overrides the suite's file, for instance 'STAGE_ONE = 4096'."
)
_SAMPLES = flags.DEFINE_integer(
    "samples_per_class", 1000, "For the classifier; conditional suites.", 1
)


def main(argv) -> int:
    """Trains, judges, collects."""
    del argv
    from experiments import arms, collect

    if _SUITE.value not in arms.SUITES:
        raise ValueError(f"--suite={_SUITE.value} is none of {', '.join(arms.SUITES)}")
    suite = arms.SUITES[_SUITE.value]
    names = suite.ordered(_ARMS.value)
    if not all(seed.isdigit() for seed in _SEEDS.value):
        raise ValueError(f"--seeds={','.join(_SEEDS.value)} must be whole numbers")
    root = Path(_OUTDIR.value) / suite.name
    teacher = make_teacher(suite, root)
    judge(suite, root, teacher)
    for seed in _SEEDS.value:
        train(suite, root / f"seed{seed}", names, seed, teacher)
        for name in names:
            judge(suite, root, root / f"seed{seed}" / name)
            price(root, root / f"seed{seed}" / name, teacher)
        for path in collect.write(suite, root):
            print(path, flush=True)
    print(f"look at {root}/results.md; the next seed: --seeds={len(_SEEDS.value)}")
    return 0


def make_teacher(suite, root: Path) -> Path:
    """Returns the teacher's weights, copied beside the results or trained there."""
    from dglgan_tf.foundation import atomic, run_directory

    if suite.teacher is None:
        train(suite, root, ["teacher"], "0", root / "teacher")
        return root / "teacher"
    path = root / "teacher" / "network.safetensors"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, run_directory.find_weights(suite.teacher).read_bytes())
    return path


def train(suite, root: Path, names, seed: str, teacher: Path) -> None:
    """Runs the arms of one seed that are not done, as stages of one recipe."""
    if all((root / name / "DONE").is_file() for name in names):
        return
    call(
        "dglgan_tf.compress",
        f"--gin_file={suite.gin_file}",
        f"--run_dir={root}",
        f"--gin_param=compress.stages = {names!r}",
        f"--gin_param=train.seed = {int(seed)}",
        f"--gin_param=TEACHER = '{teacher}'",
        *(f"--gin_param={text}" for text in _PARAMS.value),
    )


def judge(suite, root: Path, network: Path) -> None:
    """Measures a run directory, or a file; its folder may hold the scores already."""
    folder = network if network.is_dir() else network.parent
    subject = "--run" if network.is_dir() else "--network"
    wanted = [m for m in suite.metrics if not (folder / f"metric-{m}.jsonl").is_file()]
    if wanted:
        call(
            "dglgan_tf.evaluate", f"{subject}={network}", f"--data={suite.data}",
            f"--metrics={','.join(wanted)}", f"--cache={root / 'cache'}",
        )  # fmt: skip
    if suite.num_classes and not (folder / "recognised.json").is_file():
        recognise(suite, root, network, folder)
    if not (folder / "grid.png").is_file():
        which = (
            ["--class=all", "--seeds=0-7"] if suite.num_classes else ["--seeds=0-63"]
        )
        call(
            "dglgan_tf.sample", f"--network={network}", "--grid", "--nofiles",
            f"--outdir={folder}", *which,
        )  # fmt: skip


def price(root: Path, network: Path, teacher: Path) -> None:
    """Counts and times an arm beside the teacher, once for all seeds."""
    if not any(root.glob(f"seed*/{network.name}/cost.json")):
        call(
            "dglgan_tf.profile", f"--network=teacher={teacher}", "--nolayers",
            f"--network=network={network}", f"--json={network / 'cost.json'}",
        )  # fmt: skip


def recognise(suite, root: Path, network: Path, folder: Path) -> None:
    """Writes which share of the samples of each class is recognised."""
    import json

    import numpy as np

    from dglgan_tf.foundation import atomic
    from experiments import classifier

    call(
        "dglgan_tf.sample", f"--network={network}", "--class=all", "--npz",
        f"--seeds=0-{_SAMPLES.value - 1}", "--nofiles", f"--outdir={folder}",
    )  # fmt: skip
    with np.load(folder / "samples.npz", allow_pickle=False) as made:
        images, labels = made["images"], made["labels"]
    model = classifier.load(root / "classifier.npz", suite.data)
    known = {
        "samples": len(images),
        "recognised": classifier.recognised(model, images, labels),
        "held_out_accuracy": classifier.held_out_accuracy(model, suite.data),
    }
    atomic.write(folder / "recognised.json", json.dumps(known, indent=2) + "\n")
    (folder / "samples.npz").unlink()  # one command makes it again


def call(module: str, *arguments: str) -> None:
    """Runs a public command; its exit code ends the runner where it is not 0."""
    print(f"{time.strftime('%H:%M:%S')} python -m {module} {' '.join(arguments)}")
    sys.stdout.flush()
    done = subprocess.run([sys.executable, "-m", module, *arguments], check=False)
    if done.returncode:
        sys.exit(done.returncode)


def entry() -> None:
    """Command line."""
    command_line.run_entry(main)


if __name__ == "__main__":
    entry()
