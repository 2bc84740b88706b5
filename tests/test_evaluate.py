"""The evaluate command: runs, folders, statistics, repeats, bad input."""

import dataclasses
import functools
import json
import re

import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver

from dglgan_tf import evaluate
from dglgan_tf.compat import keras, tf
from dglgan_tf.data import sources
from dglgan_tf.evaluation import subjects
from dglgan_tf.foundation import pictures
from dglgan_tf.layers import conditional_norm
from dglgan_tf.metrics import (
    extractors,
    names,
    path_length,
    path_score,
    scores,
    statistics_file,
)
from dglgan_tf.networks import biggan, files, stylegan2

ASKED = "kid40[efficientnet_lite0]"
KID = "kid40[efficientnet_lite0_32]"


@pytest.fixture(autouse=True)
def _small_network(monkeypatch):
    """EfficientNet-Lite0 on 32 pixels instead of 224: the same code, much faster."""
    small = functools.partial(extractors.efficientnet_lite0_extractor, input_size=32)
    monkeypatch.setitem(extractors.BUILDERS, "efficientnet_lite0", small)
    extractors.built.cache_clear()
    yield
    extractors.built.cache_clear()


def small_generator(seed=0):
    keras.utils.set_random_seed(seed)
    return biggan.BigGANGenerator(
        resolution=32, num_channels=1, num_classes=10, ch=2, z_dim=16, shared_dim=4
    )


@pytest.fixture()
def run(tmp_path):
    """A run directory with two snapshots and the configuration of its data."""
    folder = tmp_path / "run"
    folder.mkdir()
    for number in (1, 2):
        header = {"counters": {"images": 1000 * number}, "info": {}}
        network = small_generator(number)
        tensors = files.network_tensors(network, "generator_ema")
        described = {"networks": files.describe({"generator_ema": network})}
        path = folder / f"network-snapshot-{number:06d}.safetensors"
        files.write_tensors(path, tensors, header | described | {"format": 1})
    (folder / "training_options.json").write_text("{}")
    (folder / "config.gin").write_text(
        "train.source = @synthetic\nsynthetic.num_channels = 1\n"
        "synthetic.num_examples = 100\n"
    )
    (folder / "DONE").write_text("")
    return folder


@pytest.fixture()
def command(tmp_path, monkeypatch, capsys):
    """Returns a function that runs the command and gives its output."""
    monkeypatch.chdir(tmp_path)
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()

    def call(words=(), **given):
        given = {"cache": str(tmp_path / "cache"), "metrics": [ASKED]} | given
        with flagsaver.flagsaver(**given):
            assert evaluate.main(["evaluate", *words]) == 0
        return capsys.readouterr().out

    return call


@pytest.mark.slow
def test_all_snapshots_then_the_best(run, command):
    text = command(run=str(run), checkpoints="all")
    lines = [line for line in scores.read(run) if line["metric"] == KID]
    assert [line["images"] for line in lines] == [1000, 2000]
    assert text.count(KID) == 2 and "real against real" in text
    table = (run / "scores.csv").read_text().splitlines()
    assert table[0] == f"network,images,{KID}" and len(table) == 3
    protocol = lines[0]["protocol"]
    assert protocol["generated"]["weights"] == "generator_ema"
    assert protocol["generated"]["batch_norm"] == "running"
    assert protocol["real"]["data"] == "synthetic"
    best = min(lines, key=lambda line: line["value"])
    text = command(run=str(run), checkpoints="best", seed=7)
    assert text.startswith(best["snapshot"])
    assert any(path.name.startswith("events.out") for path in run.iterdir())


@pytest.mark.slow
def test_repeats_and_the_cache(run, command, tmp_path):
    text = command(run=str(run), repeats=2)
    assert "2 repeats" in text
    entries = sorted((tmp_path / "cache").iterdir())
    assert len(entries) == 1 and entries[0].name.startswith("reals-")
    stamp = (entries[0] / "moments.npz").stat().st_mtime_ns
    text = command(run=str(run), continuous=True, poll_seconds=0.01)
    assert text.count(KID) == 2  # every snapshot once; the run is done
    assert sorted((tmp_path / "cache").iterdir()) == entries
    assert (entries[0] / "moments.npz").stat().st_mtime_ns == stamp
    with pytest.raises(ValueError, match="real.mirror: False against True"):
        command(run=str(run), mirror=True)
    assert len(list((tmp_path / "cache").iterdir())) == 2


