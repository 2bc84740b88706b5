"""Exports: equal to the source, free of the package, never half written."""

import json
import subprocess
import sys

import numpy as np
import pytest
from support import commands, deploy_networks

from dglgan_tf.compat import tf
from dglgan_tf.deploy import (  # fmt: skip
    card,
    exporting,
    opening,
    parts,
    quality,
    saved_model,
    tflite,
)
from dglgan_tf.evaluation import subjects
from dglgan_tf.foundation import seeding
from dglgan_tf.metrics import image_sets, names
from dglgan_tf.networks import files, stylegan2
from dglgan_tf.sampling import sampler  # fmt: skip

MAKERS = {
    "biggan": lambda: deploy_networks.biggan_generator(),
    "stylegan2": lambda: deploy_networks.stylegan2_generator(3, 1),
}


class Brightness:
    """Stands in for an evaluator: the distance is the mean of ten images."""

    metrics = (names.parse("kid10[brightness]"),)

    def subject(self, judged, **options):
        """Returns what is judged, as `judge.Judge` does."""
        return subjects.make(judged, **options)

    def evaluate(self, subject):
        """Returns one score, as `evaluator.Evaluator` does."""
        (pixels, _), *_ = subject.draw(10)
        protocol = {"real": {"data": "shirts"}, "generated": subject.protocol}
        floor = {"value": 0.25, "images": 10}
        return [{"value": float(pixels.mean()), "floor": floor, "protocol": protocol}]


