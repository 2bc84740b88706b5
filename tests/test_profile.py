"""The profile command."""

import csv
import json
import subprocess
import sys

import pytest
from support import deploy_networks

from dglgan_tf.networks import base, files


@pytest.mark.slow
def test_command_counts_times_and_writes(tmp_path):
    wide = deploy_networks.stylegan2_generator()
    narrow = deploy_networks.stylegan2_generator(channels_fraction=2)
    for name, network in (("wide", wide), ("narrow", narrow)):
        files.save_networks(tmp_path / f"{name}.safetensors", {"generator": network})
    table, values = tmp_path / "cost.csv", tmp_path / "cost.json"
    # In a process of its own: flags of two commands may have the same name.
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "dglgan_tf.profile",
            f"--network=teacher={tmp_path / 'wide.safetensors'}",
            f"--network={tmp_path / 'narrow.safetensors'}",
            "--rounds=2",
            f"--csv={table}",
            f"--json={values}",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    text = done.stdout
    parameters = base.count_parameters(wide), base.count_parameters(narrow)
    share = f"{100 * parameters[1] / parameters[0]:.1f}"
    line = next(line for line in text.splitlines() if line.startswith("parameters"))
    assert line.split()[-1] == share
    assert "latency p50 (ms)" in text and "times as fast as teacher" in text
    with open(table, encoding="utf-8") as file:
        totals = {
            r["network"]: r for r in csv.DictReader(file) if r["layer"] == "total"
        }
    assert int(totals["narrow"]["parameters"]) == parameters[1]
    told = json.loads(values.read_text())
    assert told["teacher"]["parameters"] == parameters[0]
    for name, item in told.items():
        assert 0 < item["latency"]["p50_ms"] <= item["latency"]["p95_ms"]
        assert float(totals[name]["ms"]) == pytest.approx(item["latency"]["p50_ms"])
        assert sum(item["layer_ms"].values()) > 0
