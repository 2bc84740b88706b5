"""Training iteration and sampling of one configuration, ours and the peer's in turn."""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

# What a step of each phase counts for in one training iteration.
SHARES = {
    "biggan": {"d": 1, "g": 1, "ema": 1},
    "stylegan2": {"g": 1, "g_reg": 1 / 4, "d": 1, "d_reg": 1 / 16, "ema": 1},
}
# Steps of one side before it is the other's turn: the first one finds cold caches.
STEPS = 3


class Side:
    """A worker process (`benchmarks.worker`)."""

    def __init__(self, name: str, python: str, config: dict):
        self.name = name
        command = [python, "-m", "benchmarks.worker", name, json.dumps(config)]
        root = Path(__file__).resolve().parent.parent
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
        self.facts = self._answer()
        self.seconds, self.training_peak = {}, {}

    def run(self, phase: str, times: int) -> None:
        """Times a phase and keeps the seconds."""
        answer = self._ask(run=phase, times=times)
        self.seconds.setdefault(phase, []).extend(answer["seconds"])

    def watch(self, phases) -> None:
        """Runs each phase while its memory is sampled and no clock runs."""
        for phase in phases:
            self._ask(run=phase, times=1, memory=True)

    def peak(self) -> dict:
        """Returns the largest private memory so far in MB (`benchmarks.memory`)."""
        return self._ask(peak=True)

    def end(self) -> dict:
        """Ends the process; returns its largest memory as `peak` does."""
        peak = self._ask(end=True)
        self._process.wait(timeout=30)
        return peak

    def stop(self) -> None:
        """Ends the process without ceremony, if it still lives."""
        self._process.kill()
        self._process.wait(timeout=30)

    def _ask(self, **order):
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self):
        line = self._process.stdout.readline()
        if not line:
            raise OSError(
                f"the worker of side {self.name!r} ended early: run `{sys.executable} "
                f"-m benchmarks.worker {self.name} ...` by hand to see why"
            )
        return json.loads(line)


def wait_for(path: str | None) -> None:
    """Says on `path`.ready that all is warm and waits until `path` exists."""
    if path:
        Path(f"{path}.ready").touch()
        while not os.path.exists(path):
            time.sleep(0.05)


def compare(sides: list, family: str, rounds: int) -> None:
    """Times steps of every side, in turn; leaders change from round to round.

    A step runs every phase once, in the order of a training.

    Sampling comes after all training, so that `Side.training_peak` is without it.
    """
    _take_turns(sides, SHARES[family], rounds)
    for side in sides:
        side.training_peak = side.peak()
    _take_turns(sides, {"sample": 1}, rounds)


def _take_turns(sides, shares, rounds):
    for side in sides:  # caches
        side.watch(shares)
    for turn in range(rounds):
        for side in sides if turn % 2 else sides[::-1]:
            for _ in range(STEPS):
                for phase, share in shares.items():
                    # What counts for little is timed less often.
                    if share >= 0.2 or turn % 2 == 0:
                        side.run(phase, 1)
    for side in sides:
        for _ in range(STEPS):
            side.watch(shares)


def summary(side: Side, config: dict, peak: dict) -> dict:
    """Returns the JSON line of one side.

    Args:
      side: timed by `compare`.
      config: of `benchmarks.run`.
      peak: of `benchmarks.peak`.
    """
    shares, batch = SHARES[config["family"]], config["batch"]
    medians = {name: statistics.median(s) for name, s in side.seconds.items()}
    iteration = sum(share * medians[name] for name, share in shares.items())
    rounds = min(len(side.seconds[name]) for name in shares)
    totals = [
        sum(share * side.seconds[name][i] for name, share in shares.items())
        for i in range(rounds)
    ]
    line = {
        "side": side.facts["side"],
        "iteration_seconds": round(iteration, 4),
        "iteration_spread": [round(min(totals), 4), round(max(totals), 4)],
        "images_per_second": round(batch / iteration, 2),
        **{f"training_{name}": value for name, value in side.training_peak.items()},
        "sampling_images_per_second": round(batch / medians["sample"], 1),
        "phase_seconds": {name: round(value, 4) for name, value in medians.items()},
        "phase_spread": {
            name: [round(min(s), 4), round(max(s), 4)]
            for name, s in side.seconds.items()
        },
        "first_seconds": {
            k: round(v, 2) for k, v in side.facts["first_seconds"].items()
        },
        "parameters": side.facts["parameters"],
    }
    macs = side.facts.get("macs")
    if macs:
        line["gmacs"] = {name: round(c["macs"] / 1e9, 3) for name, c in macs.items()}
        best = max(peak[name] for name in peak if name.startswith("conv"))
        executed = sum(shares[name] * c["macs"] for name, c in macs.items())
        line["gflops"] = round(2 * executed / iteration / 1e9, 1)
        line["share_of_peak"] = round(2 * executed / iteration / 1e9 / best, 3)
        line["floor_seconds"] = round(2 * executed / best / 1e9, 4)
    return line
