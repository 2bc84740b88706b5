"""TensorFlow Datasets by name, and the extracted ILSVRC tree."""

import csv
import io
import re
from pathlib import Path

import numpy as np

from dglgan_tf.data import bounded, databases, encoded, readers, records

_WNID = re.compile(r"n\d{8}")
_ILSVRC_PARTS = ("", "ILSVRC/Data/CLS-LOC", "Data/CLS-LOC", "CLS-LOC")


def list_tfds(
    name: str, split: str, data_dir: str | None = None, download: bool = False
) -> encoded.Listing:
    """Lists a prepared dataset of tensorflow-datasets by its record files.

    Args:
      name: 'cifar10', 'imagenet2012', 'lsun/church_outdoor', or the folder of a
        prepared dataset.
      split: 'train', 'test', 'train[:10%]', ...
      data_dir: where datasets are prepared; None is TFDS's own place.
      download: True prepares a missing dataset, which downloads it.
    """
    for place in filter(None, (name, data_dir)):
        bounded.refuse_remote(place, "tfds")
    tfds = databases.optional("tensorflow_datasets", f"{name}: reading TFDS")
    builder = _builder(tfds, name, data_dir, download)
    if split.split("[")[0] not in builder.info.splits:
        raise ValueError(
            f"tfds {name}: split={split!r} must be one of "
            f"{', '.join(builder.info.splits)}, or a part such as 'train[:10%]'."
        )
    instructions = builder.info.splits[split].file_instructions
    paths = [Path(builder.data_dir, part.filename) for part in instructions]
    if not all(".tfrecord" in path.name for path in paths):
        raise ValueError(
            f"tfds {name}: prepared as {paths[0].suffix or paths[0].name}, but only "
            "file_format='tfrecord' is read."
        )
    ranges = [(part.skip, part.take) for part in instructions]
    image_key, label_key, class_names = _features(tfds, builder, name)
    reader = records.ExampleReader(records.RecordFiles(paths, ranges), image_key)
    if label_key is None:
        return unlabelled(builder.name, reader)
    labels = reader.integers(label_key)
    return encoded.Listing(builder.name, reader, labels, class_names)


def unlabelled(name: str, reader: readers.Reader) -> encoded.Listing:
    """Lists images that have no classes."""
    return encoded.Listing(name, reader, np.zeros(len(reader.names), np.int32), [])


def _builder(tfds, name: str, data_dir: str | None, download: bool):
    try:
        if Path(name).is_dir():
            return tfds.builder_from_directory(name)
        builder = tfds.builder(name, data_dir=data_dir)
        if download:
            builder.download_and_prepare()
    except (tfds.core.DatasetNotFoundError, ImportError, OSError, ValueError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ValueError(f"tfds {name}: cannot be opened ({reason}).") from error
    if not builder.info.splits:
        raise ValueError(
            f"tfds {name}: not prepared in {builder.data_dir}; prepare it with "
            f"`tfds build {name.split('/')[0]}`, or give download=True."
        )
    return builder


def _features(tfds, builder, name: str) -> tuple[str, str | None, list[str]]:
    """Returns the keys of the image and of the label, and the class names."""
    image_key = label_key = None
    class_names: list[str] = []
    for key, feature in builder.info.features.items():
        if image_key is None and isinstance(feature, tfds.features.Image):
            image_key = key
        if label_key is None and isinstance(feature, tfds.features.ClassLabel):
            label_key, class_names = key, list(feature.names)
    if image_key is None:
        raise ValueError(
            f"tfds {name}: has no image feature, only "
            f"{', '.join(builder.info.features)}."
        )
    return image_key, label_key, class_names


def find_ilsvrc(path: Path, split: str) -> Path | None:
    """Returns the folder of a split in an extracted ILSVRC tree; None if it is none."""
    for part in _ILSVRC_PARTS:
        train = path / part / "train"
        if not train.is_dir():
            continue
        first = next((entry.name for entry in train.iterdir() if entry.is_dir()), "")
        if _WNID.fullmatch(first):
            return path / part / split
    return None


def list_ilsvrc(path: Path, split: str) -> encoded.Listing:
    """Lists a split of an ILSVRC tree; classes are WordNet numbers in their order.

    The validation images may lie in class folders or flat; then
    LOC_val_solution.csv, at the root of the tree, is read.
    """
    folder = find_ilsvrc(path, split)
    if folder is None or not folder.is_dir():
        raise ValueError(
            f"{path}: no {split}/ beside a train/ with class folders n01440764, ..."
        )
    reader = readers.FolderReader(folder)
    train = folder.parent / "train"
    class_names = sorted(d.name for d in train.iterdir() if _WNID.fullmatch(d.name))
    numbers = {wnid: number for number, wnid in enumerate(class_names)}
    if all("/" in name for name in reader.names):
        wnids = [name.split("/")[0] for name in reader.names]
    else:
        wnids = _solution(folder, reader.names)
    unknown = sorted(set(wnids) - set(numbers))
    if unknown:
        raise ValueError(f"{folder}: {unknown[0]} is not a class of {train}.")
    labels = np.array([numbers[wnid] for wnid in wnids], np.int32)
    return encoded.Listing(f"ilsvrc_{split}", reader, labels, class_names)


def _solution(folder: Path, names: list[str]) -> list[str]:
    for parent in folder.parents:
        path = parent / "LOC_val_solution.csv"
        if path.is_file():
            break
    else:
        raise ValueError(
            f"{folder}: flat images need LOC_val_solution.csv above them, or class "
            "folders named after WordNet (n01440764, ...)."
        )
    text = bounded.text(bounded.read(path, bounded.TEXT_BYTES), str(path))
    try:
        table = csv.DictReader(io.StringIO(text))
        rows = {row["ImageId"]: row["PredictionString"] for row in table}
    except (csv.Error, KeyError) as error:
        raise ValueError(
            f"{path}: has no columns ImageId and PredictionString ({error})."
        ) from error
    stems = [Path(name).stem for name in names]
    missing = [stem for stem in stems if not rows.get(stem)]
    if missing:
        raise ValueError(f"{path}: no class for {missing[0]}.")
    return [rows[stem].split()[0] for stem in stems]
