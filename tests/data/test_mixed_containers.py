"""500 mixed files as people have them, inside every container that holds files."""

import zipfile

import numpy as np
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.data import images, plan, prepare, sources

COUNT = 500
CLASSES = ("n01440764", "n01443537", "n02105855")  # so that an ILSVRC tree has them
SIZE = plan.Settings(height=16, width=16, transform="center-crop", resize_filter="box")
BAD = (5, 100)  # one cut in half, one that is no image


@pytest.fixture(scope="module")
def mixed(tmp_path_factory, write_mixed):
    """(folder of classes, [(pixels, class)] that they must become, corrupt names)."""
    folder = tmp_path_factory.mktemp("mixed")
    sizes = ((16, 16), (20, 31), (33, 17), (16, 19))
    expected = write_mixed(folder, COUNT, sizes, CLASSES)
    names = list(expected)
    whole = (folder / names[BAD[0]]).read_bytes()
    (folder / names[BAD[0]]).write_bytes(whole[: len(whole) // 2])
    (folder / names[BAD[1]]).write_bytes(b"not an image")
    wanted = {
        (images.fit(pixels, 16, 16, "center-crop", "box").tobytes(), label)
        for name, (pixels, label) in expected.items()
        if name not in {names[i] for i in BAD}
    }
    assert len(wanted) == COUNT - 2
    return folder, names, wanted


def _zip(folder, names, place):
    with zipfile.ZipFile(place / "mixed.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.write(folder / name, name)
    return sources.find(str(place / "mixed.zip")), names


def _csv(folder, names, place):
    """The sub-folders say nothing; a table does."""
    lines = [f"{name},{CLASSES.index(name.split('/')[0])}" for name in names]
    (place / "labels.csv").write_text("\n".join(lines))
    return sources.find(str(folder), str(place / "labels.csv")), names


def _ilsvrc(folder, names, place):
    (place / "ILSVRC/Data/CLS-LOC").mkdir(parents=True)
    (place / "ILSVRC/Data/CLS-LOC/train").symlink_to(folder)
    return sources.find(str(place)), names


def _lmdb(folder, names, place):
    """One database of a class, values as LSUN has them: the files."""
    lmdb = pytest.importorskip("lmdb")
    keys = []
    for label in CLASSES:
        with lmdb.open(str(place / f"{label}_train_lmdb"), map_size=1 << 26) as file:
            for name in [n for n in names if n.startswith(label)]:
                key = name.split("/")[1]
                with file.begin(write=True) as transaction:
                    transaction.put(key.encode(), (folder / name).read_bytes())
                keys.append(f"{label}/{key}")
    return sources.find(str(place)), keys


def _tfrecord(folder, names, place):
    """Two shards of Examples that hold the files; names are shards and numbers."""
    keys = []
    for shard in range(2):
        path = place / f"mixed-{shard:05d}-of-00002.tfrecord"
        half = names[shard * 250 : (shard + 1) * 250]
        with tf.io.TFRecordWriter(str(path)) as file:
            for number, name in enumerate(half):
                data, label = (folder / name).read_bytes(), name.split("/")[0]
                file.write(_example(data, CLASSES.index(label)))
                keys.append(f"{path.name}#{number}")
    return sources.find(str(place)), keys


def _example(data, label):
    image = tf.train.Feature(bytes_list=tf.train.BytesList(value=[data]))
    number = tf.train.Feature(int64_list=tf.train.Int64List(value=[label]))
    features = tf.train.Features(feature={"image": image, "label": number})
    return tf.train.Example(features=features).SerializeToString()


@pytest.mark.slow
@pytest.mark.parametrize("pack", [_zip, _csv, _ilsvrc, _lmdb, _tfrecord])
def test_every_container_gives_the_stated_pixels_and_classes(tmp_path, mixed, pack):
    folder, names, wanted = mixed
    place = tmp_path / "in"
    place.mkdir()
    listing, keys = pack(folder, names, place)
    manifest = prepare.prepare(listing, tmp_path / "out.zip", "zip", SIZE)
    assert [name for name, _ in manifest["left_out"]] == [keys[i] for i in BAD]
    found = sources.open_source(str(tmp_path / "out.zip"))
    assert {(image.tobytes(), label) for image, label in found} == wanted
    assert found.num_examples == COUNT - 2 and found.num_classes == len(CLASSES)
    kinds = set(manifest["converted"])
    assert {"PNG RGBA", "PNG I;16", "PNG P", "TIFF CMYK", "JPEG RGB rotated"} <= kinds


@pytest.mark.slow
def test_a_prepared_tfds_gives_the_same(tmp_path, mixed):
    """TFDS stores pixels: those of the 498 readable files after the crop."""
    import logging
    import warnings

    pytest.importorskip("importlib_resources", reason="TFDS cannot write without it")
    tfds = pytest.importorskip("tensorflow_datasets")
    tfds.disable_progress_bar()
    logging.getLogger("absl").setLevel(logging.ERROR)
    wanted = sorted(mixed[2])
    shape = (16, 16, 3)
    content = {
        "image": np.stack(
            [np.frombuffer(p, np.uint8).reshape(shape) for p, _ in wanted]
        ),
        "label": np.array([label for _, label in wanted], np.int64),
    }
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=shape, encoding_format="png"),
            "label": tfds.features.ClassLabel(names=list(CLASSES)),
        }
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        builder = tfds.dataset_builders.store_as_tfds_dataset(
            name="mixed",
            version="1.0.0",
            features=features,
            split_datasets={"train": tf.data.Dataset.from_tensor_slices(content)},
            data_dir=str(tmp_path),
        )
    found = sources.open_source(str(builder.data_dir))
    assert found.class_names == list(CLASSES)
    assert {(image.tobytes(), label) for image, label in found} == set(wanted)
    again = prepare.prepare(sources.find(str(builder.data_dir)), tmp_path / "o.zip")
    assert again["num_examples"] == len(wanted) and not again["left_out"]
