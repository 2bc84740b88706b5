"""The profile command."""

import csv
import json

import deploy_networks
from absl import flags
from absl.testing import flagsaver

from dglgan_tf import profile
from dglgan_tf.networks import base, files


def test_command_counts_times_and_writes(tmp_path, capsys):
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
    wide = deploy_networks.stylegan2_generator()
    narrow = deploy_networks.stylegan2_generator(channels_fraction=2)
    for name, network in (("wide", wide), ("narrow", narrow)):
        files.save_networks(tmp_path / f"{name}.safetensors", {"generator": network})
    table, values = tmp_path / "cost.csv", tmp_path / "cost.json"
    names = [
        f"teacher={tmp_path / 'wide.safetensors'}",
        str(tmp_path / "narrow.safetensors"),
    ]
    with flagsaver.flagsaver(network=names, rounds=2, csv=str(table), json=str(values)):
        assert profile.main([]) == 0
    text = capsys.readouterr().out
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
    assert json.loads(values.read_text())["teacher"]["parameters"] == parameters[0]
