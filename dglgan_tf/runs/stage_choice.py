"""Which stage of a recipe `train` runs, and what it needs of the others."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import gin
from absl import logging

from dglgan_tf.config import bindings as bindings_of_gin
from dglgan_tf.config import gin_files, removed_files
from dglgan_tf.foundation import run_directory

GUIDED = "guided"  # the stage that `train` runs unless another one is named


def bind(configuration: gin_files.Configuration, wanted: str | None) -> str | None:
    """Binds a configuration and returns the stage that `train` runs of it.

    Args:
      configuration: of `gin_files.read`.
      wanted: a stage's name; None = the guided one.

    Raises:
      ValueError: what does not parse; a stage that the configuration does not have.
    """
    gin_files.bind(configuration)
    stage = stage_to_train(wanted)
    if hidden := for_stage(stage, configuration.bindings):
        bindings = [*configuration.bindings, *hidden]
        gin_files.bind(dataclasses.replace(configuration, bindings=bindings))
    return stage


def stage_to_train(wanted: str | None) -> str | None:
    """Returns the stage that `train` runs of the parsed configuration.

    Args:
      wanted: a stage's name; None = the guided one.

    Returns:
      None for a configuration without stages, which is one training.

    Raises:
      ValueError: a stage that the configuration does not have.
    """
    stages = bindings_of_gin.value("compress", "stages", ())
    if not stages:
        if wanted is not None:
            raise ValueError(
                f"--stage={wanted}: the configuration has no stages (compress.stages): "
                "leave --stage out"
            )
        return None
    if wanted is None and GUIDED not in stages:
        raise ValueError(
            f"the configuration has the stages {', '.join(stages)}, and none is "
            f"named {GUIDED!r}: give one as --stage, or run all of them with compress"
        )
    if wanted not in (None, *stages):
        raise ValueError(f"--stage={wanted} must be one of {', '.join(stages)}")
    return wanted or GUIDED


def for_stage(stage: str | None, bindings: Sequence[str]) -> list[str]:
    """Returns those bindings once more, in a stage's scope, that its own would hide.

    What is said on the command line of `train` holds for the stage that it runs, also
    where the gin file has another value for this stage alone.

    Args:
      stage: of `stage_to_train`.
      bindings: of the command line, 'Schedule.total_images = 8'.
    """
    if stage is None:
        return []
    found = []
    for binding in bindings:
        name, equals, _ = binding.partition("=")
        if equals and "/" not in name and _is_bound(f"{stage}/{name.strip()}"):
            found.append(f"{stage}/{binding}")
    return found


def _is_bound(name) -> bool:
    try:
        gin.query_parameter(name)
    except ValueError:
        return False
    return True


def bind_earlier_runs(stage, siblings, recipe) -> list[str]:
    """Returns the stages that this one needs and that have no weights yet.

    Where a version without recipes trained one of them (`runs/biggan128_stage1`), that
    run is bound in its place.
    """
    stages = bindings_of_gin.value("compress", "stages", ())
    start = bindings_of_gin.value("train", "initialize_from", None)
    teachers = bindings_of_gin.value("train", "teachers", ())
    starts = list(start.values()) if isinstance(start, dict) else [start]
    earlier, missing = {}, []
    for name in dict.fromkeys(n for n in [*teachers, *starts] if n in stages):
        if _has_weights(name, siblings):
            continue
        run = str(removed_files.earlier_run(recipe, name))
        if _has_weights(run, None):
            earlier[name] = run
        else:
            missing.append(name)
    if earlier:
        logging.info("runs of an earlier version: %s", ", ".join(earlier.values()))
        with gin.unlock_config():
            if isinstance(start, str):
                bound = earlier.get(start, start)
                gin.bind_parameter(f"{stage}/train.initialize_from", bound)
            gin.bind_parameter(
                f"{stage}/train.teachers", [earlier.get(t, t) for t in teachers]
            )
    return missing


def _has_weights(name, siblings) -> bool:
    try:
        run_directory.find_weights(name, siblings)
    except ValueError:
        return False
    return True


def folder_of(stage: str, root: str) -> str:
    """Returns `root/stage`, or `root` where a run of an earlier version lies there."""
    old = stage == GUIDED and (Path(root) / run_directory.MARKER).is_file()
    return root if old else str(Path(root) / stage)
