"""How the cost of a training iteration grows with batch and width.

    python -m benchmarks.scaling --picture=docs/pictures/scaling.png

Both families at half, once and twice the usual batch, and at half, once and twice the
usual width: seconds of an iteration beside the multiply-accumulates that it executes
(read from the graphs). A JSON line each, and a picture.
"""

import json
import statistics
import sys

from absl import app, flags

from benchmarks import compare

_ROUNDS = flags.DEFINE_integer("rounds", 3, "Timed runs of each phase.", 1)
_PICTURE = flags.DEFINE_string("picture", None, "Where the picture goes; None = none.")
_WAIT_FOR = flags.DEFINE_string("wait_for", None, "As of `benchmarks.run`.")
SCALES = (0.5, 1, 2)


def configuration(family: str, batch: float, width: float) -> dict:
    """Returns the options of `benchmarks.run`, scaled."""
    common = {"family": family, "guided": False, "jit": False}
    if family == "biggan":
        sizes = {"resolution": 32, "dim_z": 120, "shared_dim": 128, "classes": 10}
        return {**common, **sizes, "batch": int(32 * batch), "ch": int(32 * width)}
    return {
        **common,
        "resolution": 64,
        "latent": 128,
        "batch": int(8 * batch),
        "channel_base": int(4096 * width),
        "channel_max": int(128 * width),
    }


def variants() -> list[tuple[str, float, float]]:
    """Returns (family, batch factor, width factor), each pair once."""
    pairs = [(scale, 1) for scale in SCALES] + [(1, scale) for scale in SCALES]
    pairs = list(dict.fromkeys(pairs))
    return [(family, *pair) for family in ("stylegan2", "biggan") for pair in pairs]


def measure(side, family: str, rounds: int) -> tuple[float, float]:
    """Returns seconds and GMACs of an iteration, regularizers at their share."""
    shares, macs = compare.SHARES[family], side.facts["macs"]
    for phase in shares:
        side.run(phase, rounds)
    seconds = sum(
        share * statistics.median(side.seconds[phase])
        for phase, share in shares.items()
    )
    work = sum(
        share * macs.get(name, {"macs": 0})["macs"] for name, share in shares.items()
    )
    return seconds, work / 1e9


def draw(lines: list[dict], path: str) -> None:
    """Draws seconds over executed multiply-accumulates, both axes logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 4), layout="constrained")
    for axis, family in zip(axes, ("stylegan2", "biggan"), strict=True):
        own = [line for line in lines if line["family"] == family]
        for what, other in (("batch", "width"), ("width", "batch")):
            points = sorted(
                (line["gmacs"], line["seconds"]) for line in own if line[other] == 1
            )
            axis.plot(*zip(*points, strict=True), "o-", label=f"{what} x 0.5, 1, 2")
        (middle,) = (line for line in own if line["batch"] == line["width"] == 1)
        ends = [min(line["gmacs"] for line in own), max(line["gmacs"] for line in own)]
        straight = [middle["seconds"] * end / middle["gmacs"] for end in ends]
        axis.plot(ends, straight, "k:", label="proportional to the work")
        axis.set(xscale="log", yscale="log", title=family)
        axis.set(xlabel="GMACs of an iteration", ylabel="seconds")
        for side in (axis.xaxis, axis.yaxis):
            side.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
            side.set_major_formatter(ticker.FormatStrFormatter("%g"))
            side.set_minor_locator(ticker.NullLocator())
        axis.legend()
    figure.savefig(path, dpi=110)


def main(argv) -> None:
    """Measures all variants in processes of their own, one after another."""
    del argv
    sides, lines = [], []
    try:
        for family, batch, width in variants():
            config = configuration(family, batch, width)
            sides.append(compare.Side("ours", sys.executable, config))
        compare.wait_for(_WAIT_FOR.value)
        for side, (family, batch, width) in zip(sides, variants(), strict=True):
            seconds, work = measure(side, family, _ROUNDS.value)
            found = {"family": family, "batch": batch, "width": width}
            found |= {"gmacs": round(work, 2), "seconds": round(seconds, 4)}
            lines.append({**found, "gflops": round(2 * work / seconds, 1)})
            print(json.dumps({"subject": "scaling", **lines[-1]}), flush=True)
    finally:
        for side in sides:
            side.stop()
    if _PICTURE.value:
        draw(lines, _PICTURE.value)
        print(f"drawn: {_PICTURE.value}")


if __name__ == "__main__":
    app.run(main)
