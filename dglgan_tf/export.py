"""Exports a generator: `python -m dglgan_tf.export --network=runs/fashion`.

Writes a SavedModel (and TFLite, ONNX with --formats), loads each file back, compares
its images with the source's and prints the table. Exit code 1 where a difference is
above the tolerance; nothing is written then.
"""

from absl import flags

from dglgan_tf import config

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
    "tolerance", 1e-4, "Largest difference of a float32 file from the source."
)
_ROUNDS = flags.DEFINE_integer(
    "rounds", 20, "Timed calls of each file; 0 leaves out the timing."
)
_BATCH = flags.DEFINE_integer("batch", 1, "Fixed batch size of TFLite files.")


def main(argv) -> int:
    """Exports and prints the tables."""
    del argv
    import os

    from dglgan_tf import latents

    if _NETWORK.value is None:
        raise ValueError(
            "no --network given: name a run directory or a .safetensors file"
        )
    seeds = latents.parse_seeds(_SEEDS.value)
    outdir = _OUTDIR.value
    if outdir is None:
        inside = os.path.isdir(_NETWORK.value)
        outdir = os.path.join(_NETWORK.value, "export") if inside else "export"
    from dglgan_tf.deploy import card, exporting

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
        )
    )
    print(card.differences_table(report))
    if not report["passed"]:
        print(f"differences above the tolerance: nothing was written to {outdir}")
        return 1
    print()
    print(card.files_table(report))
    print(f"\n{outdir}")
    return 0


def entry() -> None:
    """Console script."""
    config.run_entry(main)


if __name__ == "__main__":
    entry()
