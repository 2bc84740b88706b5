"""The flags of every command that reads gin files."""

import os
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from dglgan_tf.config import gin_files


def define_flags() -> None:
    """Defines --gin_file, --gin_param, --gin_bindings and --gin_import."""
    flags.DEFINE_multi_string(
        "gin_file", [], "Gin file, by path or name; may be repeated, later ones win."
    )
    flags.DEFINE_multi_string(
        "gin_param", [], "A binding such as Trainer.batch_size=64; may be repeated."
    )
    flags.DEFINE_multi_string("gin_bindings", [], "The same as --gin_param.")
    flags.DEFINE_multi_string(
        "gin_import",
        [],
        "Python module of your own, imported so that gin files may name its "
        "configurables; may be repeated. Its code runs, that of gin files never.",
    )


def read(
    files: Sequence[str] | None = None, bindings: Sequence[str] = ()
) -> gin_files.Configuration:
    """Reads the gin files and bindings that the flags name; no TensorFlow is needed.

    Args:
      files: paths or names in place of those of --gin_file; None = those.
      bindings: that --gin_param may override.

    Raises:
      ValueError: no gin file was given, or one cannot be read.
    """
    values = flags.FLAGS
    files = values.gin_file if files is None else files
    if not files:
        raise ValueError(
            "no --gin_file given: name one, for instance --gin_file=gin/quickstart.gin"
        )
    given = [*bindings, *values.gin_param, *values.gin_bindings]
    return gin_files.read(files, given, values.gin_import)


def default_run_dir() -> str:
    """Returns runs/<name of the last gin file>."""
    return os.path.join("runs", Path(flags.FLAGS.gin_file[-1]).stem)
