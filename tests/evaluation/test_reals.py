"""The data of a run: opened from plain values, whatever the run directory holds."""

import json
import logging

import gin
import numpy as np
import pytest

from dglgan_tf.data import sources
from dglgan_tf.evaluation import reals
from dglgan_tf.foundation import run_directory

HOSTILE = """
from __gin__ import dynamic_registration
import subprocess
import os

train.source = @subprocess.getoutput
subprocess.getoutput.cmd = 'touch RAN'
evil/train.source = @os.system()
"""


def _run(folder, options, config=None):
    folder.mkdir()
    (folder / run_directory.MARKER).write_text(json.dumps(options))
    if config is not None:
        (folder / "config.gin").write_text(config)
    return folder


def test_a_run_says_what_it_was_trained_on(tmp_path, caplog):
    made = sources.synthetic(20, 16, 1, 4, seed=3)
    options = {"data": made.fingerprint(), "source": made.description}
    with caplog.at_level(logging.WARNING):
        found = reals.of_run(_run(tmp_path / "run", options))
        np.testing.assert_array_equal(found.images(range(20)), made.images(range(20)))
        assert not caplog.text
        options["data"] = "0" * 16
        reals.of_run(_run(tmp_path / "changed", options))
    assert "have changed since" in caplog.text


def test_nothing_of_a_run_directory_is_run(tmp_path):
    ran = tmp_path / "ran"
    gin.bind_parameter("Evaluation.seed", 3)
    config = HOSTILE.replace("RAN", str(ran))
    description = {"source": "subprocess.getoutput", "arguments": {"cmd": "true"}}
    for number, options in enumerate(({}, {"source": None}, {"source": description})):
        folder = _run(tmp_path / f"run{number}", options, config)
        with pytest.raises(ValueError, match="give --data"):
            reals.of_run(folder)
    assert not ran.exists()
    assert gin.query_parameter("Evaluation.seed") == 3  # the process's own stays


def test_an_old_run_is_judged_by_its_literals(tmp_path):
    config = "train.source = @synthetic\nsynthetic.num_examples = 12\n"
    found = reals.of_run(_run(tmp_path / "run", {"seed": 1}, config))
    assert found.num_examples == 12
    # A new run whose source cannot be told is not taken for an old one.
    with pytest.raises(ValueError, match="give --data"):
        reals.of_run(_run(tmp_path / "new", {"source": None}, config))


@pytest.mark.parametrize("text", ("[]", "{", '"x"', "[" * 100_000))
def test_a_broken_marker_gets_a_sentence(tmp_path, text):
    folder = _run(tmp_path / "run", {})
    (folder / run_directory.MARKER).write_text(text)
    with pytest.raises(ValueError, match="give --data"):
        reals.of_run(folder)


def test_grey_images_are_judged_in_their_own_channels():
    source = sources.synthetic(20, 16, 1, 4)
    stored = reals.stored_images(source, mirror=True)
    pixels = np.concatenate([batch for batch, _ in stored.draw(None)])
    assert pixels.shape == (20, 16, 16, 1)
    assert stored.protocol["mirror"] is True
    assert reals.open_images("synthetic").protocol["data"] == "synthetic"
