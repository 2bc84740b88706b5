"""Uses hostile inputs, one after the other, and says what each of them did.

As a process: reads numbers from standard input and answers each by one line of JSON.
"""

import contextlib
import io
import json
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

import hostile_kinds

from dglgan_tf.cli import entry

MOST_MEGABYTES, MOST_SECONDS = 2000, 20.0
LONGEST_SENTENCE = 2000
USERS = (entry.USER_ERROR, entry.DIVERGED, entry.RETRY)


class Worker:
    """Makes inputs in a folder and uses them."""

    def __init__(self, folder: Path, seed: int):
        """Makes the sound material of every kind."""
        self.folder, self.seed = folder, seed
        self.canary = folder / "canary"
        for name, (file, make, _, _) in hostile_kinds.KINDS.items():
            place = folder / "sound" / name
            place.mkdir(parents=True)
            make(place / file)

    def check_material(self) -> None:
        """Uses the sound material, which must all go well; SystemExit names a kind."""
        for kind, (file, _, _, use) in hostile_kinds.KINDS.items():
            code, said, _ = _guarded(use, self._copy(kind) / file)
            if code:
                sys.exit(f"sound material of {kind}: {said}")

    def _copy(self, kind) -> Path:
        place = self.folder / "used"
        shutil.rmtree(place, ignore_errors=True)
        return Path(shutil.copytree(self.folder / "sound" / kind, place))

    def examine(self, number: int) -> dict:
        """Makes input `number` and uses it.

        Returns:
          {'kind', 'number', 'code' (0 = used, 2 = refused), 'said', 'seconds',
          'megabytes', 'findings': what must not be}.
        """
        names = list(hostile_kinds.KINDS)
        kind = names[number % len(names)]
        file, _, change, use = hostile_kinds.KINDS[kind]
        place = self._copy(kind)
        chance = random.Random(f"{self.seed} {number}")
        change(place / file, chance, self.canary)
        self.canary.unlink(missing_ok=True)
        before, began = _start_peak(), time.monotonic()
        code, said, findings = _guarded(use, place / file)
        seconds = time.monotonic() - began
        megabytes = _peak() - before
        if self.canary.exists():
            findings.append("code of the file ran, or it wrote elsewhere")
        if seconds > MOST_SECONDS:
            findings.append(f"{seconds:.0f} s")
        if megabytes > MOST_MEGABYTES:
            findings.append(f"{megabytes:.0f} MB")
        return {
            "kind": kind, "number": number, "code": code, "said": said[:3000],
            "seconds": seconds, "megabytes": megabytes, "findings": findings,
        }  # fmt: skip


def _guarded(use, path):
    """Returns (exit code, what was said, findings) of a use as by a command."""
    out = io.StringIO()
    with contextlib.redirect_stderr(out), contextlib.redirect_stdout(out):
        try:
            code = entry._guarded(lambda argv: use(path), ["command"])
        except BaseException as error:
            calls = traceback.extract_tb(error.__traceback__)
            own = [c for c in calls if "dglgan_tf" in c.filename][-1]
            where = f"{Path(own.filename).name}:{own.lineno}"
            said = f"{type(error).__name__}: {str(error)[:300]} ({where})"
            return 1, said, ["a traceback"]
    said = out.getvalue().strip()
    findings = []
    if code and code not in USERS:
        findings.append(f"exit code {code}")
    last = said.splitlines()[-1] if said else ""
    if code and (len(last) > LONGEST_SENTENCE or "Traceback" in said):
        findings.append(f"no sentence: {len(last)} characters")
    return code, last, findings


def _start_peak() -> float:
    """Forgets the largest memory so far; returns today's, in MB."""
    Path("/proc/self/clear_refs").write_text("5")
    return _peak()


def _peak() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1e3
    raise OSError("/proc/self/status holds no VmHWM")


def main() -> None:
    """Answers numbers until the input ends."""
    answers = sys.stdout
    sys.stdout = sys.stderr
    with tempfile.TemporaryDirectory() as name:
        worker = Worker(Path(name), int(sys.argv[1]))
        worker.check_material()
        size = int(Path("/proc/self/statm").read_text().split()[0])
        limit = size * resource.getpagesize() + 8 * 2**30  # kept from the machine
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        print("ready", file=answers, flush=True)
        for line in sys.stdin:
            print(json.dumps(worker.examine(int(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
