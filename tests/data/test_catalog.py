"""TensorFlow Datasets and the extracted ILSVRC tree."""

import logging
import warnings

import numpy as np
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.data import catalog, images, pipeline, sources, stored


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A prepared dataset 'tiny': (data_dir, folder, {pixels: class})."""
    pytest.importorskip("importlib_resources", reason="TFDS cannot write without it")
    tfds = pytest.importorskip("tensorflow_datasets")
    tfds.disable_progress_bar()
    level = logging.getLogger("absl").level
    logging.getLogger("absl").setLevel(logging.ERROR)
    pixels = np.random.RandomState(0).randint(0, 256, (12, 8, 8, 3), np.uint8)
    labels = np.arange(12) % 3
    features = tfds.features.FeaturesDict(
        {
            "label": tfds.features.ClassLabel(names=["x", "y", "z"]),
            "image": tfds.features.Image(shape=(8, 8, 3), encoding_format="png"),
        }
    )

    def part(size):
        content = {"image": pixels[:size], "label": labels[:size]}
        return tf.data.Dataset.from_tensor_slices(content)

    data_dir = tmp_path_factory.mktemp("tfds")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        builder = tfds.dataset_builders.store_as_tfds_dataset(
            name="tiny",
            version="1.0.0",
            features=features,
            split_datasets={"train": part(12), "test": part(2)},
            data_dir=str(data_dir),
        )
    logging.getLogger("absl").setLevel(level)
    expected = {p.tobytes(): label for p, label in zip(pixels, labels, strict=True)}
    return str(data_dir), str(builder.data_dir), expected


def test_tfds_by_name_keeps_pixels_and_labels(tiny):
    data_dir, folder, expected = tiny
    source = stored.tfds("tiny", data_dir=data_dir)
    assert source.class_names == ["x", "y", "z"] and source.resolution == 8
    assert {image.tobytes(): label for image, label in source} == expected
    assert stored.tfds("tiny", "train[:5]", data_dir).num_examples == 5
    assert stored.tfds("tiny", "train[25%:]", data_dir).num_examples == 9
    by_folder = sources.open_source(folder, split="test")
    assert by_folder.num_examples == 2 and by_folder.name == "tiny"
    dataset = pipeline.make_dataset(source, 6, repeat=False, num_classes=3)
    seen = np.concatenate([batch["labels"] for batch in dataset])
    np.testing.assert_array_equal(np.bincount(seen), [4, 4, 4])


@pytest.mark.parametrize(
    ("name", "split", "message"),
    [
        ("no_such_set", "train", "no_such_set: cannot be opened"),
        ("cifar10", "train", "not prepared in .*tfds build cifar10"),
        ("tiny", "valid", "split='valid' must be one of train, test"),
    ],
)
def test_tfds_mistakes_get_one_sentence(tiny, name, split, message):
    with pytest.raises(ValueError, match=message):
        stored.tfds(name, split, tiny[0])


WNIDS = ["n01440764", "n01443537", "n02105855"]


@pytest.fixture
def tree(tmp_path):
    """ILSVRC with three classes of two training and one validation image each."""
    root = tmp_path / "ILSVRC/Data/CLS-LOC"
    for number, wnid in enumerate(WNIDS):
        for k in range(2):
            path = root / f"train/{wnid}/{wnid}_{k}.JPEG"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_png(10 * number + k))
    (root / "val").mkdir()
    lines = ["ImageId,PredictionString"]
    for k, wnid in enumerate(reversed(WNIDS)):
        name = f"ILSVRC2012_val_{k:08d}"
        (root / f"val/{name}.JPEG").write_bytes(_png(k))
        lines.append(f"{name},{wnid} 1 2 3 4 ")
    (tmp_path / "LOC_val_solution.csv").write_text("\n".join(lines))
    return tmp_path


def _png(value):
    return images.encode_png(np.full((8, 8, 3), value, np.uint8))


def test_ilsvrc_train_and_flat_validation(tree):
    train = sources.open_source(str(tree))
    assert train.class_names == WNIDS and train.labels.tolist() == [0, 0, 1, 1, 2, 2]
    pixels = train.images(range(6))[:, 0, 0, 0]
    assert pixels.tolist() == [0, 1, 10, 11, 20, 21]
    assert catalog.find_ilsvrc(tree.parent, "train") is None
    inner = stored.ilsvrc(str(tree / "ILSVRC/Data/CLS-LOC"))
    assert inner.fingerprint() == train.fingerprint()
    validation = sources.open_source(str(tree), split="val")
    assert validation.labels.tolist() == [2, 1, 0]
    assert validation.class_names == WNIDS


def test_ilsvrc_mistakes(tree):
    with pytest.raises(ValueError, match="no test/ beside a train/"):
        stored.ilsvrc(str(tree), "test")
    (tree / "LOC_val_solution.csv").write_text("ImageId,PredictionString\n")
    with pytest.raises(ValueError, match="no class for ILSVRC2012_val_00000000"):
        stored.ilsvrc(str(tree), "val")
    (tree / "LOC_val_solution.csv").unlink()
    with pytest.raises(ValueError, match="flat images need LOC_val_solution.csv"):
        stored.ilsvrc(str(tree), "val")
