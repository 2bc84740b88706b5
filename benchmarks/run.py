"""Speed and memory, one JSON line a result.

    python -m benchmarks.run                       everything, small
    python -m benchmarks.run --subject=training --family=stylegan2 --resolution=64 \
        --channel_base=4096 --channel_max=128 --latent=128 --batch=8 [--guided]
    python -m benchmarks.run --subject=training --family=biggan --resolution=32 \
        --ch=32 --dim_z=120 --shared_dim=128 --batch=32 --classes=10 [--guided]

Options describe the networks; `--guided` adds a frozen teacher discriminator of twice
the width. `--peer` times a plain PyTorch implementation of the same steps in turn with
ours (extra `peer`; `--peer_python` names an interpreter that has PyTorch).
"""

import json
import os
import sys
import time

from absl import flags

from dglgan_tf.cli import entry as command_line

SUBJECTS = ("peak", "training", "data", "conversion", "metrics", "startup")
_SUBJECT = flags.DEFINE_multi_enum("subject", [], SUBJECTS, "What; default all.")
_FAMILY = flags.DEFINE_multi_enum(
    "family", [], ["stylegan2", "biggan"], "Which networks; default both."
)
_GUIDED = flags.DEFINE_bool("guided", False, "With a frozen teacher, twice as wide.")
_BATCH = flags.DEFINE_integer("batch", None, "Images; default 8 or 32.", lower_bound=2)
_RESOLUTION = flags.DEFINE_integer("resolution", None, "Default 64 or 32.")
_CHANNEL_BASE = flags.DEFINE_integer("channel_base", 4096, "StyleGAN2's.")
_CHANNEL_MAX = flags.DEFINE_integer("channel_max", 128, "StyleGAN2's.")
_LATENT = flags.DEFINE_integer("latent", 128, "StyleGAN2's z_dim and w_dim.")
_CH = flags.DEFINE_integer("ch", 32, "BigGAN's width.")
_DIM_Z = flags.DEFINE_integer("dim_z", 120, "BigGAN's latent.")
_SHARED_DIM = flags.DEFINE_integer("shared_dim", 128, "BigGAN's class embedding.")
_CLASSES = flags.DEFINE_integer("classes", 10, "BigGAN's classes.")
_ROUNDS = flags.DEFINE_integer("rounds", 7, "Timed runs of each phase.", lower_bound=1)
_JIT = flags.DEFINE_bool("jit", False, "Compile ours with XLA.")
_PEER = flags.DEFINE_bool("peer", False, "Time the PyTorch peer in turn with ours.")
_PEER_PYTHON = flags.DEFINE_string("peer_python", sys.executable, "Its interpreter.")
_WAIT_FOR = flags.DEFINE_string(
    "wait_for",
    None,
    "When all is warm write FILE.ready and wait for FILE: for a shared machine.",
)


def say(subject: str, **facts) -> None:
    """Prints one JSON line, with the load of the machine at this moment."""
    load = round(os.getloadavg()[0], 2)
    print(json.dumps({"subject": subject, **facts, "load": load}), flush=True)


def configuration(family: str) -> dict:
    """Returns the options that a family takes."""
    common = {"family": family, "guided": _GUIDED.value, "jit": _JIT.value}
    if family == "biggan":
        return {
            **common,
            "resolution": _RESOLUTION.value or 32,
            "batch": _BATCH.value or 32,
            "ch": _CH.value,
            "dim_z": _DIM_Z.value,
            "shared_dim": _SHARED_DIM.value,
            "classes": _CLASSES.value,
        }
    return {
        **common,
        "resolution": _RESOLUTION.value or 64,
        "batch": _BATCH.value or 8,
        "channel_base": _CHANNEL_BASE.value,
        "channel_max": _CHANNEL_MAX.value,
        "latent": _LATENT.value,
    }


def training(family: str) -> None:
    """One family's training and sampling."""
    from benchmarks import compare, peak

    config = configuration(family)
    if _PEER.value and family == "biggan" and config["resolution"] != 32:
        raise ValueError(
            f"--peer with resolution={config['resolution']}: the PyTorch BigGAN has "
            "32 px only; leave --peer out or use --resolution=32"
        )
    sides = [compare.Side("ours", sys.executable, config)]
    try:
        if _PEER.value:
            sides.append(compare.Side("peer", _PEER_PYTHON.value, config))
        peak.measure(0.1)  # warm
        compare.wait_for(_WAIT_FOR.value)
        started = time.monotonic()
        rates = peak.measure(1.5)
        compare.compare(sides, family, _ROUNDS.value)
        seconds = round(time.monotonic() - started, 1)
        lines = [compare.summary(side, config, rates) for side in sides]
        for side, line in zip(sides, lines, strict=True):
            say("training", **config, **line, **side.end(), peak_gflops=rates)
    finally:
        for side in sides:
            side.stop()
    if len(lines) == 2:
        mine, theirs = lines
        rate, sampled = "images_per_second", "sampling_images_per_second"
        ratios = {
            "training": round(mine[rate] / theirs[rate], 3),
            "sampling": round(mine[sampled] / theirs[sampled], 3),
        }
        say("ratio", **config, **ratios, timed_seconds=seconds)


def main(argv) -> int:
    """Runs what the flags say."""
    del argv
    for subject in _SUBJECT.value or SUBJECTS:
        if subject == "training":
            for family in _FAMILY.value or ("stylegan2", "biggan"):
                training(family)
        else:
            from benchmarks import subjects

            for facts in getattr(subjects, subject)():
                say(subject, **facts)
    return 0


if __name__ == "__main__":
    command_line.run_entry(main)
