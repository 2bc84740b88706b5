"""Draws images by seed: `python -m dglgan_tf.sample --network=runs/fashion --grid`.

Writes seed0000.png and so on, one grid with --grid, all pixels with --npz. Image i
depends on its seed, class and truncation alone, whatever the batch size. Files are
written while images are drawn: memory does not grow with their number, but for --grid.
"""

from pathlib import Path

from absl import flags

from dglgan_tf.cli import entry as command_line

_NETWORK = flags.DEFINE_string(
    "network",
    None,
    "Run directory (its newest snapshot), .safetensors file, bundled/NAME, SavedModel, "
    "folder of an export, or a .tflite or .onnx file in one.",
)
_SEEDS = flags.DEFINE_string("seeds", "0-63", "Seeds such as 0-63 or 1,5,7-9.")
_TRUNC = flags.DEFINE_float(
    "trunc",
    None,
    "Truncation: StyleGAN2 pulls style vectors to their mean by this factor (1 = "
    "none); BigGAN confines latents to this threshold. Default: none.",
)
flags.DEFINE_string(
    "class",
    None,
    "Class number or name, a list or range of them (3, boot, 0-9, all); several "
    "give every seed in every class. Default: a class drawn from each seed.",
)
_OUTDIR = flags.DEFINE_string("outdir", "samples", "Folder for the images.")
_FILES = flags.DEFINE_bool("files", True, "Write one PNG file for each image.")
_GRID = flags.DEFINE_bool("grid", False, "Write grid.png.")
_NPZ = flags.DEFINE_bool(
    "npz", False, "Write samples.npz: images uint8 [N,H,W,C], seeds, labels."
)
_NOISE = flags.DEFINE_enum(
    "noise_mode",
    None,
    ["const", "random", "none"],
    "Noise inside a StyleGAN2; random is drawn from each seed. Default: const.",
)
_BATCH = flags.DEFINE_integer(
    "batch", None, "Images of one call. Default: 32, of large images fewer.", 1
)
_TRUST = flags.DEFINE_bool(
    "trust", False, "Load a SavedModel whatever its operations may do."
)
_SQUARE = flags.DEFINE_bool(
    "square", False, "Leave images square that were trained on stretched ones."
)
_BATCHED = 32  # images that lanes share unless told otherwise


def main(argv) -> int:
    """Draws and writes; prints what was written."""
    del argv
    from dglgan_tf.foundation import seeding

    if _NETWORK.value is None:
        raise ValueError(
            "no --network given: name a run directory, a .safetensors file or a "
            "SavedModel"
        )
    seeds = seeding.parse_seeds(_SEEDS.value)
    from dglgan_tf.deploy import exported, opening
    from dglgan_tf.devices import lanes
    from dglgan_tf.foundation import atomic

    atomic.check_folder(_OUTDIR.value, "outdir")
    if not exported.is_export(_NETWORK.value):  # those have threads of their own
        lanes.start(lanes.suitable([min(_BATCH.value or _BATCHED, len(seeds))]))
    found = opening.load(_NETWORK.value, _NOISE.value, _TRUST.value)
    seeds, labels, columns = _plan(found.facts, seeds)
    drawn = found.batches(seeds, labels, _TRUNC.value, _BATCH.value)
    for line in _write(_pixels(drawn, found.facts), seeds, labels, columns):
        print(line)
    return 0


def _pixels(drawn, facts):
    """Yields the images of each call as uint8, in the proportions of the data."""
    from dglgan_tf.foundation import pictures

    for images in drawn:
        pixels = pictures.to_uint8(images)
        if facts.stretched and not _SQUARE.value:
            pixels = _stretched_back(pixels, facts.stretched)
        yield pixels


def _stretched_back(pixels, size):
    """Undoes the stretching of the training data: [N, S, S, C] to [N, *size, C]."""
    import numpy as np

    from dglgan_tf.data import images as data_images

    height, width = size
    return np.stack([data_images.fit(p, height, width, "stretch") for p in pixels])


def _plan(facts, seeds):
    """Returns a seed and a label for each image, and the columns of the grid."""
    from dglgan_tf.foundation import seeding

    text = flags.FLAGS["class"].value
    if text is None:
        classes = facts.num_classes
        return seeds, seeding.labels_of(seeds, classes) if classes else None, None
    classes = seeding.parse_classes(text, facts.num_classes, facts.class_names)
    columns = len(seeds) if len(classes) > 1 else None
    return seeds * len(classes), seeding.repeated(classes, len(seeds)), columns


def _write(drawn, seeds, labels, columns):
    """Writes the files asked for while images are drawn; yields a line for each kind.

    Args:
      drawn: yields uint8 [n, H, W, C], `len(seeds)` images in all.
      seeds, labels, columns: of `_plan`.
    """
    import contextlib

    import numpy as np

    from dglgan_tf.foundation import npz_files, pictures

    folder, several = Path(_OUTDIR.value), columns is not None
    archive, shown, done = None, [], 0
    with contextlib.ExitStack() as stack:
        if _NPZ.value:
            opened = npz_files.writing(folder / "samples.npz", "images", len(seeds))
            archive = stack.enter_context(opened)
        for pixels in drawn:
            for index, image in enumerate(pixels if _FILES.value else (), done):
                suffix = f"-class{labels[index]:03d}" if several else ""
                pictures.save_png(folder / f"seed{seeds[index]:04d}{suffix}.png", image)
            if archive is not None:
                archive.add(pixels)
            shown += [pixels] if _GRID.value else []
            done += len(pixels)
        if archive is not None:
            known = {} if labels is None else {"labels": np.asarray(labels, np.int32)}
            archive.finish({"seeds": np.asarray(seeds, np.uint32), **known})
    if _FILES.value:
        yield f"{done} images in {folder}"
    if _GRID.value:
        picture = pictures.grid(np.concatenate(shown), columns)
        pictures.save_png(folder / "grid.png", picture)
        yield str(folder / "grid.png")
    if _NPZ.value:
        yield str(folder / "samples.npz")


def entry() -> None:
    """Console script."""
    command_line.run_entry(main)


if __name__ == "__main__":
    entry()
