"""Exports a generator: `python -m dglgan_tf.export --network=runs/fashion`.

Writes a SavedModel (and TFLite, ONNX with --formats), loads each file back, compares
its images with the source's and prints the table. Exit code 1 where a difference is
above the tolerance; nothing is written then.
"""

from absl import flags

from dglgan_tf.cli import entry as command_line
from dglgan_tf.foundation import sentences

_NETWORK = flags.DEFINE_string(
    "network", None, "Run directory, .safetensors file or bundled/NAME."
)
_OUTDIR = flags.DEFINE_string(
    "outdir", None, "Folder to write. Default: `export` in the run directory."
)
_FORMATS = flags.DEFINE_list(
    "formats", ["saved_model"], "Of saved_model, tflite, onnx, separated by commas."
)
_NOISE = flags.DEFINE_enum(
    "noise_mode", "const", ["const", "none"], "Noise inside a StyleGAN2."
)
_SEEDS = flags.DEFINE_string("seeds", "0-7", "Seeds of the images that are compared.")
_TOLERANCE = flags.DEFINE_float(
    "tolerance", 1e-4, "Largest difference of a float32 file from the source.", 0.0
)
_ROUNDS = flags.DEFINE_integer(
    "rounds", 20, "Timed calls of each file; 0 leaves out the timing."
)
_DISTANCE = flags.DEFINE_string(
    "distance",
    None,
    "Metric between real images and those of each exported file, or none. Default: "
    "kid1k[efficientnet_lite0] where the data is known (a run, or --data) and drawing "
    "takes less than five minutes a file.",
)
_DATA = flags.DEFINE_string(
    "data",
    None,
    "Real images for --distance: a folder, zip or name; default the run's.",
)
_BATCH = flags.DEFINE_integer("batch", 1, "Fixed batch size of TFLite files.")
_STATIC = flags.DEFINE_bool("static", False, "Fix the batch size of ONNX files too.")
_SEPARATE = flags.DEFINE_bool(
    "separate",
    False,
    "Mapping and synthesis of a StyleGAN2 as TFLite and ONNX files of their own too; a "
    "SavedModel always has them as signatures.",
)


def main(argv) -> int:
    """Exports and prints the tables."""
    del argv
    import contextlib
    import os

    from dglgan_tf.foundation import seeding

    if _NETWORK.value is None:
        raise ValueError(
            "no --network given: name a run directory or a .safetensors file"
        )
    seeds = seeding.parse_seeds(_SEEDS.value)
    outdir = _OUTDIR.value
    if outdir is None:
        inside = os.path.isdir(_NETWORK.value)
        outdir = os.path.join(_NETWORK.value, "export") if inside else "export"
    from dglgan_tf.deploy import card, exporting

    with contextlib.ExitStack() as stack:
        report = exporting.run(
            exporting.Request(
                network=_NETWORK.value,
                outdir=outdir,
                formats=tuple(name.strip() for name in _FORMATS.value),
                noise=_NOISE.value,
                seeds=tuple(seeds),
                tolerance=_TOLERANCE.value,
                rounds=_ROUNDS.value,
                batch=_BATCH.value,
                static=_STATIC.value,
                separate=_SEPARATE.value,
                judge=_judge(stack),
            )
        )
    print(card.differences_table(report))
    if not report["passed"]:
        print(f"differences above the tolerance: nothing was written to {outdir}")
        return 1
    print()
    print(card.files_table(report))
    if text := card.distance_text(report):
        print(f"\n{text}")
    again = f"--network={outdir}", "--seeds=0-63", "--grid"
    print(f"\nnext: {sentences.command('python', '-m', 'dglgan_tf.sample', *again)}")
    return 0


def _judge(stack):
    """Returns what measures distances to real images, or None; `stack` closes it."""
    if _DISTANCE.value == "none":
        return None
    from absl import logging

    from dglgan_tf.data import sources
    from dglgan_tf.deploy import quality
    from dglgan_tf.evaluation import judge, reals

    asked = _DISTANCE.value or _DATA.value
    try:
        if _DATA.value is not None:
            source = sources.open_source(_DATA.value)
        else:
            source = reals.of_run(_NETWORK.value)
        opened = judge.open_judge(source, [_DISTANCE.value or quality.DEFAULT])
    except (ValueError, OSError) as error:
        if asked:
            raise
        logging.warning(
            "no distance to real images is measured: %s", sentences.sentence(error)
        )
        return None
    stack.callback(opened.close)
    patience = None if _DISTANCE.value else quality.PATIENCE_SECONDS
    return quality.Distance(opened, patience)


def entry() -> None:
    """Console script."""
    command_line.run_entry(main)


if __name__ == "__main__":
    entry()
