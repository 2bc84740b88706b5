#!/usr/bin/env python3
"""Runs inputs that failed for somebody, each by its command, and checks what is right.

  python proofs/cases.py --cases=FOLDER
  python proofs/cases.py --cases=FOLDER --only=06,31

Each folder (or archive) of `--cases` is copied and its commands run inside the copy.
Exit code 0 only when every command ends with the right code and says the right words.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from absl import app, flags
from case_table import CASES, WITHOUT_FILES

flags.DEFINE_string("cases", None, "Folder of the cases.", required=True)
flags.DEFINE_list("only", [], "Beginnings of the names to run; all without it.")
flags.DEFINE_float("limit_seconds", 300.0, "A command that needs longer is hung.", 1)

REPOSITORY = Path(__file__).resolve().parents[1]


def unfold(cases: Path, name: str, place: Path) -> Path:
    """Copies a case, a folder or an archive, to `place`; returns its folder."""
    found = [p for p in sorted(cases.iterdir()) if p.name.startswith(f"{name}_")]
    if name in WITHOUT_FILES:
        return place
    if len(found) != 1:
        sys.exit(f"{cases} holds {len(found)} cases whose names start with {name}_")
    if found[0].is_dir():
        return Path(shutil.copytree(found[0], place / found[0].name, symlinks=True))
    with tarfile.open(found[0]) as archive:
        archive.extractall(place, filter="data" if name != "06" else "tar")
    (folder,) = place.iterdir()
    return folder


def say(folder: Path, command: str) -> tuple[int | str, str]:
    """Runs a command line in `folder`; returns its exit code and all that it said."""
    path = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        ["bash", "-c", command],
        cwd=folder,
        env={
            **os.environ, "PYTHONPATH": path, "PY": sys.executable,
            "T": str(REPOSITORY / "tools"), "TF_CPP_MIN_LOG_LEVEL": "3",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    try:
        out, _ = process.communicate(timeout=flags.FLAGS.limit_seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        out, _ = process.communicate(timeout=60)
        return "hung", out.decode(errors="replace")
    return process.returncode, out.decode(errors="replace")


def faults(folder: Path, code, said: str, right) -> list[str]:
    """Returns what is wrong with an answer."""
    wanted, words, look = right
    allowed = wanted if isinstance(wanted, tuple) else (wanted,)
    found = [] if code in allowed else [f"exit code {code}, not {wanted}"]
    found += [f"does not say {w!r}" for w in words if not re.search(w, said)]
    if "Traceback (most recent" in said or "Call arguments received" in said:
        found.append("a traceback, or a library's text")
    if look and not found and not look(folder):
        found.append(f"{look.__name__} does not hold")
    return found


def run(cases: Path, name: str, place: Path) -> list[tuple[str, str, float, list[str]]]:
    """Runs a case's commands; returns (name, command, seconds, faults) of each."""
    folder, rows = unfold(cases, name, place), []
    for command, *right in CASES[name]:
        began = time.time()
        code, said = say(folder, command)
        found = faults(folder, code, said, right)
        if found:
            print(f"{name}: {command}\n{said[-3000:]}", flush=True)
        rows.append((folder.name, command, time.time() - began, found))
    return rows


def main(argv) -> int:
    """Runs all cases and prints a table."""
    del argv
    cases, rows = Path(flags.FLAGS.cases), []
    only = tuple(flags.FLAGS.only)
    for name in CASES:
        if only and not name.startswith(only):
            continue
        with tempfile.TemporaryDirectory() as place:
            rows += run(cases, name, Path(place))
    for folder, command, seconds, found in rows:
        short = command.replace("$PY ", "").replace("-m dglgan_tf.", "")
        print(f"{folder[:34]:34} {short[:76]:76} {seconds:5.1f} s  ", end="")
        print("; ".join(found) or "right")
    wrong = sum(bool(row[3]) for row in rows)
    print(
        f"{len(rows)} commands of {len({row[0] for row in rows})} cases: {wrong} wrong"
    )
    return int(bool(wrong))


if __name__ == "__main__":
    app.run(main)
