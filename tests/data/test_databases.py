"""TFRecords, HDF5 and LMDB: random access, damage, packages that are missing."""

import sys

import numpy as np
import pytest

from dglgan_tf.data import (
    databases,
    encoded,
    images,
    pipeline,
    plan,
    prepare,
    sources,
    stored,
    writers,
)


def _prepared(tmp_path, form, **settings):
    path = tmp_path / ("data" + writers.SUFFIXES.get(form, ""))
    found = sources.synthetic(20, resolution=8, num_classes=4)
    prepare.prepare(found, path, form, plan.Settings(**settings), shard_images=7)
    return found, path


def test_records_are_read_in_any_order(tmp_path):
    found, path = _prepared(tmp_path, "tfrecord")
    assert len(list(path.glob("images-*-of-00003.tfrecord"))) == 3
    source = sources.open_source(str(path))
    order = np.array([19, 0, 7, 6, 13, 7])
    np.testing.assert_array_equal(source.images(order), found.images(order))
    fetched = source.fetch(pipeline.tf.constant(order))
    np.testing.assert_array_equal(fetched, found.images(order))
    assert source.class_names == found.class_names
    (path / "labels.npy").unlink()
    np.testing.assert_array_equal(stored.tfrecords(str(path)).labels, found.labels)
    assert stored.tfrecords(str(path), "none").num_classes == 0


def test_records_cut_short_are_named(tmp_path):
    _, path = _prepared(tmp_path, "tfrecord")
    last = path / "images-00002-of-00003.tfrecord"
    last.write_bytes(last.read_bytes()[:-5])
    with pytest.raises(ValueError, match="images-00002.*not a complete TFRecord"):
        sources.open_source(str(path))


def test_records_without_images_are_named(tmp_path):
    tf = pipeline.tf
    with tf.io.TFRecordWriter(str(tmp_path / "a.tfrecord")) as file:
        feature = {"other": tf.train.Feature()}
        features = tf.train.Features(feature=feature)
        file.write(tf.train.Example(features=features).SerializeToString())
    with pytest.raises(ValueError, match="a.tfrecord#0: no integer feature 'label'"):
        sources.open_source(str(tmp_path))
    with pytest.raises(
        ValueError, match="a.tfrecord#0.*no encoded image under 'image'"
    ):
        stored.tfrecords(str(tmp_path), "none")


def test_nvidia_labels(tmp_path):
    found, path = _prepared(tmp_path, "nvidia")
    source = sources.open_source(str(path))
    np.testing.assert_array_equal(source.labels, found.labels)
    assert source.num_classes == 4
    labels = next(path.glob("*.labels"))
    onehot = np.eye(4, dtype=np.float32)[found.labels]
    with open(labels, "wb") as file:  # rows beyond the images are NVIDIA's leftovers
        np.save(file, np.concatenate([onehot, onehot[:3]]))
    np.testing.assert_array_equal(sources.open_source(str(path)).labels, found.labels)
    with open(labels, "wb") as file:
        np.save(file, onehot[:5])
    with pytest.raises(ValueError, match="for 20 images; one row for each"):
        sources.open_source(str(path))
    with open(labels, "wb") as file:
        np.save(file, onehot * 0)
    with pytest.raises(ValueError, match="the row of image 0 is not one-hot"):
        sources.open_source(str(path))
    assert sources.open_source(str(path), labels="none").num_classes == 0


@pytest.mark.parametrize("max_memory_gb", [4.0, 0.0])
def test_hdf5_in_memory_and_from_disk(tmp_path, max_memory_gb):
    pytest.importorskip("h5py")
    found, path = _prepared(tmp_path, "hdf5")
    source = stored.hdf5(str(path), max_memory_gb)
    assert source.in_memory == (max_memory_gb > 0)
    assert source.class_names == found.class_names
    order = [3, 3, 19, 0]
    np.testing.assert_array_equal(source.images(order), found.images(order))
    dataset = pipeline.make_dataset(source, 5, seed=3, mirror=True, repeat=False)
    same = pipeline.make_dataset(found, 5, seed=3, mirror=True, repeat=False)
    for got, wanted in zip(dataset, same, strict=True):
        np.testing.assert_array_equal(got["images"], wanted["images"])
        np.testing.assert_array_equal(got["labels"], wanted["labels"])


