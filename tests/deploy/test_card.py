"""The tables and the text beside an export."""

import copy

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
    plain = copy.deepcopy(REPORT)
    plain["facts"] |= {"num_classes": 0, "class_names": [], "truncation": "w"}
    text = card.model_card(plain)
    assert "labels" not in text and "Classes" not in text
    assert "to their mean (1 = none)" in text
