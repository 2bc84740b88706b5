"""Scores during a training: at snapshots, best ones kept, nothing stops it."""

import functools
import logging

import numpy as np
import pytest
from support import tiny_runs
from support import tiny_training as tiny

from dglgan_tf.evaluation import judge, reals, snapshots
from dglgan_tf.metrics import extractors, scores
from dglgan_tf.runs import scoring
from dglgan_tf.training import optimizers

KID = "kid16[efficientnet_lite0_32]"
TOYS = tiny.toy(num_classes=3, bend=0.3)
SOURCE = tiny_runs.synthetic(tiny.SIDE, 3)


@pytest.fixture(autouse=True)
def _small_network(monkeypatch):
    small = functools.partial(extractors.efficientnet_lite0_extractor, input_size=32)
    monkeypatch.setitem(extractors.BUILDERS, "efficientnet_lite0", small)
    extractors.built.cache_clear()
    yield
    extractors.built.cache_clear()


def _adam(reg_interval_steps=0):
    return optimizers.adam(0.01, reg_interval_steps=reg_interval_steps)


def bind(total, metrics, **bindings):
    defaults = {
        "Schedule__snapshot_every_images": 8,
        "Schedule__keep_snapshots": 1,
        "Evaluation__metrics": metrics,
        "Evaluation__every_images": 16,
        "Evaluation__batch_size": 8,
    }
    tiny_runs.bind(tiny.goal(), total, _adam, **{**defaults, **bindings})


@pytest.mark.slow
def test_a_training_scores_its_snapshots_and_keeps_the_best(tmp_path):
    """The bare name falls back to the offline network; the training goes on."""
    bind(48, ["kid16"])
    tiny_runs.run(tmp_path / "run", TOYS, SOURCE)
    lines = scores.read(tmp_path / "run")
    assert [line["images"] for line in lines] == [16, 32, 48]
    assert {line["metric"] for line in lines} == {KID}
    best = min(lines, key=lambda line: line["value"])["snapshot"]
    assert [p.name for p in (tmp_path / "run/best").iterdir()] == [best]
    assert snapshots.chosen(tmp_path / "run", "best", best)[0].name == best
    log = (tmp_path / "run/log.txt").read_text()
    assert log.count(KID) == 3 and "real against real" in log
    generated = lines[0]["protocol"]["generated"]
    assert generated["weights"] == "generator_ema"
    assert generated["network"] == lines[0]["snapshot"]
    again = reals.of_run(tmp_path / "run")  # the run says what it was trained on
    assert again.fingerprint() == SOURCE().fingerprint()


@pytest.mark.slow
def test_what_cannot_be_computed_stops_nothing(tmp_path, caplog):
    bind(16, ["kid500[efficientnet_lite0]"])
    with caplog.at_level(logging.WARNING):
        tiny_runs.run(tmp_path / "run", TOYS, SOURCE)
    assert (tmp_path / "run/DONE").exists()
    assert "needs 500 real images" in caplog.text
    assert not scores.read(tmp_path / "run")


def test_only_the_best_snapshots_stay(tmp_path):
    values = {"001": 5.0, "002": 3.0, "003": 4.0, "004": 9.0}
    kept = []
    for number, value in values.items():
        path = tmp_path / f"network-snapshot-000{number}.safetensors"
        path.write_bytes(number.encode())
        score = {
            "metric": "fid9",
            "value": value,
            "values": {},
            "floor": None,
            "protocol": {},
        }
        scores.append(tmp_path, score, path.name, int(number))
        scoring.keep_best(tmp_path, path, "fid9", 2)
        kept.append(sorted(p.stem[-3:] for p in (tmp_path / "best").iterdir()))
        path.unlink()
    assert kept == [["001"], ["001", "002"], ["002", "003"], ["002", "003"]]
    left = tmp_path / "best/network-snapshot-000002.safetensors"
    assert left.read_bytes() == b"002"
    found = snapshots.chosen(tmp_path, "all")
    assert [p.stem[-3:] for p in found] == ["002", "003"]


def test_settings_are_checked():
    with pytest.raises(ValueError, match="Evaluation.every_images=0"):
        scoring.Evaluation(every_images=0)
    source = tiny_runs.synthetic(8, 3)()
    assert judge.class_weights(source, 0) is None
    weights = judge.class_weights(source, 3)  # 64 images of three classes
    np.testing.assert_array_equal(weights, [22, 21, 21])
