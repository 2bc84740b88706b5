"""One way to judge: evaluate, a recipe's end and a training agree to the last digit."""

import functools
import types

import gin
import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver

from dglgan_tf import evaluate
from dglgan_tf.compat import keras, tf
from dglgan_tf.data import base, sources
from dglgan_tf.evaluation import judge
from dglgan_tf.foundation import run_directory
from dglgan_tf.layers import conditional_norm
from dglgan_tf.metrics import extractors, protocol, scores
from dglgan_tf.networks import base as networks_base
from dglgan_tf.networks import biggan, files, stylegan2
from dglgan_tf.reporting import collect, report
from dglgan_tf.runs import comparison, scoring

METRIC = "kid24[efficientnet_lite0]"


@pytest.fixture(autouse=True)
def _small_network(monkeypatch):
    small = functools.partial(extractors.efficientnet_lite0_extractor, input_size=32)
    monkeypatch.setitem(extractors.BUILDERS, "efficientnet_lite0", small)
    extractors.built.cache_clear()
    yield
    extractors.built.cache_clear()


def _biggan():
    network = biggan.BigGANGenerator(
        resolution=32, num_channels=1, num_classes=3, ch=2, z_dim=16, shared_dim=4
    )
    for moments in conditional_norm.batch_statistics(network):
        moments.mean.assign(0.1 * tf.ones_like(moments.mean))
    return network


def _stylegan2():
    network = stylegan2.StyleGAN2Generator(
        resolution=16, num_channels=1, num_classes=3, z_dim=8, w_dim=8,
        mapping_layers=2, channel_base=64, channel_max=8,
    )  # fmt: skip
    for name, variable in networks_base.named_variables(network).items():
        if name.endswith("strength"):
            variable.assign(tf.ones_like(variable))  # noise that is seen
    return network


def _source(side=32):
    """64 grey images of three classes, not equally often."""
    made = sources.synthetic(64, side, 1, 3)
    kept = np.flatnonzero((made.labels != 0) | (np.arange(64) % 2 == 0))
    return base.Subset(made, kept)


@pytest.fixture(params=(_biggan, _stylegan2))
def trained(request, tmp_path):
    """(folder of a run with one snapshot, its network in memory, its data)."""
    keras.utils.set_random_seed(3)
    network = request.param()
    folder = tmp_path / "recipe" / "guided"
    folder.mkdir(parents=True)
    path = folder / "network-snapshot-000002.safetensors"
    tensors = files.network_tensors(network, "generator_ema")
    described = {"networks": files.describe({"generator_ema": network})}
    counters = {"counters": {"images": 2000}, "info": {}, "format": 1}
    files.write_tensors(path, tensors, counters | described)
    (folder / run_directory.MARKER).write_text("{}")
    (folder / "DONE").write_text("")
    return folder, network, _source(network.resolution)


def _evaluated(monkeypatch, folder, source, **given):
    """Returns the line that the command writes."""
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
    monkeypatch.setattr(sources, "open_source", lambda name: source)
    cache = str(folder / "cache")
    with flagsaver.flagsaver(
        run=str(folder), data="data", metrics=[METRIC], cache=cache, **given
    ):
        assert evaluate.main([]) == 0
    return scores.read(folder)[-1]


def _compared(folder, source, **given):
    """Returns the line that a recipe's comparison writes."""
    root = folder.parent
    wanted = comparison.Comparison(
        networks={"student": "guided"},
        source=lambda: source,
        metrics=[METRIC],
        rows=1,
        latency_rounds=1,
        **given,
    )
    comparison.run(root, wanted)
    return scores.read(root)[-1]