def test_hdf5_of_something_else(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "a.hdf5"
    with h5py.File(path, "w") as file:
        file["data"] = np.zeros(3)
    with pytest.raises(ValueError, match="no uint8 array `imgs`"):
        sources.open_source(str(path))
    path.write_bytes(b"no")
    with pytest.raises(ValueError, match="not a readable HDF5 file"):
        sources.open_source(str(path))


def test_lmdb_one_database_per_class_or_unlabelled(tmp_path):
    pytest.importorskip("lmdb")
    found, path = _prepared(tmp_path, "lmdb")
    source = sources.open_source(str(path))
    assert source.class_names == [f"bar {c}" for c in range(4)]
    assert source.labels.tolist() == sorted(found.labels.tolist())
    order = np.argsort(found.labels, kind="stable")
    np.testing.assert_array_equal(source.images(range(20)), found.images(order))
    names = [databases.class_name(f) for f in databases.lmdb_folders(path)]
    assert names == source.class_names
    single = sources.open_source(str(path / "bar 2_lmdb"))
    assert single.num_classes == 0
    np.testing.assert_array_equal(
        single.images(range(5)), found.images(np.flatnonzero(found.labels == 2))
    )


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("church_outdoor_train_lmdb", "church_outdoor"),
        ("bedroom_val_lmdb", "bedroom"),
        ("own", "own"),
    ],
)
def test_lsun_folder_names(tmp_path, folder, name):
    assert databases.class_name(tmp_path / folder) == name


@pytest.mark.parametrize(
    ("module", "make"),
    [
        ("h5py", lambda path: (path / "x.hdf5").write_bytes(b"")),
        ("lmdb", lambda path: (path / "data.mdb").write_bytes(b"")),
    ],
)
def test_missing_packages_are_named(tmp_path, monkeypatch, module, make):
    make(tmp_path)
    monkeypatch.setitem(sys.modules, module, None)
    path = tmp_path / "x.hdf5" if module == "h5py" else tmp_path
    with pytest.raises(ValueError, match=f"needs the package {module}, .*pip install"):
        sources.open_source(str(path))


@pytest.fixture
def several_sizes(tmp_path):
    """An LMDB as rosinality's prepare_data.py writes it: 3 photos at 4 and 8 pixels."""
    lmdb = pytest.importorskip("lmdb")
    random = np.random.RandomState(0)
    pixels = {}
    with lmdb.open(str(tmp_path / "ros"), map_size=1 << 24) as database:
        with database.begin(write=True) as transaction:
            for size in (4, 8):
                pixels[size] = random.randint(0, 256, (3, size, size, 3), np.uint8)
                for k in range(3):
                    key = f"{size}-{k:05d}".encode()
                    transaction.put(key, images.encode_png(pixels[size][k]))
            transaction.put(b"length", b"3")
    return tmp_path / "ros", pixels


def test_lmdb_of_several_sizes_gives_each_photo_once(several_sizes, tmp_path):
    path, pixels = several_sizes
    source = sources.open_source(str(path))
    np.testing.assert_array_equal(source.images(range(3)), pixels[8])
    assert source.notes == [
        "ros holds every image in 2 sizes (4, 8), as rosinality's prepare_data.py "
        "writes them: 8 is read"
    ]
    small = encoded.Conversion(resolution=4)
    np.testing.assert_array_equal(
        stored.lmdb(str(path), small).images(range(3)), pixels[4]
    )
    settings = plan.Settings(height=4, width=4)
    prepare.prepare(sources.find(str(path)), tmp_path / "out", settings=settings)
    prepared = sources.open_source(str(tmp_path / "out"))
    np.testing.assert_array_equal(prepared.images(range(3)), pixels[4])


def test_lmdb_of_one_size_with_a_length(tmp_path):
    lmdb = pytest.importorskip("lmdb")
    png = images.encode_png(np.zeros((4, 4, 3), np.uint8))
    with lmdb.open(str(tmp_path / "ros"), map_size=1 << 24) as database:
        with database.begin(write=True) as transaction:
            transaction.put(b"4-00000", png)
            transaction.put(b"length", b"1")
    source = sources.open_source(str(tmp_path / "ros"))
    assert source.names == ["4-00000"] and source.notes == []
