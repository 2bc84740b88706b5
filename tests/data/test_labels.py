"""Classes from dataset.json, CSV files and sub-folders."""

import json

import numpy as np
import pytest

from dglgan_tf.data import labels

NAMES = ["00000/a.png", "00000/b.png", "00001/c.png"]


def _find(names=NAMES, extra=None, choice="auto"):
    return labels.find(names, (extra or {}).get, choice, "here")


def _json(rows, **more):
    return {"dataset.json": json.dumps({"labels": rows, **more}).encode()}


def test_sub_folders_become_classes_in_order_of_names():
    numbers, names = _find(["dog/x.png", "cat/deep/y.png", "dog/z.png"])
    assert numbers.tolist() == [1, 0, 1] and names == ["cat", "dog"]
    assert numbers.dtype == np.int32


def test_numbered_storage_folders_are_no_classes():
    ffhq = ["00000/00000.png", "01000/01000.png"]
    assert _find(ffhq)[1] == []
    assert _find(ffhq, choice="folders")[1] == ["00000", "01000"]
    assert _find(["0/a.png", "1/b.png"])[1] == ["0", "1"]


def test_loose_images_mean_no_classes():
    assert _find(["a.png", "b.png"])[1] == []
    assert _find(["a.png", "dog/b.png"])[1] == []
    with pytest.raises(ValueError, match="a.png and 0 others lie outside"):
        _find(["a.png", "dog/b.png"], choice="folders")


def test_dataset_json_numbers_onehot_and_names():
    numbers, names = _find(extra=_json([[n, i] for i, n in enumerate(NAMES)]))
    assert numbers.tolist() == [0, 1, 2] and names == ["0", "1", "2"]
    onehot = [[0, 1], [1, 0], [0, 1]]
    rows = [list(row) for row in zip(NAMES, onehot, strict=True)]
    assert _find(extra=_json(rows))[0].tolist() == [1, 0, 1]
    rows = [[n, 0] for n in NAMES]
    assert _find(extra=_json(rows, class_names=["x", "y"]))[1] == ["x", "y"]
    assert _find(extra=_json(None))[1] == []


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[NAMES[0], 1]], "no class for 00000/b.png .and 1 other"),
        ([[n, -1] for n in NAMES], "label -1 is out of range"),
        ([[n, "dog"] for n in NAMES], "label of 00000/a.png is 'dog'"),
        ([[n, [1, 1]] for n in NAMES], "neither a class number nor one-hot"),
        ([1, 2], "not of the form"),
    ],
)
def test_wrong_dataset_json(rows, message):
    with pytest.raises(ValueError, match=message):
        _find(extra=_json(rows))


def test_label_beyond_the_class_names():
    with pytest.raises(
        ValueError, match="label 2 is out of range; there are 2 classes"
    ):
        _find(extra=_json([[n, 2] for n in NAMES], class_names=["x", "y"]))


@pytest.mark.parametrize(
    ("text", "numbers", "class_names"),
    [
        ("00000/a.png,2\n00000/b.png,0\n00001/c.png,1\n", [2, 0, 1], ["0", "1", "2"]),
        (
            "split,label,filename\nx,dog,00000/a.png\nx,cat,00000/b.png\n"
            "x,dog,00001/c.png\n",
            [1, 0, 1],
            ["cat", "dog"],
        ),
        ("00000/a,x\n00000/b,y\n00001/c,x\n", [0, 1, 0], ["x", "y"]),
        (
            "00000/a.png,0\n00000/b.png,0\n00001/c.png,1\nother.png,5\n",
            [0, 0, 1],
            ["0", "1"],
        ),
    ],
)
def test_csv(tmp_path, text, numbers, class_names):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    found = _find(choice=str(path))
    assert found[0].tolist() == numbers and found[1] == class_names


def test_wrong_csv(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("00000/a.png,0\n")
    with pytest.raises(ValueError, match="labels.csv: no class for 00000/b.png"):
        _find(choice=str(path))
    path.write_text("00000/a.png\n")
    with pytest.raises(ValueError, match="an image name and a class"):
        _find(choice=str(path))
    with pytest.raises(ValueError, match="there is no such file"):
        _find(choice=str(tmp_path / "none.csv"))
