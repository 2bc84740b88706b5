"""The sources by name: embedded, idx folders, synthetic, subsets."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dglgan_tf.data import base, idx, sources

ROOT = Path(__file__).resolve().parents[2]
FULL_SET = pytest.mark.skipif(
    not sources.FASHION_MNIST_FOLDER.is_dir(),
    reason="the package dataset-fashion-mnist is not installed",
)


def test_embedded_is_balanced_small_and_padded():
    source = sources.embedded()
    assert source.num_examples == 10_000 and source.num_classes == 10
    np.testing.assert_array_equal(np.bincount(source.labels), np.full(10, 1000))
    assert (source.resolution, source.num_channels) == (32, 1)
    images = source.images(np.arange(100))
    inner = sources.embedded(resolution=None).images(np.arange(100))
    assert images.shape == (100, 32, 32, 1) and inner.shape == (100, 28, 28, 1)
    np.testing.assert_array_equal(images[:, 2:30, 2:30], inner)
    assert images[:, :2].max() == 0 and images[:, :, 30:].max() == 0
    files = list(sources.EMBEDDED_FOLDER.glob("*.gz"))
    assert sum(file.stat().st_size for file in files) < 5_000_000
    assert "Zalando" in (sources.EMBEDDED_FOLDER / "LICENSE").read_text()


@FULL_SET
def test_embedded_are_the_first_thousand_of_each_class():
    images, labels = idx.read_split(sources.FASHION_MNIST_FOLDER, "train")
    source = sources.embedded(resolution=None)
    for c in range(10):
        own = source.images(np.flatnonzero(source.labels == c))[..., 0]
        np.testing.assert_array_equal(own, images[labels == c][:1000])


@FULL_SET
@pytest.mark.slow
def test_tool_rebuilds_the_embedded_files_byte_for_byte(tmp_path):
    subprocess.run(
        [sys.executable, ROOT / "tools/embed_fashion_mnist.py", f"--out={tmp_path}"],
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=300,
    )
    for path in sources.EMBEDDED_FOLDER.glob("*.gz"):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


@FULL_SET
@pytest.mark.parametrize(
    ("split", "size"), [("train", 60_000), ("test", 10_000), ("all", 70_000)]
)
def test_full_set(split, size):
    source = sources.fashion_mnist(split)
    assert source.num_examples == size and source.resolution == 32
    np.testing.assert_array_equal(np.bincount(source.labels), np.full(10, size // 10))


def test_missing_full_set_says_how_to_get_it(tmp_path):
    with pytest.raises(ValueError, match="apt-get install dataset-fashion-mnist"):
        sources.fashion_mnist(folder=str(tmp_path / "nothing"))
    with pytest.raises(ValueError, match="train-images-idx3-ubyte"):
        sources.fashion_mnist(folder=str(tmp_path))


def test_idx_round_trip(tmp_path):
    images = np.random.RandomState(0).randint(0, 256, (7, 5, 5), np.uint8)
    labels = np.arange(7, dtype=np.uint8) % 3
    idx.write(tmp_path / "train-images-idx3-ubyte.gz", images)
    idx.write(tmp_path / "train-labels-idx1-ubyte.gz", labels)
    first = (tmp_path / "train-images-idx3-ubyte.gz").read_bytes()
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(gzip.decompress(first))
    idx.write(tmp_path / "t10k-labels-idx1-ubyte.gz", labels)
    source = sources.idx_files(str(tmp_path), "all", 8, ("a", "b", "c"), 9)
    assert source.num_examples == 14 and source.class_names == ["a", "b", "c"]
    got = source.images(np.arange(14))
    np.testing.assert_array_equal(got[:7, 1:6, 1:6, 0], images)
    np.testing.assert_array_equal(got[7:], got[:7])
    assert (got[:, 0] == 9).all() and (got[:, 6:] == 9).all()


def _damage(content, kind):
    if kind == "gzip":
        return content[: len(content) // 2]
    raw = gzip.decompress(content)
    return {"short": raw[:-1], "magic": b"PK" + raw[2:], "header": raw[:6]}[kind]


@pytest.mark.parametrize("kind", ["gzip", "short", "magic", "header"])
def test_damaged_idx_files_are_named(tmp_path, kind):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    idx.write(path, np.ones((3, 4, 4), np.uint8))
    path.write_bytes(_damage(path.read_bytes(), kind))
    with pytest.raises(ValueError, match="train-images-idx3-ubyte"):
        idx.read(path)


def test_idx_files_that_do_not_belong_together(tmp_path):
    idx.write(tmp_path / "train-images-idx3-ubyte.gz", np.ones((3, 4, 4), np.uint8))
    idx.write(tmp_path / "train-labels-idx1-ubyte.gz", np.ones(2, np.uint8))
    with pytest.raises(ValueError, match="do not belong together"):
        sources.idx_files(str(tmp_path))
    with pytest.raises(ValueError, match="split='valid'"):
        sources.idx_files(str(tmp_path), "valid")
    with pytest.raises(ValueError, match="no such file or folder"):
        sources.idx_files(str(tmp_path / "none"))


def test_fingerprint_follows_pixels_labels_and_names():
    images = np.arange(64, dtype=np.uint8).reshape(4, 4, 4)
    original = base.ArraySource(images, [0, 1, 0, 1]).fingerprint()
    assert base.ArraySource(images.copy(), [0, 1, 0, 1]).fingerprint() == original
    changed = images.copy()
    changed[3, 3, 3] += 1
    assert base.ArraySource(changed, [0, 1, 0, 1]).fingerprint() != original
    assert base.ArraySource(images, [0, 1, 1, 0]).fingerprint() != original
    assert base.ArraySource(images, [0, 1, 0, 1], "ab").fingerprint() != original
    assert base.ArraySource(images).fingerprint() != original


def test_synthetic_classes_are_told_by_their_bar():
    source = sources.synthetic(num_examples=40, resolution=20, num_classes=10)
    images = source.images(np.arange(40))
    assert images.shape == (40, 20, 20, 3)
    bars = images.astype(int).sum(axis=(1, 3)).argmax(axis=1)
    np.testing.assert_array_equal(bars, source.labels * 2)
    assert sources.synthetic(8, num_classes=0).num_classes == 0


def test_subset_is_stable_and_keeps_labels():
    source = sources.synthetic(num_examples=50, resolution=8)
    part = sources.subset(source, 20)
    again = sources.subset(source, 20)
    assert part.num_examples == 20 and part.num_classes == 10
    np.testing.assert_array_equal(part.images([0, 19]), again.images([0, 19]))
    assert part.fingerprint() == again.fingerprint() != source.fingerprint()
    every = {image.tobytes(): label for image, label in source}
    assert all(every[image.tobytes()] == label for image, label in part)
    first = sources.subset(source, 5, seed=None)
    np.testing.assert_array_equal(first.images(range(5)), source.images(range(5)))
    with pytest.raises(ValueError, match="max_images=51"):
        sources.subset(source, 51)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": np.zeros((0, 4, 4), np.uint8)}, "no images"),
        ({"images": np.zeros((2, 4, 4), np.float32)}, "must be uint8"),
        ({"images": np.zeros((2, 4, 4, 4), np.uint8)}, "4 channels"),
        ({"images": np.zeros((2, 4, 4), np.uint8), "labels": [0]}, "1 labels"),
        (
            {
                "images": np.zeros((2, 4, 4), np.uint8),
                "labels": [0, 2],
                "class_names": ["a", "b"],
            },
            "label 2 of image 1 is out of range",
        ),
        ({"images": np.zeros((2, 4, 4), np.uint8), "resolution": 2}, "smaller"),
    ],
)
def test_wrong_arrays_get_one_sentence(arguments, message):
    with pytest.raises(ValueError, match=message):
        base.ArraySource(**arguments)


def test_only_square_images_train():
    source = base.ArraySource(np.zeros((2, 4, 6, 1), np.uint8))
    with pytest.raises(ValueError, match="4x6 .* not square"):
        _ = source.resolution
