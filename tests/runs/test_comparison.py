"""What a recipe ends with: scores with deviations, paths that move with the folder."""

import json

import numpy as np
import pytest

from dglgan_tf.metrics import scores
from dglgan_tf.runs import comparison


class Judge:
    """Scores 1, 2, 4, ... by seed."""

    def subject(self, judged):
        """Returns the name, as if it were a generator."""
        return judged

    def evaluate(self, subject, seed=0, progress=None):
        """Returns one score, as `judge.Judge` does."""
        protocol = {"resize": "clean", "seed": seed}
        protocol["generated"] = {"network": subject.name, "noise": "random"}
        score = {"metric": "kid1k", "value": 2.0**seed, "floor": None, "values": {}}
        return [{**score, "protocol": protocol}]


@pytest.fixture
def scored(tmp_path):
    paths = {"a": tmp_path / "guided" / "x.safetensors"}

    def run(repeats):
        rows = [{"network": "a", "images": 12}]
        measured = comparison._add_scores(tmp_path, rows, paths, Judge(), repeats)
        return rows, measured

    return run


def test_scores_of_several_draws_have_mean_and_deviation(scored, tmp_path):
    rows, measured = scored(3)
    assert rows[0]["kid1k"] == pytest.approx(7 / 3)
    assert rows[0]["kid1k sd"] == pytest.approx(np.std([1, 2, 4], ddof=1))
    assert measured["kid1k"]["repeats"] == 3
    protocol = {"resize": "clean", "generated": {"noise": "random"}}
    assert measured["kid1k"]["protocol"] == protocol | {"seed": [0, 1, 2]}
    (line,) = scores.read(tmp_path)
    assert line["snapshot"] == "guided/x.safetensors" and line["images"] == 12
    assert line["protocol"]["generated"]["network"] == "x.safetensors"
    rows, measured = scored(1)
    assert rows[0]["kid1k"] == 1.0 and measured["kid1k"]["repeats"] == 1
    with pytest.raises(ValueError, match="repeats=0"):
        scored(0)


def test_paths_inside_the_recipe_are_relative(scored, tmp_path):
    rows, measured = scored(1)
    rows[0] |= {"parameters": 4, "macs": 8, "weights_bytes": 16}
    rows[0] |= {"latency_p50_ms": 1.0, "images_per_second": 2.0}
    paths = {"a": tmp_path / "guided" / "x.safetensors"}
    comparison._write(tmp_path, rows, measured, paths, ("coat",), ["a note"])
    described = json.loads((tmp_path / "comparison.json").read_text())
    assert described["networks"] == {"a": "guided/x.safetensors"}
    assert described["protocols"]["kid1k"]["protocol"]["resize"] == "clean"
    head = (tmp_path / "scores.csv").read_text().splitlines()[0]
    assert head.startswith("network,images,kid1k,") and "sd" not in head
