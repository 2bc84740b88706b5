"""Traps that names and labels show, in `check` and before a training."""

import numpy as np
import pytest

from dglgan_tf.data import base, check, images, sources, stored, traps

PNG = images.encode_png(np.random.RandomState(0).randint(0, 256, (4, 4, 3), np.uint8))


def _fill(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PNG)
    return folder


def _find(names, labels=None, class_names=(), conditional=True):
    labels = np.zeros(len(names), int) if labels is None else np.array(labels)
    return traps.find(traps.Classes(names, labels, class_names), conditional)


def _by_folders(*names):
    tops = sorted({name.split("/")[0] for name in names})
    return _find(names, [tops.index(name.split("/")[0]) for name in names], tops)


def test_good_classes_have_no_traps():
    assert _by_folders("cat/0.png", "dog/1.png") == ([], [])
    assert _by_folders("cat/a/0.png", "dog/b/1.png") == ([], [])
    # names that happen to be like those of splits
    assert _by_folders("test/0.png", "tube/1.png") == ([], [])


@pytest.mark.parametrize(
    "parts", [("train", "val", "test"), ("Training", "validation")]
)
@pytest.mark.parametrize("deep", [True, False])
def test_parts_of_a_split_are_no_classes(parts, deep):
    pets = ("cat/", "dog/") if deep else ("",)
    names = [f"{part}/{pet}{k}.png" for part in parts for pet in pets for k in (0, 1)]
    (problem,) = _by_folders(*names).problems
    train = parts[0]
    assert "which are the parts of a split and no classes" in problem
    assert f"name the folder {train} as the source" in problem


def test_a_level_too_high_is_recognised():
    names = [f"{site}/{pet}/0.png" for site in ("a", "b") for pet in ("cat", "dog")]
    (problem,) = _by_folders(*names).problems
    assert "every class holds the same sub-folders (cat, dog)" in problem
    warned = traps.find(
        traps.Classes(names, np.array([0, 0, 1, 1]), ["a", "b"]), conditional=False
    )
    assert warned.problems == [] and len(warned.warnings) == 1


@pytest.mark.parametrize(
    ("class_names", "message"),
    [
        (["Cat", "cat"], "differ only in case or blanks: 'Cat' and 'cat'"),
        (["cat", "cat "], "differ only in case or blanks"),
        (["", "dog"], "a class has no name"),
        (["0", "1", "10", "2"], "class 2 is named '10'; --class takes the names"),
        (["1", "2"], "class 0 is named '1'"),
        (["0", "cat"], "mix numbers and words"),
    ],
)
def test_names_that_mislead(class_names, message):
    labels = np.arange(len(class_names))
    (warning,) = _find([], labels, class_names).warnings
    assert message in warning


def test_labels_from_one_leave_class_zero_empty():
    (problem,) = _find([], [1, 2, 3], list("0123")).problems
    assert "1 classes have no image, such as 0: labels seem to count from 1" in problem
    assert _find([], [0, 1, 2, 3], list("0123")) == ([], [])


def test_images_beside_sub_folders_are_said():
    found = _find(["cat/0.png", "dog/1.png", "loose.png"])
    assert (
        "1 images, such as loose.png, lie beside the sub-folders (cat, dog)"
        in (found.warnings[0])
    )
    assert found.problems == ["there are no labels, but the model is conditional"]


def test_table_of_many_classes_is_short():
    classes = traps.Classes([], np.arange(100), [f"c{k}\n" for k in range(100)])
    lines = traps.table(classes, 3)
    assert lines == [
        "classes, 100:",
        "  0 c0\\n: 1",
        "  1 c1\\n: 1",
        "  2 c2\\n: 1",
        "  ... 97 more, of 1 to 1 images",
    ]
    assert len(traps.table(classes)) == 101


def test_a_training_says_what_check_says_without_reading_images(tmp_path, monkeypatch):
    folder = _fill(
        tmp_path / "in",
        *(
            f"{part}/{pet}/{k}.png"
            for part in ("train", "val")
            for pet in "ab"
            for k in "01"
        ),
    )
    (folder / "x.heix").write_bytes(b"")
    (folder / "bird").mkdir()
    source = stored.images(str(folder))
    looked = check.check(sources.find(str(folder)), conditional=True)
    monkeypatch.setattr(images, "decode", None)
    told = check.warnings_of(source)
    assert told[0] == "1 files are not read: 1 .heix" or told[1].startswith("1 files")
    assert any("parts of a split" in text for text in told)
    assert any("folders hold no image" in text for text in told)
    assert set(told) <= {*looked.warnings, *looked.problems}
    assert check.class_table(source) == ["classes, 2:", "  0 train: 4", "  1 val: 4"]
    assert check.warnings_of(base.Subset(source, [0, 7])) == told
    assert check.warnings_of(sources.synthetic(20, 4)) == []
    assert check.warnings_of(sources.synthetic(20, 4, num_classes=0)) == []


def _set_of(folder, array, count=4):
    folder.mkdir()
    for k in range(count):
        sample = np.random.RandomState(k).randint(0, 256, (8, 8)) * array[1] // 255
        path = folder / f"{k}.png"
        images.Image.fromarray((sample + array[0]).astype(array[2])).save(path)
    return check.check(sources.find(str(folder))).warnings


def test_twelve_bits_in_sixteen_are_said(tmp_path):
    (few, dark) = _set_of(tmp_path / "a", (0, 4095, np.uint16))[-2:]
    assert "the 4 images of 16 bits use only 12 of them" in few
    assert "the largest value will be 15 of 255; multiply the samples by 16" in few
    assert "4 of 4 images are nearly black, such as 0.png" in dark
    (few,) = _set_of(tmp_path / "b", (0, 16383, np.uint16))
    assert "use only 14 of them" in few
    assert _set_of(tmp_path / "c", (0, 65535, np.uint16)) == []


def test_nearly_white_and_nearly_black_sets_are_said(tmp_path):
    (dark,) = _set_of(tmp_path / "a", (0, 20, np.uint8))
    assert "4 of 4 images are nearly black" in dark
    (bright,) = _set_of(tmp_path / "b", (235, 20, np.uint8))
    assert "4 of 4 images are nearly white" in bright
    assert _set_of(tmp_path / "c", (0, 255, np.uint8)) == []
