"""The experiments: suites parse strictly, arms run in order, statistics are right."""

import io
import json
import re
import tarfile

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from dglgan_tf.config import gin_files
from experiments import arms, collect, prepare_emoji


@pytest.mark.parametrize("suite", arms.SUITES.values(), ids=lambda suite: suite.name)
def test_every_arm_is_configured(suite, monkeypatch):
    monkeypatch.chdir(arms.FOLDER.parent)
    gin_files.parse([str(suite.gin_file)], ["train.seed = 3"])
    text = suite.gin_file.read_text() + (arms.FOLDER / "arms.gin").read_text()
    for name, arm in suite.arms.items():
        assert re.search(rf"^{name}/Schedule.total_images = ", text, re.M), name
        if arm.after is not None:
            assert f"{name}/train.initialize_from = '{arm.after}'" in text
            assert list(suite.arms).index(arm.after) < list(suite.arms).index(name)


def test_arms_come_with_those_they_start_from():
    suite = arms.SUITES["fashion_biggan"]
    assert suite.ordered(["c"]) == ["a", "c"]
    assert suite.ordered(["f", "b"]) == ["a", "b", "second", "f"]
    with pytest.raises(ValueError, match="no arm 'z'.*a, b, c"):
        suite.ordered(["a", "z"])


def _row(arm, seed, value):
    return {"arm": arm, "seed": seed, "images": 1, "kid": value}


def test_paired_differences_are_those_of_the_t_test():
    left, right = [0.3, 0.5, 0.4], [0.35, 0.58, 0.41]
    found = [_row("c", s, v) for s, v in enumerate(left)]
    found += [_row("b", s, v) for s, v in enumerate(right)]
    gap = collect.paired(found, "c", "b", "kid")
    expected = stats.ttest_rel(left, right)
    interval = expected.confidence_interval(0.95)
    assert gap["mean"] == pytest.approx(np.mean(np.subtract(left, right)))
    assert gap["p"] == pytest.approx(expected.pvalue)
    assert (gap["low"], gap["high"]) == pytest.approx((interval.low, interval.high))
    assert collect.paired(found[:4], "c", "b", "kid") is None  # one seed has both
    text = collect.comparison(found, ["a", "b", "c"]).splitlines()
    assert len(text) == 3 and text[2].startswith("| c - b | kid | -0.04667 |")


def test_arms_that_did_not_run_are_marked():
    suite = arms.SUITES["fashion_stylegan2"]
    text = collect.table(suite, [_row("a", 0, 0.25), _row("a", 1, 0.35)])
    assert re.search(r"^\| a \|.*\| 2 \| 0\.3 ± 0\.071 \|$", text, re.M)
    assert re.search(r"^\| c \|.*\| not run \|", text, re.M)


def test_results_are_read_from_the_runs(tmp_path):
    suite = arms.SUITES["fashion_biggan"]
    for seed, value in ((0, 0.02), (1, 0.04)):
        folder = tmp_path / f"seed{seed}" / "a"
        folder.mkdir(parents=True)
        line = {
            "results": {"kid1k": value}, "metric": "kid1k", "images": 64,
            "timestamp": 1.0, "values": {"mean": value},
            "snapshot": "a", "protocol": {},
            "floor": {"value": 0.001, "images": 64},
        }  # fmt: skip
        (folder / "metric-kid1k.jsonl").write_text(json.dumps(line) + "\n")
        (folder / "recognised.json").write_text('{"recognised": 0.5}')
        tick = {"images": 64, "timing/total_sec": 3600.0, "d/loss": 0.5}
        tick["timing/cpu_sec_per_tick"] = 5400.0
        later = tick | {"images": 128, "timing/total_sec": 7200.0}
        (folder / "stats.jsonl").write_text(json.dumps(tick) + "\n" + json.dumps(later))
        timed = {"parameters": 4000, "executed": 2e6, "latency": {"p50_ms": 8.0}}
        teacher = {"latency": {"p50_ms": 20.0}}
        (folder / "cost.json").write_text(
            json.dumps({"teacher": teacher, "network": timed})
        )
        Image.new("L", (16, 16), 99).save(folder / "grid.png")
    assert collect.rows(suite, tmp_path) == []  # not done
    (tmp_path / "seed1" / "a" / "DONE").touch()
    (row,) = collect.rows(suite, tmp_path)
    assert (row["arm"], row["seed"], row["kid1k"]) == ("a", 1, 0.04)
    assert (row["recognised"], row["hours"], row["cpu_hours"]) == (0.5, 2.0, 3.0)
    assert (row["params_k"], row["mmacs"], row["speedup"]) == (4.0, 2.0, 2.5)
    written = [path.name for path in collect.write(suite, tmp_path)]
    pictures = ["results.png", "curves.png", "samples.png"]
    assert written == ["results.csv", "results.md", *pictures]
    text = (tmp_path / "results.md").read_text()
    assert "kid1k value 0.001, images 64" in text
    assert "| a | stage one alone | 1 | 0.04 | 0.5 | 4 | 2 | 2.5 | 2 | 3 |" in text
    assert (tmp_path / "results.csv").read_text().startswith("arm,seed,images,kid1k")


def test_emoji_are_base_glyphs_on_white(tmp_path):
    clear = io.BytesIO()
    Image.new("RGBA", (64, 64), (255, 0, 0, 0)).save(clear, "PNG")
    table = [
        {"image": "a.png", "category": "Flags", "has_img_google": True},
        {"image": "b.png", "category": "Component", "has_img_google": True},
    ]
    members = {
        "package/emoji.json": json.dumps(table).encode(),
        "package/img/google/64/a.png": clear.getvalue(),
        "package/img/google/64/b.png": clear.getvalue(),
        "package/img/google/64/a-skin.png": clear.getvalue(),
        "package/img/google/32/a.png": b"another size",
    }
    path = tmp_path / "emoji.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    assert prepare_emoji.glyphs(path) == {"Flags": [("a.png", clear.getvalue())]}
    picture = Image.open(io.BytesIO(prepare_emoji._on_white(clear.getvalue())))
    assert picture.mode == "RGB" and picture.getpixel((5, 5)) == (255, 255, 255)
    path.write_bytes(b"no archive")
    with pytest.raises(ValueError, match="npm pack"):
        prepare_emoji.glyphs(path)
