"""Compresses a GAN: a teacher's file, images and a budget in, small models out.

    python -m dglgan_tf.compress --teacher=stylegan2-church-config-f.pkl \
        --data=church.zip --budget=50%,25% --outdir=runs

It writes a recipe, prints the plan (`--dry_run` ends there) and runs it. A recipe of
one's own: `python -m dglgan_tf.compress --gin_file=RECIPE.gin`. Running the same
command again continues where it stopped.
"""

import os
import sys
from pathlib import Path

from absl import flags

from dglgan_tf.cli import entry as command_line
from dglgan_tf.cli import gin_flags
from dglgan_tf.config import gin_files

gin_flags.define_flags()
_RUN_DIR = flags.DEFINE_string(
    "run_dir", None, "Folder of the recipe; default runs/<name of the gin file>, or "
    "OUTDIR/<teacher>-<data>.",
)  # fmt: skip
_DRY_RUN = flags.DEFINE_bool(
    "dry_run", False, "Describe each stage; do nothing.", short_name="n"
)
_TEACHER = flags.DEFINE_string(
    "teacher", None, "Checkpoint of any known kind, run directory or bundled/NAME."
)
_DATA = flags.DEFINE_string("data", None, "Images that the teacher was trained on.")
_BUDGET = flags.DEFINE_string(
    "budget", None, "Limit of the student, or several: 25%, 300k, 2MB, 80Mmacs, 5ms."
)
_OUTDIR = flags.DEFINE_string("outdir", "runs", "Folder of the folder that is made.")
_KIMG = flags.DEFINE_float(
    "kimg", None, "Thousands of images of each stage; default: by their size.", 0.001
)
_CONTROL = flags.DEFINE_bool(
    "control", True, "Train a twin of each student without guidance beside it."
)
_WEIGHT = flags.DEFINE_float(
    "guidance_weight", 0.1, "Weight of the teacher's discriminator.", 0.0
)
_FIT = flags.DEFINE_enum(
    "fit", None, ["center-crop", "pad", "stretch"], "How images of another size fit."
)
_KEEP = flags.DEFINE_list("keep", [], "Places whose width stays the teacher's, from 0.")
_SEED = flags.DEFINE_integer("seed", 0, "Of everything.")
_FORCE = flags.DEFINE_bool(
    "force", False, "Go on although the teacher's images are far from the data."
)
_OF_A_FILE = ("teacher", "data", "budget")


def main(argv) -> int:
    """Compresses a teacher, or runs a recipe."""
    del argv
    given = [name for name in _OF_A_FILE if flags.FLAGS[name].value is not None]
    if given and flags.FLAGS.gin_file:
        raise ValueError(
            f"--{given[0]} and --gin_file={flags.FLAGS.gin_file[-1]} both say what to "
            "do: give --teacher, --data and --budget, or a recipe"
        )
    return _compress(given) if given else _run_recipe()


def _run_recipe() -> int:
    configuration = gin_flags.read()
    from dglgan_tf.devices import hosts
    from dglgan_tf.runs import recipe, registry

    registry.register()
    gin_files.bind(configuration)
    recipe.run(
        _RUN_DIR.value or gin_flags.default_run_dir(),
        dry_run=_DRY_RUN.value,
        hosts=hosts.from_environment(os.environ),
    )
    return 0


def _compress(given) -> int:
    missing = [f"--{name}" for name in _OF_A_FILE if name not in given]
    if missing:
        raise ValueError(
            f"{' and '.join(missing)} missing: give --teacher, --data and --budget"
        )
    if not all(place.strip().isdigit() for place in _KEEP.value):
        raise ValueError(f"keep={','.join(_KEEP.value)} must be numbers from 0")
    from dglgan_tf.foundation import cache_folder, run_directory
    from dglgan_tf.runs import compression, registry

    registry.register()
    stems = [Path(text).stem for text in (_TEACHER.value, _DATA.value)]
    default = Path(_OUTDIR.value) / run_directory.plain_name("-".join(stems))
    root = Path(_RUN_DIR.value or default)
    recipe = compression.prepare(
        compression.Wish(
            teacher=_TEACHER.value,
            data=_DATA.value,
            budget=_BUDGET.value,
            kimg=_KIMG.value,
            control=_CONTROL.value,
            guidance_weight=_WEIGHT.value,
            fit=_FIT.value,
            keep=tuple(int(place) for place in _KEEP.value),
            seed=_SEED.value,
        ),
        root,
        cache_folder.find(os.environ.get("DGLGAN_CACHE")),
        dry_run=_DRY_RUN.value,
        force=_FORCE.value,
    )
    if recipe is not None:
        _proceed(recipe, root)
    return 0


def _proceed(recipe, root):
    """Becomes the command that runs the recipe.

    A fresh process: TensorFlow's threads, which lanes need otherwise, are set once.
    """
    words = [sys.executable, "-m", "dglgan_tf.compress"]
    words += [f"--gin_file={recipe}", f"--run_dir={root}"]
    sys.stdout.flush()
    os.execv(sys.executable, words)


def entry() -> None:
    """Console script."""
    command_line.run_entry(main)


if __name__ == "__main__":
    entry()
