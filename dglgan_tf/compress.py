"""Runs the stages of a recipe: `python -m dglgan_tf.compress --gin_file=RECIPE.gin`.

Running the same command again continues where it stopped.
"""

import os

from absl import flags

from dglgan_tf.config import gin_files

gin_files.define_flags()
_RUN_DIR = flags.DEFINE_string(
    "run_dir", None, "Folder of the recipe; default runs/<name of the gin file>."
)
_DRY_RUN = flags.DEFINE_bool(
    "dry_run", False, "Describe each stage; do nothing.", short_name="n"
)


def main(argv) -> int:
    """Parses the configuration and runs the stages."""
    del argv
    gin_files.parse_flags()
    from dglgan_tf.devices import hosts
    from dglgan_tf.runs import recipe

    recipe.run(
        _RUN_DIR.value or gin_files.default_run_dir(),
        dry_run=_DRY_RUN.value,
        hosts=hosts.from_environment(os.environ),
    )
    return 0


def entry() -> None:
    """Console script."""
    gin_files.run_entry(main)


if __name__ == "__main__":
    entry()
