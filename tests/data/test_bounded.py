"""What strangers' files claim is compared with what is there."""

import gzip
import io
import os
import struct
import zipfile

import numpy as np
import pytest

from dglgan_tf.data import (
    bounded,
    databases,
    idx,
    images,
    labels,
    plan,
    prepare,
    records,
    sources,
)

PNG = images.encode_png(np.zeros((4, 4, 3), np.uint8))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "the name of the data is empty"),
        ("  ", "the name of the data is empty"),
        ("gs://bucket/photos", "gs://bucket/photos: remote paths are not read"),
        ("s3://bucket/x.zip", "remote paths are not read"),
        ("https://example.org/x.zip", "remote paths are not read"),
        ("gs:/bucket", "remote paths are not read"),
        ("/dev/zero", "a pipe, a socket or a device"),
        ("/nowhere/at all", "there is no such file or folder; other sources are"),
        ("a\0b", "is no name of a file"),
        ("x" * 5000, "there is no such file or folder"),
    ],
)
def test_names_that_are_no_data(name, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "0.png").write_bytes(PNG)
    with pytest.raises(ValueError, match=message):
        sources.find(name)


def test_a_local_folder_named_like_a_bucket_is_not_read_or_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gs:/bucket").mkdir(parents=True)
    (tmp_path / "gs:/bucket/0.png").write_bytes(PNG)
    with pytest.raises(ValueError, match="remote paths"):
        sources.find("gs://bucket")
    with pytest.raises(ValueError, match="labels gs://b/l.csv: remote paths"):
        labels.find(["0.png"], {}.get, "gs://b/l.csv")
    from pathlib import Path

    with pytest.raises(ValueError, match="destination gs:/bucket/out: remote"):
        prepare.prepare(sources.synthetic(2, 4), Path("gs://bucket/out"))


def test_pipes_are_refused_and_do_not_hang(tmp_path):
    pipe = tmp_path / "pipe.zip"
    os.mkfifo(pipe)
    with pytest.raises(ValueError, match="a pipe, a socket or a device"):
        sources.find(str(pipe))
    with pytest.raises(ValueError, match="is no regular file"):
        bounded.read(pipe)
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "0.png").write_bytes(PNG)
    os.mkfifo(folder / "dataset.json")
    with pytest.raises(ValueError, match="dataset.json: is no regular file"):
        sources.find(str(folder))
    os.remove(folder / "dataset.json")
    os.mkfifo(folder / "images-r02.tfrecords")
    os.mkfifo(folder / "images.tfrecord")
    assert sources.find(str(folder)).reader.names == ["0.png"]


def test_large_files_are_not_read(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(bytes(100))
    assert len(bounded.read(path, 100)) == 100
    with pytest.raises(ValueError, match="holds .* where at most"):
        bounded.read(path, 99)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "JSON of too many levels"),
        ('{"a": ' * 100_000, "JSON of too many levels"),
        ("{", "is no JSON"),
        ("1" * 5000, "is no JSON|Exceeds the limit"),
    ],
)
def test_json_that_is_made_to_fail(text, message):
    with pytest.raises(ValueError, match=message):
        bounded.parse_json(text.encode(), "x.json")


def _npy(shape, dtype="<i4", data=b"1234"):
    stream = io.BytesIO()
    header = {"shape": shape, "fortran_order": False, "descr": dtype}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue() + data


@pytest.mark.parametrize(
    "content",
    [
        _npy((10**12,)),
        _npy((10**6, 10**9)),
        _npy((2**62, 8)),
        _npy((-1,)),
        _npy((1,), "|O"),
        b"\x93NUMPY\x01\x00\xff\xff{",
        b"",
        b"junk" * 10,
    ],
)
def test_false_arrays_are_refused(tmp_path, content):
    path = tmp_path / "labels.npy"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="labels.npy: not a NumPy array"):
        bounded.array(path)


def test_arrays_in_an_archive_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "labels.npy", "w") as archive:
        archive.writestr("a.npy", _npy((10**12,)))
    with pytest.raises(ValueError, match="labels.npy: not a NumPy array"):
        bounded.array(tmp_path / "labels.npy")


