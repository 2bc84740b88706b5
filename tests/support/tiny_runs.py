"""Runs of toy networks through the real loop and a real run directory."""

import json

import gin

from dglgan_tf.data import sources
from dglgan_tf.networks import files
from dglgan_tf.runs import plan, registry, training_run

NOT_REPRODUCIBLE = ("timing/", "resources/", "timestamp")


def bind(goal, total, tiny_sgd, **bindings):
    """Sets the configuration of a run; names use '__' for the dot.

    Args:
      goal: an `Objective`.
      total: images.
      tiny_sgd: optimizer factory of both networks.
      **bindings: such as Schedule__tick_images=8.
    """
    registry.register()
    defaults = {
        "Trainer.objective": goal,
        "Trainer.batch_size": 8,
        "Trainer.g_optimizer": tiny_sgd,
        "Trainer.d_optimizer": tiny_sgd,
        "Schedule.total_images": total,
        "Schedule.tick_images": 8,
        "Schedule.grid_every_images": 1_000_000,
        "Schedule.snapshot_every_images": 1_000_000,
    }
    changed = {name.replace("__", "."): value for name, value in bindings.items()}
    for name, value in {**defaults, **changed}.items():
        gin.bind_parameter(name, value)


def synthetic(side, classes, channels=1):
    """Returns a maker of 64 images."""
    return lambda: sources.synthetic(64, side, channels, classes)


def run(folder, pair, source, **options):
    """Runs `train` in a folder with seed 1."""
    beside = {
        name: options.pop(name)
        for name in ("dry_run", "siblings", "planned", "hosts")
        if name in options
    }
    wanted = plan.Plan(source, pair[0], pair[1], **{"seed": 1, **options})
    return training_run.run(str(folder), plan=wanted, **beside)


def records(folder):
    """Returns what stats.jsonl says apart from times and memory."""
    lines = (folder / "stats.jsonl").read_text().splitlines()
    return [
        {
            k: v
            for k, v in json.loads(line).items()
            if not k.startswith(NOT_REPRODUCIBLE)
        }
        for line in lines
    ]


def newest(folder):
    """Returns the arrays of the newest snapshot and its counters without time."""
    path = sorted(folder.glob("network-snapshot-*.safetensors"))[-1]
    counters = files.read_header(path)["counters"]
    counters.pop("seconds")
    return files.read_tensors(path), counters
