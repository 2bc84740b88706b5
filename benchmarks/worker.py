"""One side of a comparison in a process of its own, driven line by line.

    python -m benchmarks.worker ours '{"family": "biggan", ...}'

Reads {"run": phase, "times": n} lines, answers with seconds; with "memory": true it
samples the private memory instead (`benchmarks.memory`), as while it builds and traces;
{"peak": true} asks for the largest; on {"end": true} answers with that and leaves. Both
sides live through the whole comparison, so that their phases can take turns.
"""

import json
import os
import sys
import time

from benchmarks import memory


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


def main() -> None:
    """Serves one side until it is told to end."""
    side, config = sys.argv[1], json.loads(sys.argv[2])
    # Libraries print to stdout: keep a stream of our own for the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    started, peak, first = time.monotonic(), memory.Peak(), {}
    with peak:
        model = _build(side, config)
        phases = model.phases()
        built = time.monotonic() - started
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
            _say(answers, **peak.result())
            continue
        if "memory" in order:
            with peak:
                _timed(phases[order["run"]], order["times"])
            _say(answers)
            continue
        with model.profiler(order.get("profile")):
            seconds = _timed(phases[order["run"]], order["times"])
        _say(answers, seconds=seconds)
    _say(answers, **peak.result())


if __name__ == "__main__":
    main()