def test_idx_files_that_promise_more_than_they_hold(tmp_path):
    def packed(shape, size):
        header = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
        return gzip.compress(header + bytes(size))

    path = tmp_path / "x.gz"
    path.write_bytes(packed((60_000, 28, 28), 1000))
    with pytest.raises(ValueError, match="holds more or less than the"):
        idx.read(path)
    path.write_bytes(packed((4, 4), 1 << 24))  # inflates without bound
    with pytest.raises(ValueError, match="holds more or less than the 28 bytes"):
        idx.read(path)
    path.write_bytes(packed((2**31, 28, 28), 10))
    with pytest.raises(ValueError, match="at most 1,024 MB are unpacked: .*gunzip"):
        idx.read(path)
    path.write_bytes(bytes([0, 0, 8, 200]) + bytes(801))
    with pytest.raises(ValueError, match="not an idx file of images .200 dimensions"):
        idx.read(path)


def test_hdf5_that_claims_more_than_it_holds(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "x.hdf5"
    with h5py.File(path, "w") as file:
        file.create_dataset("imgs", (10**7, 3, 64, 64), np.uint8, chunks=(1, 3, 64, 64))
        file.create_dataset("labels", (10**7,), np.int64, chunks=(1000,))
    with pytest.raises(ValueError, match="`imgs` claims 122,880,000,000 bytes"):
        databases.open_hdf5(path)
    with h5py.File(path, "w") as file:
        file["imgs"] = np.zeros((2, 3, 4, 4), np.uint8)
        file["labels"] = np.array([0, 1_500_000_000])
    with pytest.raises(ValueError, match="a label is 1500000000, but at most 1000000"):
        databases.open_hdf5(path)
    with h5py.File(path, "w") as file:
        file["imgs"] = np.zeros((2, 3, 4, 4), np.uint8)
        file["labels"] = np.zeros((3, 10**3), np.float32)
    with pytest.raises(ValueError, match="`labels` must be 2 integers"):
        databases.open_hdf5(path)


def test_labels_beside_records_are_bounded(tmp_path):
    prepare.prepare(sources.synthetic(4, 4), tmp_path / "r", "tfrecord")
    np.save(tmp_path / "r/labels.npy", np.array([0, 1, 2, 1_500_000_000]))
    os.remove(tmp_path / "r/manifest.json")
    with pytest.raises(ValueError, match="a label is 1500000000, but at most"):
        sources.find(str(tmp_path / "r"))
    prepare.prepare(sources.synthetic(4, 4), tmp_path / "n", "nvidia")
    np.save(tmp_path / "n/x.npy", np.array([0, 1, 2, 1_500_000_000]))
    (tmp_path / "n/x.npy").rename(tmp_path / "n/images-rxx.labels")
    with pytest.raises(ValueError, match="a label is 1500000000"):
        records.NvidiaRecordSource(tmp_path / "n")


def test_nvidia_records_with_a_false_shape(tmp_path):
    tf = records.tf
    feature = {
        "shape": tf.train.Feature(
            int64_list=tf.train.Int64List(value=[3, 10**9, 10**9])
        ),
        "data": tf.train.Feature(bytes_list=tf.train.BytesList(value=[bytes(48)])),
    }
    example = tf.train.Example(features=tf.train.Features(feature=feature))
    with tf.io.TFRecordWriter(str(tmp_path / "x-r02.tfrecords")) as file:
        file.write(example.SerializeToString())
    with pytest.raises(ValueError, match="first record states the shape"):
        sources.find(str(tmp_path))


def test_sizes_that_no_image_has():
    for height, width in ((2**20, 2**20), (10**12, 1), (0, 5)):
        with pytest.raises(ValueError, match="size .* must be at least|megapixels|=0"):
            plan.Settings(height=height, width=width)


def test_very_large_images_are_refused_until_the_limit_is_raised(monkeypatch):
    monkeypatch.setattr(images.Image, "MAX_IMAGE_PIXELS", 8)
    big = images.encode_png(np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match="more than 0 megapixels .*--max_megapixels"):
        images.inspect(big)
    images.allow_megapixels(0.001)
    assert images.inspect(big).height == 8 and images.most_bytes() == 2000
    with pytest.raises(ValueError, match="max_megapixels=-1"):
        images.allow_megapixels(-1)


def test_a_false_manifest_is_not_believed(tmp_path):
    prepare.prepare(sources.synthetic(3, 8), tmp_path / "out")
    path = tmp_path / "out/manifest.json"
    path.write_text(path.read_text().replace('"height": 8', '"height": 100000000'))
    assert sources.open_source(str(tmp_path / "out")).resolution == 8
    path.write_text("[" * 100_000)
    assert sources.open_source(str(tmp_path / "out")).resolution == 8


def test_printable_names():
    assert bounded.printable("caf\u00e9") == "caf\u00e9"
    assert bounded.printable(b"\x94L") == "\\x94L"
    assert bounded.printable("\udc94L") == "\\x94L"
    assert bounded.printable("\ud800x").encode()
