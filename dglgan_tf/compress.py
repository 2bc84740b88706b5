"""Runs the stages of a recipe: `python -m dglgan_tf.compress --gin_file=RECIPE.gin`.

Running the same command again continues where it stopped.
"""

import os

from absl import flags

from dglgan_tf.cli import entry as command_line
from dglgan_tf.cli import gin_flags
from dglgan_tf.config import gin_files

gin_flags.define_flags()
_RUN_DIR = flags.DEFINE_string(
    "run_dir", None, "Folder of the recipe; default runs/<name of the gin file>."
)
_DRY_RUN = flags.DEFINE_bool(
    "dry_run", False, "Describe each stage; do nothing.", short_name="n"
)


def main(argv) -> int:
    """Parses the configuration and runs the stages."""
    del argv
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


def entry() -> None:
    """Console script."""
    command_line.run_entry(main)


if __name__ == "__main__":
    entry()
