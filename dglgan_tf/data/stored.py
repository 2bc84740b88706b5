"""Sources in files: folders, zip, TFRecords, TFDS, HDF5, LMDB, ILSVRC trees.

Where images are stored encoded, `dglgan_tf.data.encoded.Conversion` (in gin:
`data.Conversion.resolution = 128` and so on) says how they become the model's.
"""

from pathlib import Path

import gin

from dglgan_tf.data import (
    archives,
    base,
    bounded,
    catalog,
    class_numbers,
    databases,
    encoded,
    manifests,
    origin,
    readers,
    records,
)
from dglgan_tf.data import labels as class_labels


@gin.configurable(module="data")
@origin.recorded
def images(
    path: str, labels: str = "auto", conversion: encoded.Conversion | None = None
) -> base.Source:
    """Opens a folder or a zip file of images, with sub-folders.

    Args:
      path: folder or zip file.
      labels: 'auto' takes dataset.json at the top, else the top-level sub-folders as
        classes, else there are no classes; 'folders', 'none', or the path of a CSV
        (name,class) or JSON file.
      conversion: to the model's size and channels.
    """
    return encoded.EncodedSource(
        _list_images(bounded.existing(path), labels), conversion
    )


@gin.configurable(module="data")
@origin.recorded
def tfds(
    name: str,
    split: str = "train",
    data_dir: str | None = None,
    download: bool = False,
    conversion: encoded.Conversion | None = None,
) -> base.Source:
    """Opens a prepared dataset of tensorflow-datasets.

    Args:
      name: 'cifar10', 'imagenet2012', 'lsun/church_outdoor', or the folder of a
        prepared dataset.
      split: 'train', 'test', 'train[:10%]', ...
      data_dir: where datasets are prepared; None is TFDS's own place.
      download: True prepares a missing dataset, which downloads it.
      conversion: to the model's size and channels.
    """
    listing = catalog.list_tfds(name, split, data_dir, download)
    return encoded.EncodedSource(listing, conversion)


@gin.configurable(module="data")
@origin.recorded
def tfrecords(
    folder: str, labels: str = "auto", conversion: encoded.Conversion | None = None
) -> base.Source:
    """Opens sharded TFRecords of `dglgan_tf.prepare`.

    Args:
      folder: holds `*.tfrecord`, each record with `image` (encoded) and `label`.
      labels: 'auto' or 'none'.
      conversion: to the model's size and channels.
    """
    return encoded.EncodedSource(
        _list_records(bounded.existing(folder), labels), conversion
    )


@gin.configurable(module="data")
@origin.recorded
def nvidia_tfrecords(
    folder: str, resolution: int | None = None, labels: str = "auto"
) -> base.Source:
    """Opens NVIDIA's multi-resolution TFRecords (`*-r02.tfrecords` and so on).

    Args:
      folder: holds them and perhaps a `.labels` file.
      resolution: which; None takes the largest.
      labels: 'auto' reads the .labels file where there is one, 'none' ignores it.
    """
    return records.NvidiaRecordSource(bounded.existing(folder), resolution, labels)


@gin.configurable(module="data")
@origin.recorded
def hdf5(path: str, max_memory_gb: float = 4.0) -> base.Source:
    """Opens an HDF5 file of BigGAN-PyTorch (`imgs`, `labels`).

    Args:
      path: the file.
      max_memory_gb: files of at most so many gigabytes of pixels are read whole.
    """
    return databases.open_hdf5(bounded.existing(path), int(max_memory_gb * 2**30))


@gin.configurable(module="data")
@origin.recorded
def lmdb(path: str, conversion: encoded.Conversion | None = None) -> base.Source:
    """Opens LMDB databases of LSUN.

    Args:
      path: one database (a folder with data.mdb: no classes), or a folder of several
        (each is a class, named after its folder).
      conversion: to the model's size and channels.
    """
    return encoded.EncodedSource(_list_lmdb(bounded.existing(path)), conversion)


@gin.configurable(module="data")
@origin.recorded
def ilsvrc(
    path: str, split: str = "train", conversion: encoded.Conversion | None = None
) -> base.Source:
    """Opens an extracted ILSVRC tree; classes are WordNet numbers in their order.

    Args:
      path: the tree's root, or any folder down to the one that holds train/.
      split: 'train' or 'val' (class folders, or flat with LOC_val_solution.csv).
      conversion: to the model's size and channels.
    """
    return encoded.EncodedSource(
        catalog.list_ilsvrc(bounded.existing(path), split), conversion
    )


def find(
    place: Path, labels: str, split: str, resolution: int | None
) -> base.Source | encoded.Listing:
    """Finds out what lies at a path.

    Args:
      place: existing file or folder.
      labels: for folders and zip files, see `images`.
      split: for an ILSVRC tree or a folder of TFDS.
      resolution: which one of NVIDIA's TFRecords.

    Returns:
      a listing of encoded images, or a source where pixels are stored.
    """
    if place.is_file():
        if place.suffix.lower() in (".h5", ".hdf5"):
            return hdf5(str(place))
        if place.suffix.lower() != ".zip":
            raise ValueError(f"{place}: a file must be .zip, .h5 or .hdf5.")
        return _list_images(place, labels)
    if records.is_nvidia(place):
        return nvidia_tfrecords(str(place), resolution, labels)
    if (place / "dataset_info.json").is_file() and (place / "features.json").is_file():
        return catalog.list_tfds(str(place), split)
    if records.shards(place):
        return _list_records(place, labels)
    if databases.lmdb_folders(place):
        return _list_lmdb(place)
    if catalog.find_ilsvrc(place, split):
        return catalog.list_ilsvrc(place, split)
    return _list_images(place, labels)


def _list_images(place: Path, labels: str) -> encoded.Listing:
    if place.is_dir():
        reader, name = readers.FolderReader(place), place.resolve().name
    else:
        reader, name = archives.ZipReader(place), place.stem
    found = class_labels.find(reader.names, reader.extra, labels, str(place))
    return encoded.Listing(name, reader, *found)


def _list_records(folder: Path, labels: str) -> encoded.Listing:
    paths = records.shards(folder)
    if not paths:
        raise ValueError(f"{folder}: no files named *.tfrecord.")
    reader = records.ExampleReader(records.RecordFiles(paths), folder=folder)
    if not reader.names:
        raise ValueError(f"{folder}: no images.")
    name = folder.resolve().name
    class_names = manifests.of(reader).get("class_names")
    if labels == "none" or class_names == []:
        return catalog.unlabelled(name, reader)
    numbers = records.stored_labels(folder, reader)
    numbers, class_names = class_numbers.numbered(numbers, class_names, str(folder))
    return encoded.Listing(name, reader, numbers, class_names)


def _list_lmdb(place: Path) -> encoded.Listing:
    folders = databases.lmdb_folders(place)
    if not folders:
        raise ValueError(f"{place}: no LMDB database (a folder with data.mdb).")
    reader = databases.LmdbReader(folders)
    name = place.resolve().name
    if len(folders) == 1:
        return catalog.unlabelled(name, reader)
    return encoded.Listing(
        name, reader, *class_labels.from_folders(reader.names, str(place))
    )