@pytest.fixture(scope="module", params=MAKERS)
def exported(request, tmp_path_factory):
    """A network, its file and its export."""
    folder = tmp_path_factory.mktemp(request.param)
    network = MAKERS[request.param]()
    path = folder / "network.safetensors"
    info = {"class_names": ["coat", "bag", "boot"]}
    files.save_networks(path, {"generator_ema": network}, info)
    asked = exporting.Request(
        str(path), str(folder / "out"), rounds=2, seeds=(0, 1, 2),
        judge=quality.Distance(Brightness()),
    )  # fmt: skip
    return network, path, folder / "out", exporting.run(asked)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A file of a network whose export is quick."""
    path = tmp_path_factory.mktemp("stored") / "network.safetensors"
    files.save_networks(path, {"generator_ema": MAKERS["biggan"]()})
    return path


@pytest.mark.slow
def test_report_tells_source_files_and_differences(exported):
    network, path, out, report = exported
    assert report["passed"]
    assert json.loads((out / "export_report.json").read_text()) == json.loads(
        json.dumps(report)
    )
    assert report["source"]["file"] == str(path)
    assert len(report["source"]["sha256"]) == 64
    entry = report["files"]["saved_model"]
    assert entry["bytes"] > 50_000 and entry["timing"][-1]["p50_ms"] > 0
    names = {row["signature"] for row in entry["differences"]}
    styled = {"map", "synthesize"} if sampler.has_styles(network) else set()
    assert names == {"generate", "generate_float"} | styled
    assert {row["truncation"] for row in entry["differences"]} >= {0.7}
    assert "coat, bag, boot" in (out / "README.md").read_text()
    assert sorted(p.name for p in out.parent.iterdir()) == [
        "network.safetensors",
        "out",
    ]


@pytest.mark.slow
def test_distance_is_that_of_each_file_s_own_images(exported):
    network, _, out, report = exported
    judged = report["distance"]
    assert set(judged["values"]) == {"source", "saved_model"}
    assert judged["left_out"] == {} and judged["metric"] == "kid10[brightness]"
    expected = 0.0
    feeder = image_sets.GeneratedImages(
        lambda z, labels: sampler.generate(network, z, labels, None),
        network.z_dim,
        network.num_classes,
        batch_size=32,
    )
    for pixels, _ in feeder.draw(10):
        expected = pixels.mean()
    for value in judged["values"].values():
        assert value == pytest.approx(expected, abs=0.01)
    text = (out / "README.md").read_text()
    assert "distance to real images (shirts)" in text and "real: 0.25" in text
    assert f"{judged['values']['saved_model']:.5g}" in card.files_table(report)


@pytest.mark.slow
def test_distance_that_fails_or_takes_long_never_blocks(exported):
    _, _, _, report = exported
    facts = sampler.Facts(4, 8, 1, 0, "z", 5.0)

    def broken(z, labels, truncation):
        return np.full([len(z), 8, 8, 1], np.nan)

    def fine(z, labels, truncation):
        return np.zeros([len(z), 8, 8, 1])

    found = quality.Distance(Brightness()).measure({"a": broken, "b": fine}, facts)
    assert found["values"] == {"b": 128.0} and "NaN" in found["left_out"]["a"]
    found = quality.Distance(Brightness(), patience=0.0).measure({"b": fine}, facts)
    assert found["values"] == {} and found["protocol"] is None
    assert "ask for it with --distance" in found["left_out"]["b"]
    assert "Not measured for b: 10 images" in card.distance_text({"distance": found})


@pytest.mark.slow
def test_saved_model_draws_the_source_s_images(exported):
    network, _, out, _ = exported
    expected = sampler.from_network(network)
    found = opening.load(out)
    assert found.facts == opening.load(out / "saved_model").facts
    assert found.facts.class_names == ("coat", "bag", "boot")
    for truncation in (None, 0.6):
        np.testing.assert_allclose(
            found.images([4, 8, 9], [0, 2, 1], truncation, batch=2),
            expected.images([4, 8, 9], [0, 2, 1], truncation, batch=3),
            atol=1e-5,
        )
    with pytest.raises(ValueError, match="cannot change it"):
        opening.load(out, "random")


_FOREIGN = """
import json, sys
sys.modules["dglgan_tf"] = sys.modules["tf_keras"] = None  # importing them fails
import numpy as np
import tensorflow as tf
folder, z_dim = sys.argv[1], int(sys.argv[2])
model = tf.saved_model.load(folder)
z = np.random.RandomState(3).randn(1, z_dim).astype(np.float32)
images = model.signatures["generate"](
    z=tf.constant(z), labels=tf.constant([1]), truncation_psi=tf.constant(0.8)
)["images"]
assert images.dtype == tf.uint8
np.save(sys.argv[3], images.numpy())
"""


@pytest.mark.slow
def test_saved_model_runs_without_this_package(exported, tmp_path):
    network, _, out, _ = exported
    pixels = tmp_path / "pixels.npy"
    command = [sys.executable, "-I", "-c", _FOREIGN, str(out / "saved_model")]
    subprocess.run(
        [*command, str(network.z_dim), str(pixels)],
        check=True, cwd=tmp_path, timeout=300, capture_output=True,
    )  # fmt: skip
    expected = sampler.from_network(network).images([3], [1], truncation=0.8)
    expected = saved_model.to_uint8(expected).numpy().astype(int)
    assert np.abs(np.load(pixels) - expected).max() <= 1
    assert not (out / "saved_model" / "keras_metadata.pb").exists()


@pytest.mark.slow
def test_a_layer_of_keras_3_takes_it(exported):
    """`TFSMLayer`: plain tensors, and what may be left out."""
    keras = pytest.importorskip("keras", reason="TensorFlow before 2.16")
    network, _, out, _ = exported
    layer = keras.layers.TFSMLayer(str(out / "saved_model"), call_endpoint="call")
    z = tf.random.stateless_normal([4, network.z_dim], [1, 2])
    labels = tf.constant([0, 1, 2, 0])
    plain = layer(z)
    expected = sampler.generate(network, z, labels, None)
    np.testing.assert_allclose(plain, expected, atol=1e-5)  # class i of image i
    moved = layer(z, labels=labels[::-1], truncation_psi=tf.constant(0.5))
    expected = sampler.generate(network, z, labels[::-1], 0.5)
    np.testing.assert_allclose(moved, expected, atol=1e-5)


@pytest.mark.slow
def test_export_again_replaces_an_export_but_nothing_else(stored, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "diary.txt").write_text("mine")
    asked = exporting.Request(str(stored), str(out), rounds=0, seeds=(0,))
    with pytest.raises(ValueError, match="holds no export"):
        exporting.run(asked)
    assert (out / "diary.txt").read_text() == "mine"
    (out / "export_report.json").write_text("{}")
    exporting.run(asked)
    assert sorted(p.name for p in out.iterdir()) == [
        "README.md",
        "export_report.json",
        "saved_model",
    ]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.slow
def test_difference_above_tolerance_leaves_nothing(stored, tmp_path, monkeypatch):
    honest = saved_model.to_uint8

    def darker(images):
        return honest(images - 0.1)

    asked = exporting.Request(str(stored), str(tmp_path / "out"), rounds=0, seeds=(0,))
    write = saved_model.write

    def broken(*arguments):
        monkeypatch.setattr(saved_model, "to_uint8", darker)
        write(*arguments)
        monkeypatch.setattr(saved_model, "to_uint8", honest)

    monkeypatch.setattr(saved_model, "write", broken)
    report = exporting.run(asked)
    assert not report["passed"]
    rows = report["files"]["saved_model"]["differences"]
    assert max(r["max"] for r in rows if r["signature"] == "generate") > 5
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_full_disk_leaves_the_earlier_export(stored, tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    (out / "export_report.json").write_text("{}")

    def no_space(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saved_model, "write", no_space)
    with pytest.raises(OSError, match="No space"):
        exporting.run(exporting.Request(str(stored), str(out)))
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert (out / "export_report.json").read_text() == "{}"


@pytest.mark.parametrize(
    "options,message",
    [
        ({"formats": ("coreml",)}, "must be one or more of"),
        ({"formats": ()}, "must be one or more of"),
        ({"noise": "random"}, "must be const or none"),
        ({"seeds": ()}, "seeds=0 must be 1 or more"),
        ({"batch": 0}, "batch=0 must be 1 or more"),
    ],
)
def test_bad_requests_are_named(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        exporting.run(exporting.Request("x", str(tmp_path / "out"), **options))


@pytest.mark.slow
def test_command_reports_and_refuses(tmp_path):
    network = deploy_networks.biggan_generator(0, 3)
    run = tmp_path / "run"
    path = run / "network-snapshot-000007.safetensors"
    files.save_networks(path, {"generator_ema": network})
    export = commands.Command("dglgan_tf/export.py")
    asked = ["--rounds=0", "--seeds=0-1", f"--network={run}"]
    code, out, said = export(*asked)
    assert code == 0, said
    assert "saved_model" in out and "ok" in out
    assert (run / "export" / "saved_model" / "saved_model.pb").is_file()
    code, out, _ = export(*asked, "--tolerance=1e-9", f"--outdir={tmp_path}/o")
    assert code == 1
    assert "ABOVE TOLERANCE" in out and not (tmp_path / "o").exists()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["biggan"])  # StyleGAN2: with all formats, below
def test_tflite_files_agree_with_the_source(kind):
    network = MAKERS[kind]()
    facts = sampler.generator_facts(network)
    sampler.prepare(network)
    z = seeding.latents(range(3), facts.z_dim)
    labels = np.array([0, 2, 1], np.int32)
    limits = {"float32": 1e-4, "float16": 0.03, "dynamic": 0.4}
    for precision, limit in limits.items():
        content = tflite.convert(network, facts, precision, batch=2)
        run = tflite.open_file(content)
        for truncation in (facts.untruncated, 0.7):
            expected = sampler.generate(network, z, labels, truncation)
            found = run(parts.latents_by_name(z, labels, truncation))
            np.testing.assert_allclose(found, expected, atol=limit)
        assert not any(op.startswith("Flex") for op in tflite.operations(content))


@pytest.mark.slow
def test_dynamic_range_leaves_a_third_of_a_large_file():
    network = deploy_networks.stirred(
        stylegan2.StyleGAN2Generator(
            resolution=16, num_channels=1, z_dim=32, w_dim=32, mapping_layers=1,
            channel_base=4096, channel_max=128,
        )
    )  # fmt: skip
    facts = sampler.generator_facts(network)
    sampler.prepare(network)
    whole = tflite.convert(network, facts, "float32")
    assert 2_000_000 <= len(whole) < 1.15 * 4 * network.count_params()
    assert len(tflite.convert(network, facts, "dynamic")) <= 0.35 * len(whole)
    z = seeding.latents(range(2), facts.z_dim)
    expected = sampler.generate(network, z, None, 0.7)
    found = tflite.open_file(whole)(parts.latents_by_name(z, None, 0.7))
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.slow
def test_all_formats_in_one_call(tmp_path):
    pytest.importorskip("tf2onnx", reason="needs the extra `export`")
    pytest.importorskip("onnxruntime", reason="needs the extra `export`")
    network = deploy_networks.stylegan2_generator(3, 1)
    path = tmp_path / "g.safetensors"
    files.save_networks(path, {"generator": network})
    report = exporting.run(
        exporting.Request(
            str(path),
            str(tmp_path / "out"),
            exporting.FORMATS,
            rounds=2,
            seeds=(0, 5, 6),
            batch=2,
            static=True,
            separate=True,
        )  # fmt: skip
    )
    assert report["passed"]
    whole = {
        "saved_model", "tflite-float32", "tflite-float16", "tflite-dynamic", "onnx",
    }  # fmt: skip
    separate = {f"{n}-{p}" for n in whole for p in ("mapping", "synthesis")}
    separate = {name for name in separate if not name.startswith("saved")}
    assert set(report["files"]) == whole | separate
    for name in separate:
        entry = report["files"].pop(name)
        signature = "map" if "mapping" in name else "synthesize"
        assert {row["signature"] for row in entry["differences"]} == {signature}
        assert {row["images"] for row in entry["differences"]} == {3}
        assert entry["timing"][0]["p50_ms"] > 0
        with pytest.raises(ValueError, match="part of a generator: name the whole"):
            opening.load(tmp_path / "out" / entry["path"])
    expected = opening.load(path).images([7, 8, 9], [2, 0, 1], truncation=0.8)
    for name, entry in report["files"].items():
        assert (tmp_path / "out" / entry["path"]).exists()
        found = opening.load(tmp_path / "out" / entry["path"])
        limit = {"tflite-float16": 0.03, "tflite-dynamic": 0.4}.get(name, 1e-4)
        np.testing.assert_allclose(
            found.images([7, 8, 9], [2, 0, 1], 0.8, batch=2), expected, atol=limit
        )
        assert {row["batch"] for row in entry["timing"]} == {2}
    assert report["files"]["onnx"]["differences"][0]["max"] <= 1e-4


def test_only_style_networks_have_separate_parts():
    network = MAKERS["biggan"]()
    with pytest.raises(ValueError, match="BigGANGenerator has no mapping network"):
        parts.separate(network, sampler.generator_facts(network))


def test_files_away_from_their_report_are_refused(tmp_path):
    path = tmp_path / "model-float32.tflite"
    with pytest.raises(ValueError, match="no file"):
        opening.load(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="keep the files of an export together"):
        opening.load(path)


@pytest.mark.parametrize(
    "precision,signature,largest,mean,passes",
    [
        ("float32", "generate_float", 9e-5, 1e-6, True),
        ("float32", "generate_float", 2e-4, 1e-6, False),
        ("float32", "generate", 1.0, 0.01, True),
        ("float32", "generate", 2.0, 0.01, False),
        ("float16", "generate_float", 0.05, 0.001, True),
        ("float16", "generate_float", 0.05, 0.02, False),
        ("dynamic", "generate_float", 0.5, 0.02, True),
        ("dynamic", "generate_float", 1.9, 0.4, False),
    ],
)
def test_what_each_precision_may_differ(precision, signature, largest, mean, passes):
    row = {"signature": signature, "max": largest, "mean": mean}
    entry = {"precision": precision, "differences": [row]}
    assert exporting._passes(entry, 1e-4) is passes