def _in_training(folder, network, source, seed=0):
    """Returns the line that a training writes at a snapshot."""
    said = []
    summary = tf.summary.create_noop_writer()
    counters = types.SimpleNamespace(images=0)
    parts = types.SimpleNamespace(
        source=source,
        networks=types.SimpleNamespace(generator_ema=network),
        trainer=types.SimpleNamespace(state=types.SimpleNamespace(counters=counters)),
        strategy=tf.distribute.get_strategy(),
    )
    gin.bind_parameter("Evaluation.metrics", [METRIC])
    gin.bind_parameter("Evaluation.every_images", 1000)
    gin.bind_parameter("Evaluation.seed", seed)
    after_save = scoring.in_training(
        parts,
        types.SimpleNamespace(path=folder),
        types.SimpleNamespace(summary=summary, say=said.append),
    )
    counters.images = 2000
    after_save(folder / "network-snapshot-000002.safetensors")
    assert said
    return scores.read(folder)[-1]


@pytest.mark.slow
def test_evaluate_a_recipe_and_a_training_give_the_same_score(trained, monkeypatch):
    folder, network, source = trained
    z = tf.random.stateless_normal([2, network.z_dim], [1, 2])
    before = network(z, tf.constant([0, 2])).numpy()
    one = _evaluated(monkeypatch, folder, source)
    others = [_compared(folder, source), _in_training(folder, network, source)]
    generated = one["protocol"]["generated"]
    assert generated["labels"] == "as in the data"
    styled = hasattr(network, "synthesize")
    assert generated.get("noise") == ("random" if styled else None)
    for other in others:
        assert other["protocol"] == one["protocol"]
        assert other["value"] == one["value"] and other["values"] == one["values"]
        assert other["floor"] == one["floor"]
    np.testing.assert_array_equal(network(z, tf.constant([0, 2])), before)


@pytest.mark.slow
@pytest.mark.parametrize("trained", [_biggan], indirect=True)
def test_repeats_are_told_alike_and_reported(trained, monkeypatch, tmp_path):
    pytest.importorskip("jinja2", reason="the report needs jinja2")
    folder, _, source = trained
    copy = folder / "network-snapshot-000001.safetensors"
    copy.write_bytes((folder / "network-snapshot-000002.safetensors").read_bytes())
    one = _evaluated(monkeypatch, folder, source, repeats=2, checkpoints="all")
    other = _compared(folder, source, repeats=2)
    assert other["protocol"] == one["protocol"]
    assert other["protocol"]["seed"] == [0, 1]
    assert other["values"] == one["values"]
    assert one["values"]["std_of_repeats"] > 0
    found = collect.recipe(folder)
    metric, row = one["metric"], found["scores"][1]
    assert found["metrics"] == [metric]
    assert row["network"] == "network-snapshot-000002.safetensors"
    assert row["images"] == 2000 and row[metric] == one["value"]
    assert row[f"{metric} sd"] == one["values"]["std_of_repeats"]
    path = report.write([folder], tmp_path / "report.html", with_pictures=False)
    text = path.read_text()
    assert f"{one['value']:.4g}" in text and copy.name in text
    assert "2 networks were judged" in text
    # What version 56e1311 wrote.
    old = (folder / "scores.csv").read_text().replace("network,", "snapshot,", 1)
    (folder / "scores.csv").write_text(old)
    assert collect.recipe(folder)["scores"][1]["images"] == 2000


@pytest.mark.slow
def test_a_judge_says_what_it_does_not_know():
    with pytest.raises(ValueError, match="labels='mine' must be one of"):
        judge.open_judge(_source(), [METRIC], labels="mine")
    uniform = judge.open_judge(_source(), [METRIC], labels="uniform")
    data = judge.open_judge(_source(), [METRIC])
    for opened, wanted in ((uniform, "uniform"), (data, "as in the data")):
        score = opened.evaluate(opened.subject(_biggan(), batch_size=8))[0]
        assert score["protocol"]["generated"]["labels"] == wanted
        assert score["protocol"]["generated"]["network"] == "in memory"
        opened.close()
    first = {"generated": {"labels": "uniform"}}
    second = {"generated": {"labels": "as in the data"}}
    assert protocol.differences(first, second)
