#!/usr/bin/env python3
"""Trains a tiny network for long and watches what must not grow.

  python proofs/soak.py --steps=10000

Reports the slope of the process's memory, the number of open files and how often steps
were traced, all after the first minute. Exit code 1 where memory grows by more than
--most_growth (MiB in 1000 steps), a file stays open, or a step is traced again.
"""

import os
import sys
import tempfile
import time

import numpy as np
import psutil
from absl import app, flags

from dglgan_tf.compat import tf
from dglgan_tf.data import pipeline, sources
from dglgan_tf.losses import adversarial
from dglgan_tf.networks import biggan
from dglgan_tf.training import (
    checkpoint,
    objective,
    optimizers,
    scores,
    settings,
    state,
    trainer,
)

flags.DEFINE_integer("steps", 10_000, "Of the training.", 10)
flags.DEFINE_float("warm_up_seconds", 60.0, "After which nothing may grow.")
flags.DEFINE_float("most_growth", 2.0, "MiB in 1000 steps.")
flags.DEFINE_integer("save_every", 500, "Steps between snapshots.", 1)


def make() -> trainer.Trainer:
    """Returns the trainer of a BigGAN with two channels."""
    sizes = {"resolution": 32, "num_channels": 1, "num_classes": 3, "ch": 2}
    networks = state.Networks(
        biggan.BigGANGenerator(**sizes, z_dim=8, shared_dim=4),
        biggan.BigGANDiscriminator(**sizes),
        biggan.BigGANGenerator(**sizes, z_dim=8, shared_dim=4),
    )
    goal = objective.Objective(
        d_loss=adversarial.d_hinge,
        g_loss=adversarial.g_hinge,
        d_scores=scores.scores_joint,
    )
    wanted = settings.Settings(
        objective=goal,
        g_optimizer=optimizers.adam,
        d_optimizer=optimizers.adam,
        batch_size=4,
        d_first=True,
    )
    return trainer.Trainer(networks, tf.distribute.get_strategy(), 0, wanted)


def watch(train, folder) -> list[tuple[int, float, int, int]]:
    """Trains; returns (step, MiB, open files, traces) after the warm-up."""
    values, process = flags.FLAGS, psutil.Process()
    source = sources.synthetic(64, 32, 1, 3)
    reals = iter(pipeline.make_dataset(source, 4))
    began, seen = time.time(), []
    for step in range(1, values.steps + 1):
        metrics = train.train_step(reals)
        if step % values.save_every == 0:
            name = f"network-snapshot-{step % 2:06d}.safetensors"
            checkpoint.save(train.state, os.path.join(folder, name))
        if step % 50 == 0:
            if not all(np.isfinite(float(value)) for value in metrics.values()):
                sys.exit(f"step {step} is not finite")
            if time.time() - began > values.warm_up_seconds:
                memory = process.memory_info().rss / 2**20
                traces = sum(train.trace_counts().values())
                seen.append((step, memory, process.num_fds(), traces))
    return seen


def main(argv) -> None:
    """Runs the soak."""
    del argv
    values, began = flags.FLAGS, time.time()
    with tempfile.TemporaryDirectory() as folder:
        seen = watch(make(), folder)
    if len(seen) < 10:
        sys.exit(f"only {len(seen)} samples after the warm-up: raise --steps")
    steps, memory, opened, traces = np.array(seen).T
    slope = 1000 * np.polyfit(steps, memory, 1)[0]
    print(
        f"{values.steps} steps in {time.time() - began:.0f} s; from step "
        f"{steps[0]:.0f} on: memory {memory[0]:.0f} to {memory[-1]:.0f} MiB, slope "
        f"{slope:+.3f} MiB in 1000 steps; open files {opened[0]:.0f} to "
        f"{opened[-1]:.0f}; traces {traces[0]:.0f} to {traces[-1]:.0f}"
    )
    if slope > values.most_growth or opened[-1] > opened[0] or traces[-1] > traces[0]:
        sys.exit("something grows")


if __name__ == "__main__":
    app.run(main)
