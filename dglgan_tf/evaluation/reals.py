"""Against what is judged: stored images, files of them, statistics, a run's own data.

Nothing of a run is parsed as gin or called by a name in it; see
`dglgan_tf.data.reopening`.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from absl import logging

from dglgan_tf.data import base as data_base
from dglgan_tf.data import old_runs, pipeline, reopening, sources
from dglgan_tf.foundation import npz_files, run_directory
from dglgan_tf.metrics import image_sets, statistics_file

_LARGEST_OPTIONS = 2**24  # bytes of a run's training_options.json


def stored_images(
    source: data_base.Source,
    mirror: bool = False,
    batch_size: int = 64,
    seed: int = 0,
) -> image_sets.StoredImages:
    """Returns a data set for metrics, in the order of a seed and in its own channels.

    Args:
      source: images and labels.
      mirror: flip each image left to right with probability 1/2 (always the same
        ones), as trainings with mirror augmentation do.
      batch_size: images at a time.
      seed: of order and flips.
    """

    def batches() -> Iterator:
        rng = np.random.default_rng(seed)
        for pixels, labels in pipeline.image_batches(source, batch_size, seed=seed):
            if mirror:
                flipped = rng.random(len(pixels)) < 0.5
                pixels = np.where(
                    flipped[:, None, None, None], pixels[:, :, ::-1], pixels
                )
            yield pixels, labels

    protocol = {
        "data": source.name,
        "images": source.num_examples,
        "mirror": mirror,
        "order_seed": seed,
    }
    return image_sets.StoredImages(
        batches, protocol, source.fingerprint(), source.num_examples
    )


def image_file(path) -> image_sets.StoredImages:
    """Returns the images of an `.npz` file (`images` or `arr_0`, uint8 [N,H,W,C]).

    Raises:
      ValueError: no such file or no such array.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no images at {path}: give an .npz file, a folder or a zip")
    npz_files.check(path)
    try:
        loaded = np.load(path, allow_pickle=False)
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} is no .npz file of arrays: {error}") from error
    with loaded as file:
        name = next((n for n in ("images", "arr_0") if n in file.files), None)
        if name is None:
            raise ValueError(
                f"{path} holds {file.files} and no `images` [N, H, W, C] uint8"
            )
        pixels = file[name]
        labels = file["labels"] if "labels" in file.files else None
    if pixels.ndim != 4 or pixels.dtype != np.uint8:
        raise ValueError(
            f"{path}: `{name}` is {pixels.dtype} {list(pixels.shape)}, not uint8 "
            "[N, H, W, C]"
        )

    def batches() -> Iterator:
        for start in range(0, len(pixels), 64):
            part = slice(start, start + 64)
            yield pixels[part], None if labels is None else labels[part]

    digest = hashlib.sha256(np.ascontiguousarray(pixels)).hexdigest()[:16]
    return image_sets.StoredImages(batches, {"file": path.name}, digest, len(pixels))


def open_images(name: str) -> image_sets.StoredImages:
    """Returns what a path or name means: an `.npz` of images, or a data source."""
    if str(name).endswith(".npz"):
        return image_file(name)
    return stored_images(sources.open_source(name))


def real_file(path) -> image_sets.StoredImages | image_sets.StoredStatistics:
    """Returns the real side that an `.npz` file holds: statistics, or images."""
    if Path(path).is_file():
        npz_files.check(path)
        with np.load(path, allow_pickle=False) as file:
            if {"mu", "sigma"} <= set(file.files):
                return statistics(path)
    return image_file(path)


def statistics(path) -> image_sets.StoredStatistics:
    """Returns the statistics of an `.npz` file of pytorch-fid, clean-fid or ours."""
    moments, features = statistics_file.read(path)
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]
    return image_sets.StoredStatistics(
        moments, features, {"statistics": Path(path).name}, digest
    )


def run_of(network: str) -> Path | None:
    """Returns the run that a network is, or lies in; None for others."""
    folders = (Path(network), Path(network).parent)
    return next((f for f in folders if (f / run_directory.MARKER).is_file()), None)


def of_run(run_dir) -> data_base.Source:
    """Returns the data that a run was trained on, by its `training_options.json`.

    Runs that were begun by version 56e1311 or before say it in their `config.gin`, of
    which literals are read.

    Raises:
      ValueError: no run, or its data cannot be told, or are not there.
    """
    folder = Path(run_dir)
    marker, config = folder / run_directory.MARKER, folder / "config.gin"
    if not marker.is_file() and not config.is_file():
        raise ValueError(
            f"{run_dir} is no run (it has no {run_directory.MARKER}): name another, or "
            "give --network and --data"
        )
    options = _options(marker) if marker.is_file() else {}
    description = options.get("source")
    if description is None and "source" not in options and config.is_file():
        text = config.read_text(encoding="utf-8", errors="replace")
        description = old_runs.described(text, folder.resolve().name)
    if description is None:
        raise ValueError(
            f"{run_dir} does not say in plain values which data it was trained on: "
            "give --data"
        )
    try:
        source = reopening.open(description)
    except ValueError as error:
        raise ValueError(f"the data of {run_dir}: {error}") from error
    if options.get("data") not in (None, source.fingerprint()):
        logging.warning(
            "the data that %s was trained on have changed since: %s is judged against "
            "what is there now",
            run_dir,
            source.name,
        )
    return source


def _options(path) -> dict:
    """Returns what a run's marker says."""
    if path.stat().st_size > _LARGEST_OPTIONS:
        raise ValueError(f"{path} is too large to be a run's: give --data")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: give --data") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} is no run's: give --data")
    return found
