#!/usr/bin/env python3
"""Gives hostile inputs to what a user would give them to, and checks what happens.

  python proofs/hostile_inputs.py --count=2000 --seed=0
  python proofs/hostile_inputs.py --number=1234          one of them, and what it said

None may run code or write outside its folder (a file that payloads try to make), end
otherwise than well or with one sentence, take over 2 GB or over 20 s. Exit code 0 only
then. One process uses them all; one that dies or hangs is a finding, and is replaced.
"""

import collections
import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path

from absl import app, flags

flags.DEFINE_integer("count", 2000, "How many inputs.", 1)
flags.DEFINE_integer("seed", 0, "Of the inputs.")
flags.DEFINE_integer("number", None, "Only this one.")
flags.DEFINE_float("patience_seconds", 40.0, "A longer silence is a hang.", 1)

HERE = Path(__file__).resolve().parent
_START_SECONDS = 300.0


class Process:
    """A worker process."""

    def __init__(self):
        """Starts it and waits until it is ready."""
        path = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "hostile_worker.py"), str(flags.FLAGS.seed)],
            env={**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=sys.stderr if flags.FLAGS.number else subprocess.DEVNULL,
            text=True,
        )
        self._answers: queue.Queue = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        if self._answers.get(timeout=_START_SECONDS) is None:
            sys.exit("the worker does not start: python proofs/hostile_worker.py 0")

    def _listen(self):
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put(None)

    def ask(self, number: int) -> dict | str:
        """Returns what an input did; or in words how the process ended."""
        print(number, file=self._process.stdin, flush=True)
        try:
            answer = self._answers.get(timeout=flags.FLAGS.patience_seconds)
        except queue.Empty:
            return "the process hangs"
        if answer is None:
            return f"the process died ({self._process.wait(timeout=60)})"
        return json.loads(answer)

    def stop(self):
        """Ends the process."""
        self._process.kill()
        self._process.wait(timeout=60)


def examine(numbers) -> list[dict]:
    """Returns what each input did."""
    from hostile_kinds import KINDS

    found, process = [], Process()
    for number in numbers:
        answer = process.ask(number)
        if isinstance(answer, str):
            process.stop()
            process = Process()
            kind = list(KINDS)[number % len(KINDS)]
            answer = {
                "kind": kind, "number": number, "code": None, "said": "",
                "seconds": 0.0, "megabytes": 0.0, "findings": [answer],
            }  # fmt: skip
        for finding in answer["findings"]:
            said = answer["said"][:400]
            print(f"{answer['kind']} {number}: {finding}: {said}", flush=True)
        found.append(answer)
    process.stop()
    return found


def table(found: list[dict]) -> None:
    """Prints a line for each kind."""
    kinds = collections.defaultdict(list)
    for answer in found:
        kinds[answer["kind"]].append(answer)
    print(f"{'kind':14} inputs   used  refused  findings  most MB  most s")
    for kind, answers in kinds.items():
        used = sum(answer["code"] == 0 for answer in answers)
        wrong = sum(bool(answer["findings"]) for answer in answers)
        print(
            f"{kind:14} {len(answers):6} {used:6} {len(answers) - used:8} {wrong:9} "
            f"{max(a['megabytes'] for a in answers):8.0f} "
            f"{max(a['seconds'] for a in answers):7.1f}"
        )


def main(argv) -> int:
    """Uses the inputs and prints the findings and a table."""
    del argv
    values = flags.FLAGS
    one = values.number
    found = examine(range(values.count) if one is None else [one])
    table(found)
    if one is not None:
        print(found[0]["said"])
    wrong = sum(bool(answer["findings"]) for answer in found)
    print(f"{len(found)} inputs, {wrong} with findings")
    return int(bool(wrong))


if __name__ == "__main__":
    app.run(main)
