"""One side of a comparison in a process of its own, driven line by line.

    python -m benchmarks.worker ours '{"family": "biggan", ...}'

Reads {"run": phase, "times": n} lines, answers with seconds; {"peak": true} asks for
the peak memory; on {"end": true} answers with that and leaves. Both sides live through
the whole comparison, so that their phases can take turns.
"""

import json
import os
import resource
import sys
import time


def _say(stream, **facts):
    stream.write(json.dumps(facts) + "\n")
    stream.flush()


def _build(side: str, config: dict):
    if side == "peer":
        from benchmarks.peer import training

        return training.build(config)
    from benchmarks import ours

    return ours.build(config)


def _timed(function, times: int) -> list[float]:
    seconds = []
    for _ in range(times):
        started = time.monotonic()
        function()
        seconds.append(time.monotonic() - started)
    return seconds


def _peak() -> dict:
    """Largest resident memory in MB, with and without pages of files.

    Those are the libraries' code, clean, which the system may drop and processes share;
    they only grow, so what there is of them now is taken off the peak.
    """
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with open("/proc/self/status") as lines:
        (files,) = (int(x.split()[1]) for x in lines if x.startswith("RssFile:"))
    return {
        "peak_mb": round(peak / 1024, 1),
        "private_peak_mb": round((peak - files) / 1024, 1),
    }


def main() -> None:
    """Serves one side until it is told to end."""
    side, config = sys.argv[1], json.loads(sys.argv[2])
    # Libraries print to stdout: keep a stream of our own for the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    started = time.monotonic()
    model = _build(side, config)
    phases = model.phases()
    built = time.monotonic() - started
    first = {}
    if side == "ours":  # tracing; the peer has nothing of the kind
        for name, function in phases.items():
            if name == "sample":  # its memory is no part of training
                continue
            started = time.monotonic()
            function()
            first[name] = time.monotonic() - started
    _say(answers, **model.facts(), build_seconds=built, first_seconds=first)
    for line in sys.stdin:
        order = json.loads(line)
        if "end" in order:
            break
        if "peak" in order:
            _say(answers, **_peak())
            continue
        with model.profiler(order.get("profile")):
            seconds = _timed(phases[order["run"]], order["times"])
        _say(answers, seconds=seconds)
    _say(answers, **_peak())


if __name__ == "__main__":
    main()
