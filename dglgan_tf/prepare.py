"""Converts image data from any format that is read to any format, or checks it.

    python -m dglgan_tf.prepare --source=photos --dest=photos256.zip \
        --resolution=256 --transform=center-crop
    python -m dglgan_tf.prepare --source=photos --check --cond

Sources: a folder or zip file of images (classes from dataset.json, a CSV file or
sub-folders), NVIDIA's or our TFRecords, `tfds:NAME`, HDF5 of BigGAN-PyTorch, LMDB of
LSUN, an ILSVRC tree, idx files, `embedded`, `fashion_mnist`. The words of NVIDIA's
dataset_tool (--source, --dest, --max-images, --resize-filter, --transform, --width,
--height) mean the same here.
"""

import re
import sys
from pathlib import Path

from absl import flags

from dglgan_tf.cli import entry as command_line

# As `data.writers` and `data.images` have them; --help needs neither.
FORMATS = ["folder", "zip", "tfrecord", "nvidia", "hdf5", "lmdb", "idx"]
TRANSFORMS = ["none", "stretch", "pad", "center-crop", "center-crop-wide"]
RESIZE_FILTERS = ["box", "bilinear", "bicubic", "lanczos"]

_SOURCE = flags.DEFINE_string("source", None, "What to read.", required=True)
_DEST = flags.DEFINE_string("dest", None, "What to write; .zip and .hdf5 by suffix.")
_FORMAT = flags.DEFINE_enum("format", None, FORMATS, "What to write.")
_LABELS = flags.DEFINE_string(
    "labels", "auto", "'auto', 'folders', 'none', or a CSV or JSON file of classes."
)
_SPLIT = flags.DEFINE_string("split", "train", "For sources that have several.")
_RESOLUTION = flags.DEFINE_string("resolution", None, "256, or WIDTHxHEIGHT.")
_WIDTH = flags.DEFINE_integer("width", None, "Width of the images.")
_HEIGHT = flags.DEFINE_integer("height", None, "Height of the images.")
_TRANSFORM = flags.DEFINE_enum(
    "transform", "none", TRANSFORMS, "How other sizes become this one."
)
_FILTER = flags.DEFINE_enum(
    "resize_filter", "lanczos", RESIZE_FILTERS, "Filter of the resizing."
)
_CHANNELS = flags.DEFINE_integer("channels", None, "1 (grey) or 3 (RGB).")
_BACKGROUND = flags.DEFINE_integer(
    "background", 255, "Grey level under transparency and around padded images.", 0, 255
)
_MAX_IMAGES = flags.DEFINE_integer("max_images", None, "Take only so many.", 1)
_MEGAPIXELS = flags.DEFINE_float(
    "max_megapixels", None, "Read images of up to so many megapixels; default: 178."
)
_ANY_SIZE = flags.DEFINE_bool("any_size", False, "Allow sizes no network here takes.")
_STRICT = flags.DEFINE_bool("strict", False, "Refuse what must be converted or left.")
_WORKERS = flags.DEFINE_integer("workers", None, "Threads.", 1)
_SHARD = flags.DEFINE_integer("shard_images", 10_000, "Images per TFRecord file.", 1)
_CHECK = flags.DEFINE_bool("check", False, "Look at the data instead of converting.")
_COND = flags.DEFINE_bool("cond", False, "With --check: the model will use labels.")
_SHEET = flags.DEFINE_string("sheet", None, "With --check: file of a contact sheet.")


def _size() -> tuple[int | None, int | None]:
    """Returns (height, width) as the flags say."""
    if _RESOLUTION.value is None:
        return _HEIGHT.value, _WIDTH.value
    match = re.fullmatch(r"(\d+)(?:x(\d+))?", _RESOLUTION.value)
    if not match or _HEIGHT.value or _WIDTH.value:
        raise ValueError(
            f"--resolution={_RESOLUTION.value} must be a number or WIDTHxHEIGHT, "
            "without --width and --height."
        )
    return int(match.group(2) or match.group(1)), int(match.group(1))


def _format() -> str:
    by_suffix = {".zip": "zip", ".h5": "hdf5", ".hdf5": "hdf5"}
    suffix = by_suffix.get(Path(_DEST.value).suffix.lower())
    if suffix and _FORMAT.value not in (None, suffix):
        raise ValueError(f"--dest={_DEST.value} is not a name for {_FORMAT.value}.")
    return suffix or _FORMAT.value or "folder"


def _convert(found) -> None:
    from dglgan_tf.data import plan, prepare

    height, width = _size()
    settings = plan.Settings(
        height=height,
        width=width,
        transform=_TRANSFORM.value,
        resize_filter=_FILTER.value,
        num_channels=_CHANNELS.value,
        background=_BACKGROUND.value,
        max_images=_MAX_IMAGES.value,
        any_size=_ANY_SIZE.value,
    )
    manifest = prepare.prepare(
        found,
        Path(_DEST.value),
        _format(),
        settings,
        _STRICT.value,
        _WORKERS.value,
        shard_images=_SHARD.value,
        progress=_progress,
    )
    for name, reason in manifest["left_out"]:
        print(f"left out: {name} {reason}")
    for kind, names in manifest["converted"].items():
        print(f"converted: {names['count']} {kind}, such as {names['examples'][0]}")
    if manifest["enlarged"]:
        print(f"enlarged: {manifest['enlarged']} images were smaller than the result")
    print(
        f"{_DEST.value}: {manifest['num_examples']} images of {manifest['height']}x"
        f"{manifest['width']}x{manifest['num_channels']}, "
        f"{len(manifest['class_names'])} classes, "
        f"fingerprint {manifest['fingerprint']}"
    )


def _look(found) -> None:
    from dglgan_tf.data import check, writers

    manifest = writers.stored_manifest(Path(_SOURCE.value))
    report = check.check(found, _COND.value, manifest, _WORKERS.value, _progress)
    print("\n".join(report.lines))
    for warning in report.warnings:
        print(f"warning: {warning}")
    if _SHEET.value:
        from PIL import Image

        Image.fromarray(report.sheet).save(_SHEET.value)
    if report.problems:
        raise ValueError("; ".join(report.problems) + ".")
    print("no problem found")


def _progress(iterable, total: int, text: str):
    import tqdm

    return tqdm.tqdm(iterable, text, total, disable=not sys.stderr.isatty())


def main(argv) -> None:
    """Converts or looks; prints what was found."""
    del argv
    if _CHECK.value == bool(_DEST.value):
        raise ValueError("give either --dest to convert or --check to look.")
    from dglgan_tf.data import images, sources

    if _MEGAPIXELS.value is not None:
        images.allow_megapixels(_MEGAPIXELS.value)
    found = sources.find(_SOURCE.value, _LABELS.value, _SPLIT.value)
    (_look if _CHECK.value else _convert)(found)


def entry() -> None:
    """Console script."""
    command_line.run_entry(main)


if __name__ == "__main__":
    entry()
