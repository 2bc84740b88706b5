"""A training that is killed ends as if it had not been (`proofs/kill_runs.py`)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_killed_runs_end_as_if_undisturbed():
    done = subprocess.run(
        [
            sys.executable, "proofs/kill_runs.py", "--kills=3", "--seed=1",
            "--family=smallest", "--patience_seconds=300",
        ],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "equal those of the undisturbed run" in done.stdout
