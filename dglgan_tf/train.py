"""Trains one network pair: `python -m dglgan_tf.train --gin_file=gin/biggan128.gin`.

Or on your own images: `python -m dglgan_tf.train --data=FOLDER --cfg=auto --mirror=1`.
Of a recipe (a gin file with stages) it trains one stage, the guided one or --stage.
Running the same command again continues where it stopped.
"""

import dataclasses
import os

from absl import flags

from dglgan_tf.cli import entry as command_line
from dglgan_tf.cli import gin_flags, nvidia_flags
from dglgan_tf.config import gin_files

gin_flags.define_flags()
nvidia_flags.define_flags()
_RUN_DIR = flags.DEFINE_string(
    "run_dir", None, "Folder of the run; default OUTDIR/<name of gin file or data>, "
    "of a recipe's stage the folder of its name in there.",
)  # fmt: skip
_STAGE = flags.DEFINE_string(
    "stage", None, "Stage of a recipe to train; default: the guided one."
)
_DRY_RUN = flags.DEFINE_bool(
    "dry_run", False, "Print configuration, layers, totals and estimates; do nothing.",
    short_name="n",
)  # fmt: skip


def main(argv) -> int:
    """Parses the configuration and runs the training."""
    del argv
    values = flags.FLAGS
    files, bindings = nvidia_flags.from_flags(values)
    configuration = gin_flags.read(files, bindings)
    from dglgan_tf.devices import hosts
    from dglgan_tf.runs import recipe, registry

    registry.register()
    gin_files.bind(configuration)
    stage = recipe.stage_to_train(_STAGE.value)
    if hidden := recipe.for_stage(stage, configuration.bindings):
        hidden = [*configuration.bindings, *hidden]
        gin_files.bind(dataclasses.replace(configuration, bindings=hidden))
    recipe.train(
        stage,
        root=nvidia_flags.run_dir(values),
        run_dir=_RUN_DIR.value,
        dry_run=_DRY_RUN.value,
        hosts=hosts.from_environment(os.environ),
    )
    return 0


def entry() -> None:
    """Console script."""
    command_line.run_entry(main)


if __name__ == "__main__":
    entry()