@pytest.mark.slow
def test_a_single_network_with_its_teacher(run, command, tmp_path):
    network = str(run / "network-snapshot-000001.safetensors")
    command(network=network, data="synthetic", teacher=network, agreement=8)
    # the synthetic default has three channels: features do not mind, pixels agree
    line = [x for x in scores.read(run) if x["metric"].startswith("agreement8")][-1]
    assert line["value"] == pytest.approx(0, abs=1e-6)
    assert line["values"]["ssim"] == pytest.approx(1)
    assert line["values"]["pixel_rmse"] == 0


def test_folder_against_folder_and_statistics(command, tmp_path):
    pixels = sources.synthetic(60, 32, 1, 0).images(range(60))
    for name, noise in (("a", 0), ("b", 40)):
        for index, image in enumerate(pixels):
            rng = np.random.default_rng(index)
            image = image + rng.normal(0, noise, image.shape) if noise else image
            image = np.clip(image, 0, 255).astype(np.uint8)
            pictures.save_png(tmp_path / name / f"{index:03d}.png", image)
    fid = "fid50_full[efficientnet_lite0]"
    stats = str(tmp_path / "stats.npz")
    command(data=str(tmp_path / "a"), save_stats=stats, metrics=[fid])
    moments, _ = statistics_file.read(stats)
    assert moments.count == 60 and moments.mean.shape == (1280,)
    command(images=str(tmp_path / "a"), real_stats=stats, metrics=[fid])
    command(images=str(tmp_path / "b"), real_stats=stats, metrics=[fid])
    command(images=str(tmp_path / "b"), data=str(tmp_path / "a"), metrics=[fid])
    same, noisy, again = [line["value"] for line in scores.read(tmp_path)]
    assert same < 0.5 * noisy
    assert again == pytest.approx(noisy, rel=1e-6)
    with pytest.raises(ValueError, match="only mean and covariance"):
        command(
            images=str(tmp_path / "a"),
            real_stats=stats,
            metrics=["kid40_full[efficientnet_lite0]"],
        )


