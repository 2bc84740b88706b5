"""The tables and the text beside an export."""

import ast
import copy
import re

import pytest

from dglgan_tf.deploy import card

REPORT = {
    "source": {"file": "runs/a/x.safetensors", "role": "generator_ema", "sha256": "ab"},
    "network": {"class": "BigGANGenerator"},
    "facts": {
        "z_dim": 60,
        "resolution": 32,
        "num_channels": 1,
        "num_classes": 2,
        "truncation": "z",
        "untruncated": 5.0,
        "class_names": ["coat", "bag"],
    },
    "parameters": 102657,
    "macs": 7_654_321,
    "seeds": [0, 1, 2],
    "files": {
        "saved_model": {
            "path": "saved_model",
            "bytes": 3 * 2**19,
            "passed": True,
            "differences": [
                {"signature": "generate", "truncation": 0.7, "images": 3, "max": 1.0,
                 "mean": 0.001},
            ],
            "timing": [
                {"threads": 2, "p50_ms": 1.5, "p95_ms": 2.25,
                 "images_per_second": 666.6},
            ],
        },
    },
}  # fmt: skip


def test_tables_hold_the_report_s_numbers():
    lines = card.differences_table(REPORT).splitlines()
    assert (
        lines[-1].split() == "saved_model generate 0.7 3 1.00e+00 1.00e-03 ok".split()
    )
    lines = card.files_table(REPORT).splitlines()
    assert lines[-1].split() == "saved_model 1.50 2 1.5 2.25 666.6".split()
    untimed = copy.deepcopy(REPORT)
    untimed["files"]["saved_model"].pop("timing")
    assert card.files_table(untimed).splitlines()[-1].split()[2:] == ["-"] * 4


def test_card_tells_inputs_classes_and_a_call_that_fits():
    text = card.model_card(REPORT)
    assert "# BigGANGenerator, 32x32, 1 channels" in text
    assert "102.7 k parameters, 7.654 M multiply-accumulates" in text
    assert "`labels` [N] int32, 0 to 1" in text
    assert "Classes: coat, bag." in text
    assert "labels=tf.constant([0] * 4)" in text
    assert "tf.constant(5.0)" in text
    assert "`x.safetensors (generator_ema)`" in text  # no path of this machine
    plain = copy.deepcopy(REPORT)
    plain["facts"] |= {"num_classes": 0, "class_names": [], "truncation": "w"}
    text = card.model_card(plain)
    assert "labels" not in text and "Classes" not in text
    assert "to their mean (1 = none)" in text


def test_a_hub_reads_the_front_matter_and_each_file_has_its_call():
    report = copy.deepcopy(REPORT)
    for path in ("model.onnx", "model-float32.tflite"):
        entry = report["files"]["saved_model"] | {"path": path}
        report["files"][path] = entry
    text = card.model_card(report)
    for call in (
        'saved_model.load("saved_model")', 'InferenceSession("model.onnx")',
        "InferenceSession.create('model.onnx')", 'Interpreter("model-float32.tflite")',
        'session.run(None, {"z": z, "labels": np.zeros(4, np.int32)})',
        "session.run({ z, labels: new ort.Tensor('int32', new Int32Array(1), [1]) })",
    ):  # fmt: skip
        assert call in text, call
    for block in re.findall(r"```python\n(.*?)```", text, re.S):
        ast.parse(block)
    yaml = pytest.importorskip("yaml")
    front = yaml.safe_load(text.split("---")[1])
    assert front["tags"][-1] == "BigGANGenerator" and text.startswith("---\n")
