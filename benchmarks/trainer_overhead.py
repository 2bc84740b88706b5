"""Times two replicas against one with two microbatches, on the same cores.

    python -m benchmarks.trainer_overhead --rounds=5

Both do the same work on one image after another, so the difference is what the
distribution costs: copies, the reduction, the strategy. The two take turns; the figure
is the ratio of the medians. A JSON line; exit code 1 above --most.
"""

import json
import os
import statistics
import sys
import time

from absl import app, flags

from dglgan_tf.compat import tf
from dglgan_tf.data import pipeline, sources
from dglgan_tf.losses import adversarial
from dglgan_tf.networks import biggan
from dglgan_tf.training import objective, optimizers, scores, settings, state, trainer

_ROUNDS = flags.DEFINE_integer("rounds", 5, "Turns of each.", 1)
_STEPS = flags.DEFINE_integer("steps", 10, "Steps of a turn.", 1)
_CH = flags.DEFINE_integer("ch", 8, "Width of the BigGAN.", 1)
_BATCH = flags.DEFINE_integer("batch", 32, "Images of a step.", 2)
_MOST = flags.DEFINE_float("most", 1.1, "Largest ratio that passes.")


def make(devices, microbatches):
    """Returns (trainer, iterator) on some logical devices."""
    strategy = tf.distribute.MirroredStrategy(
        devices, cross_device_ops=tf.distribute.ReductionToOneDevice()
    )
    sizes = {"resolution": 32, "num_channels": 1, "num_classes": 3, "ch": _CH.value}
    with strategy.scope():
        networks = state.Networks(
            biggan.BigGANGenerator(**sizes, z_dim=80, shared_dim=32),
            biggan.BigGANDiscriminator(**sizes),
            biggan.BigGANGenerator(**sizes, z_dim=80, shared_dim=32),
        )
        wanted = settings.Settings(
            objective=objective.Objective(
                d_loss=adversarial.d_hinge,
                g_loss=adversarial.g_hinge,
                d_scores=scores.scores_joint,
            ),
            g_optimizer=optimizers.adam,
            d_optimizer=optimizers.adam,
            batch_size=_BATCH.value,
            g_microbatches=microbatches,
            d_microbatches=microbatches,
            d_first=True,
            jit=False,
        )
        train = trainer.Trainer(networks, strategy, 0, wanted)
    source = sources.synthetic(256, 32, 1, 3)
    reals = pipeline.make_dataset(source, _BATCH.value)
    return train, iter(strategy.experimental_distribute_dataset(reals))


def turn(train, reals) -> float:
    """Returns the seconds of a step, devices waited for."""
    began = time.perf_counter()
    for _ in range(_STEPS.value):
        metrics = train.train_step(reals)
    float(metrics["g/loss"])
    return (time.perf_counter() - began) / _STEPS.value


def main(argv) -> None:
    """Times and prints."""
    del argv
    cpu = tf.config.list_physical_devices("CPU")[0]
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, two)
    kinds = {
        "two replicas": make(["CPU:0", "CPU:1"], 1),
        "two parts": make(["CPU:0"], 2),
    }
    seconds: dict[str, list[float]] = {name: [] for name in kinds}
    for kind in kinds.values():
        turn(*kind)  # traces
    for _ in range(_ROUNDS.value):
        for name, kind in kinds.items():
            seconds[name].append(turn(*kind))
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    ratio = medians["two replicas"] / medians["two parts"]
    line = {
        "benchmark": "trainer_overhead",
        "batch": _BATCH.value,
        "ch": _CH.value,
        "seconds": {
            name: [round(s, 4) for s in found] for name, found in seconds.items()
        },
        "ratio": round(ratio, 3),
        "cpus": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
    }
    print(json.dumps(line))
    if ratio > _MOST.value:
        sys.exit(f"two replicas cost {ratio:.2f} times one with two microbatches")


if __name__ == "__main__":
    app.run(main)