@pytest.mark.parametrize(
    ("given", "message"),
    (
        ({}, "name one of --run, --network and --images"),
        ({"run": "x", "images": "y"}, "name one of"),
        ({"images": "a.npz", "continuous": True}, "give --run"),
        ({"images": "a.npz"}, "no real images"),
        ({"images": "missing.npz", "data": "synthetic"}, "no images at missing.npz"),
        ({"run": "empty"}, "is no run"),
        ({"run": "empty", "data": "synthetic"}, "no snapshot in empty"),
        ({"images": "a.npz", "data": "empty"}, "empty"),
        ({"images": "a.npz", "real_stats": "a.npz"}, "neither mu and sigma"),
        (
            {"images": "a.npz", "data": "synthetic", "metrics": ["fid50k_full"]},
            "weights of inception are not part",
        ),
        (
            {
                "images": "a.npz",
                "data": "synthetic",
                "inception": "inception-2015-12-05.pt",
                "metrics": ["fid1k"],
            },
            "is a TorchScript program",
        ),
        (
            {
                "images": "a.npz",
                "data": "synthetic",
                "metrics": ["ppl2_zend[efficientnet_lite0]"],
            },
            "needs a generator",
        ),
    ),
)
def test_bad_input_gets_one_sentence(command, tmp_path, given, message):
    (tmp_path / "empty").mkdir()
    np.savez(tmp_path / "a.npz", images=np.zeros((50, 8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match=message):
        command(**given)
    cache = tmp_path / "cache"
    left = [p.name for p in cache.iterdir()] if cache.is_dir() else []
    assert not [name for name in left if name.startswith(".")]


def test_statistics_of_another_dimension_are_refused(command, tmp_path):
    np.savez(tmp_path / "s.npz", mu=np.zeros(4), sigma=np.eye(4))
    np.savez(tmp_path / "a.npz", images=np.zeros((50, 8, 8, 3), np.uint8))
    with pytest.raises(
        ValueError, match="dimension 4, but efficientnet_lite0_32 gives"
    ):
        command(
            images="a.npz",
            real_stats="s.npz",
            metrics=["fid9_full[efficientnet_lite0]"],
        )


@pytest.mark.slow
def test_scores_of_different_protocols_are_not_tabled(run, command, tmp_path):
    command(run=str(run))
    with pytest.raises(ValueError, match="resize: 'clean' against 'legacy_pytorch'"):
        command(run=str(run), resize="legacy_pytorch")
    command(run=str(run), resize="legacy_pytorch", force=True)


def test_judging_leaves_the_averaged_network_alone(run):
    """Inference mode: neither moments nor spectral vectors of the EMA move."""
    path = run / "network-snapshot-000001.safetensors"
    subject = subjects.make(str(path), batch_size=8)
    first = np.concatenate([x for x, _ in subject.draw(24, seed=3)])
    second = np.concatenate([x for x, _ in subject.draw(24, seed=3)])
    np.testing.assert_array_equal(first, second)
    wanted = small_generator(1)
    z, labels = next(subject.latents(8, False, 3))
    made = wanted(tf.constant(z), tf.constant(labels), training=False)
    np.testing.assert_allclose(
        np.int32(pictures.to_uint8(made.numpy())), first[:8], atol=1
    )


@pytest.mark.slow
def test_standing_statistics_are_means_over_passes(run):
    path = str(run / "network-snapshot-000001.safetensors")
    network = files.load_networks(path, ["generator_ema"])["generator_ema"]
    running = [
        m.mean.numpy().copy() for m in conditional_norm.batch_statistics(network)
    ]
    subjects.standing_statistics(network, 8)
    standing = [
        m.mean.numpy().copy() for m in conditional_norm.batch_statistics(network)
    ]
    subjects.standing_statistics(network, 8)
    again = [m.mean.numpy() for m in conditional_norm.batch_statistics(network)]
    for one, two in zip(standing, again, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)
    moved = zip(running, standing, strict=True)
    assert max(np.abs(a - b).max() for a, b in moved) > 1e-3
    subject = subjects.make(path, batch_norm="standing", batch_size=8)
    assert subject.protocol["batch_norm"] == "standing"


@pytest.mark.slow
def test_replicas_share_a_batch_and_give_the_same_images(run, logical_devices):
    path = str(run / "network-snapshot-000001.safetensors")
    strategy = tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"],
        cross_device_ops=tf.distribute.ReductionToOneDevice(),
    )
    one = subjects.make(path, batch_size=8)
    two = subjects.make(path, batch_size=8, strategy=strategy)
    for (first, _), (second, _) in zip(one.draw(20), two.draw(20), strict=True):
        np.testing.assert_allclose(np.int32(first), np.int32(second), atol=1)


def test_lines_have_the_fields_of_the_known_tools(tmp_path):
    score = {
        "metric": "fid50k_full",
        "value": 3.5,
        "values": {},
        "floor": None,
        "protocol": {"resize": "clean"},
        "seconds": 1.0,
    }
    scores.append(tmp_path, score, "network-snapshot-000001.safetensors", 1000)
    with open(tmp_path / "metric-fid50k_full.jsonl", "a") as file:
        file.write('{"results": {"fid50k_full": 1')  # a process was stopped here
    line = json.loads(
        (tmp_path / "metric-fid50k_full.jsonl").read_text().split("\n")[0]
    )
    assert line["results"] == {"fid50k_full": 3.5}
    for field in ("metric", "total_time", "num_gpus", "snapshot", "timestamp"):
        assert field in line
    assert len(scores.read(tmp_path)) == 1
    assert scores.higher_is_better("is50k") and scores.higher_is_better("pr50k3_full")
    assert not scores.higher_is_better("fid50k") and not scores.higher_is_better(
        "kid1k"
    )


@pytest.fixture()
def styled(tmp_path):
    """A file with a StyleGAN2 generator of two classes."""
    keras.utils.set_random_seed(4)
    network = stylegan2.StyleGAN2Generator(
        resolution=16, num_classes=2, z_dim=8, w_dim=8, mapping_layers=2,
        channel_base=64, channel_max=8,
    )  # fmt: skip
    files.save_networks(tmp_path / "g.safetensors", {"generator_ema": network})
    return tmp_path / "g.safetensors"


@pytest.mark.slow
def test_path_lengths_follow_the_networks_two_halves(styled):
    """The score equals the distances along w and z, worked out step by step."""
    subject = subjects.make(str(styled), batch_size=8)
    assert subject.protocol["noise"] == "random"
    network = files.load_networks(styled, ["generator_ema"])["generator_ema"]

    def squared(first, second):
        return ((first - second) ** 2).mean((1, 2, 3))

    z0, z1, t, labels = next(subject.pairs(4, seed=2))
    assert z0.shape == (4, 8) and labels.shape == (4,)
    for name in ("ppl2_4_wend", "ppl2_4_wfull", "ppl2_4_zfull"):
        metric = names.parse(name)
        found = path_score.score(metric, subject, squared, seed=2)
        position = t if metric.path[1] == "full" else np.zeros(4)
        made = []
        for step in (0.0, 1e-4):
            if metric.path[0] == "w":
                w0, w1 = (network.map(z, labels).numpy() for z in (z0, z1))
                w = w0 + (w1 - w0) * (position + step)[:, None, None]
            else:
                z = path_length.slerp(z0, z1, position + step).astype(np.float32)
                w = network.map(z, labels).numpy()
            made.append(network.synthesize(w.astype(np.float32)).numpy() * 127.5)
        wanted = squared(*made).mean() / 1e-8
        # A step of 1e-4 in float32 keeps two to three digits.
        assert found["value"] == pytest.approx(wanted, rel=0.05)
        assert found["values"]["untrimmed"] == pytest.approx(found["value"])
    with pytest.raises(ValueError, match="has no mapping network: ask for ppl2_4_z"):
        alone = dataclasses.replace(subject, path=None)
        path_score.score(names.parse("ppl2_4_wend"), alone, squared, seed=2)


@pytest.mark.slow
def test_truncation_and_noise_are_part_of_the_protocol(styled, command, tmp_path):
    command(
        network=str(styled),
        data="synthetic",
        trunc=0.5,
        noise_mode="const",
        labels="uniform",
        metrics=["kid20[efficientnet_lite0]", "ppl2_6_wend[efficientnet_lite0]"],
    )
    lines = {line["metric"].split("[")[0]: line for line in scores.read(tmp_path)}
    generated = lines["kid20"]["protocol"]["generated"]
    assert generated["truncation"] == 0.5 and generated["noise"] == "const"
    assert generated["labels"] == "uniform"
    assert lines["ppl2_6_wend"]["value"] > 0
    assert "real" not in lines["ppl2_6_wend"]["protocol"]
    with pytest.raises(ValueError, match="batch_norm='moving' must be one of"):
        subjects.make(str(styled), batch_norm="moving")


def test_two_sets_as_pytorch_fid_takes_them(command, tmp_path):
    """All images of both sides; statistics in place of the second."""
    made = np.random.RandomState(0).randint(0, 255, [60, 32, 32, 1], np.uint8)
    np.savez(tmp_path / "a.npz", images=made)
    np.savez(tmp_path / "b.npz", images=made[:50])
    stats = str(tmp_path / "stats.npz")
    metric = "fid[efficientnet_lite0]"
    same = command(words=("a.npz", "a.npz"), metrics=[metric])
    assert "fid60_full" in same
    other = command(words=("a.npz", "b.npz"), metrics=[metric], save_stats=stats)
    stored = command(words=("a.npz", stats), metrics=[metric])
    said = [text.splitlines()[-1].split("] ")[1] for text in (same, other, stored)]
    value = [float(re.match(r"[\d.e-]+", text)[0]) for text in said]
    assert abs(value[0]) < 1e-3 < value[1] == pytest.approx(value[2], rel=1e-5)
    with pytest.raises(ValueError, match="unexpected argument 'a'"):
        command(words=("a",))


def test_bare_names_count_the_images():
    for name, wanted in [
        ("fid", "fid7_full"), ("kid[x]", "kid7_full[x]"), ("is", "is7"),
        ("pr", "pr7_full"), ("fid50k", "fid50k"), ("ifid", "ifid"),
    ]:  # fmt: skip
        assert names.counted(name, 7) == wanted
