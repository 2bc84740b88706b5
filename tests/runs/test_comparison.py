"""What a recipe ends with: scores with deviations, paths that move with the folder."""

import json
import types

import numpy as np
import pytest

from dglgan_tf.runs import comparison


class Judge:
    """Scores 1, 2, 4, ... by seed."""

    def evaluate(self, subject, seed=0):
        """Returns one score, as `evaluator.Evaluator` does."""
        assert subject.z_dim == 5
        protocol = {"resize": "clean"}
        score = {"metric": "kid1k", "value": 2.0**seed, "floor": None}
        return [{**score, "protocol": protocol}]


@pytest.fixture
def scored():
    network = types.SimpleNamespace(z_dim=5, num_classes=0)

    def run(repeats):
        rows = [{"network": "a"}]
        return rows, comparison._add_scores(rows, {"a": network}, Judge(), repeats)

    return run


def test_scores_of_several_draws_have_mean_and_deviation(scored):
    rows, measured = scored(3)
    assert rows[0]["kid1k"] == pytest.approx(7 / 3)
    assert rows[0]["kid1k sd"] == pytest.approx(np.std([1, 2, 4], ddof=1))
    assert measured["kid1k"]["protocol"] == {"resize": "clean", "repeats": 3}
    rows, measured = scored(1)
    assert rows == [{"network": "a", "kid1k": 1.0}]
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
    assert "kid1k" in (tmp_path / "scores.csv").read_text().splitlines()[0]
