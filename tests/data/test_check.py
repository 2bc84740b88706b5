"""The look at a data set, and the command line of the tool."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dglgan_tf.data import base, check, images, prepare, sources, writers

ROOT = Path(__file__).resolve().parents[2]


def _write(path, value, side=8, channels=3):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.RandomState(value).randint(0, 256, (side, side, channels))
    path.write_bytes(images.encode_png(pixels.astype(np.uint8)))


def _check(folder, conditional=True, **arguments):
    return check.check(sources.find(str(folder), **arguments), conditional)


def test_good_data_pass(tmp_path):
    for k in range(12):
        _write(tmp_path / f"{'ab'[k % 2]}/{k}.png", k)
    report = _check(tmp_path)
    assert report.problems == [] and report.warnings == []
    assert "  0 a: 6" in report.lines and "  8x8: 12" in report.lines
    assert "duplicates: 0 images equal another one, pixel by pixel" in report.lines


def test_sheet_shows_each_class_in_its_row():
    pixels = np.zeros((6, 64, 64, 1), np.uint8) + np.arange(6)[:, None, None, None] * 40
    found = base.ArraySource(pixels.astype(np.uint8), [1, 0, 1, 0, 1, 0], ["a", "b"])
    sheet = check.check(found).sheet
    assert sheet.shape == (128, 120 + 640, 3)
    middles = sheet[32::64, 120 + 32 :: 64, 0]
    assert middles[0, :4].tolist() == [40, 120, 200, 255]
    assert middles[1, :4].tolist() == [0, 80, 160, 255]


def test_duplicates_conflicts_and_blank_images(tmp_path):
    for k in range(6):
        _write(tmp_path / f"{'ab'[k % 2]}/{k}.png", 0 if k in (1, 2) else k + 1)
    blank = np.zeros((8, 8, 3), np.uint8)
    (tmp_path / "a/blank.png").write_bytes(images.encode_png(blank))
    report = _check(tmp_path)
    text = " ".join(report.warnings)
    assert "1 groups of equal images have different labels, such as a/2.png" in text
    assert "14.3 % of the images are duplicates" in text
    assert "1 images are of one colour, such as a/blank.png" in text
    assert "  a/2.png = b/1.png" in report.lines


def test_sizes_kinds_and_damage_are_reported(tmp_path):
    for k in range(3):
        _write(tmp_path / f"a/{k}.png", k)
    _write(tmp_path / "b/wide.png", 4, side=12)
    _write(tmp_path / "b/grey.png", 5, channels=1)
    (tmp_path / "b/bad.png").write_bytes(b"bad")
    report = _check(tmp_path)
    text = " ".join(report.warnings)
    assert "images have 2 sizes" in text and "grey images among colour" in text
    assert "1 images cannot be read" in text
    assert any("unreadable: b/bad.png" in line for line in report.lines)
    assert "  PNG L: 1" in report.lines


@pytest.mark.parametrize(
    ("rows", "conditional", "message"),
    [
        ([0, 0, 0], True, "there is one class (0), but the model is conditional"),
        ([2, 2, 2], True, "every image is of class 2"),
        ([2, 2, 2], False, "every image is of class 2"),
        ([0, 2, 2], True, "1 classes have no image, such as 1"),
        (None, True, "there are no labels, but the model is conditional"),
    ],
)
def test_silent_traps_stop(tmp_path, rows, conditional, message):
    for k in range(3):
        _write(tmp_path / f"{k}.png", k)
    labels = [[f"{k}.png", row] for k, row in enumerate(rows)] if rows else None
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
    assert any(message in text for text in _check(tmp_path, conditional).problems)


def test_one_folder_too_high_is_recognised(tmp_path):
    for k in range(4):
        _write(tmp_path / f"train/{'ab'[k % 2]}/{k}.png", k)
    (problem,) = _check(tmp_path).problems
    assert "did you mean the folder train itself" in problem
    assert _check(tmp_path / "train").problems == []


def test_ignored_sub_folders_are_noticed(tmp_path):
    for k in range(4):
        _write(tmp_path / f"{'ab'[k % 2]}/{k}.png", k)
    (tmp_path / "dataset.json").write_text('{"labels": null}')
    report = _check(tmp_path, conditional=False)
    assert "sub-folders that look like classes (a, b)" in " ".join(report.warnings)


def test_large_imbalance_is_a_warning():
    pixels = np.random.RandomState(0).randint(0, 256, (201, 4, 4, 1), np.uint8)
    report = check.check(base.ArraySource(pixels, [0] * 200 + [1]), conditional=True)
    assert "200 times the images of the smallest" in " ".join(report.warnings)
    assert report.problems == []


def test_fingerprint_of_prepared_data_is_compared(tmp_path):
    out = tmp_path / "out"
    manifest = prepare.prepare(sources.synthetic(12, resolution=8), out)
    assert writers.stored_manifest(out) == manifest
    good = check.check(sources.find(str(out)), manifest=manifest)
    assert good.problems == []
    _write(out / "00000/img00000003.png", 3)
    bad = check.check(sources.find(str(out)), manifest=manifest)
    assert "images or labels changed after the conversion" in bad.problems[0]


def _tool(*arguments, command=(ROOT / "tools/prepare_dataset.py",)):
    return subprocess.run(
        [sys.executable, *command, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""},
        timeout=600,
    )


@pytest.mark.slow
def test_tool_converts_checks_and_complains(tmp_path):
    for k in range(6):
        _write(tmp_path / f"in/{'ab'[k % 2]}/{k}.png", k, side=20 + k)
    out = tmp_path / "out.zip"
    done = _tool(
        f"--source={tmp_path / 'in'}",
        f"--dest={out}",
        "--resolution=16x16",
        "--transform=center-crop",
        "--resize-filter=box",
    )
    assert done.returncode == 0, done.stderr
    assert "6 images of 16x16x3, 2 classes, fingerprint" in done.stdout
    assert writers.stored_manifest(out)["settings"]["resize_filter"] == "box"
    sheet = tmp_path / "sheet.png"
    looked = _tool(
        f"--source={tmp_path / 'in' / 'a'}", "--check", "--cond", f"--sheet={sheet}",
        command=("-m", "dglgan_tf.prepare"),
    )  # fmt: skip
    assert looked.returncode == 2 and "Traceback" not in looked.stderr
    assert "there are no labels, but the model is conditional" in looked.stderr
    assert "a: 3 images, 3 readable" in looked.stdout
    with Image.open(sheet) as image:
        assert image.size == (120 + 640, 64)
