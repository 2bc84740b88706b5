"""Recipes: the stages of one compression, in order, each a resumable run.

A stage is a gin scope: `guided/Objective.guidance_weight = 0.1` holds for the stage
`guided` only. Each stage is a run directory below the recipe's, and later stages name
earlier ones as teachers or as starting points. `compress` runs all, `train` one.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import gin
from absl import logging

from dglgan_tf.config import bindings as bindings_of_gin
from dglgan_tf.config import gin_internals, removed_files
from dglgan_tf.devices import hosts as hosts_of_run
from dglgan_tf.foundation import run_directory
from dglgan_tf.reporting import report
from dglgan_tf.runs import comparison, training_run

GUIDED = "guided"  # the stage that `train` runs unless another one is named


@gin.configurable("compress", denylist=["root", "dry_run", "hosts"])
def run(
    root: str,
    dry_run: bool = False,
    hosts: hosts_of_run.Hosts | None = None,
    stages: Sequence[str] = gin.REQUIRED,
    compare: Callable | None = None,
) -> dict[str, run_directory.RunDirectory]:
    """Runs every stage that is not done, in order.

    Args:
      root: folder of the recipe; stage `s` lies in `root/s`.
      dry_run: describe each stage, run nothing.
      hosts: that train together; None = this one.
      stages: names, for instance ['teacher', 'student', 'guided'].
      compare: makes the `comparison.Comparison` that ends the recipe; None ends it
        without one.

    Returns:
      {stage: its run directory}.

    Raises:
      ValueError: no stages, or a stage that cannot work.
    """
    if not stages or len(set(stages)) != len(stages):
        raise ValueError(f"compress.stages={list(stages)} must be distinct names")
    done = {}
    for index, stage in enumerate(stages):
        directory = run_directory.RunDirectory(Path(root) / stage)
        logging.info("stage %d of %d: %s", index + 1, len(stages), stage)
        # Every stage records the parameters that it used itself.
        gin_internals.forget_operative()
        with gin.config_scope(stage):
            training_run.run(
                str(directory.path),
                dry_run=dry_run,
                siblings=str(root),
                planned=stages[:index],
                hosts=hosts,
            )
        done[stage] = directory
    is_chief = hosts is None or hosts.is_chief
    if compare is not None and not dry_run and is_chief:
        _finish(Path(root), stages[-1], compare())
    return done


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


def train(
    stage: str | None,
    root: str,
    run_dir: str | None = None,
    dry_run: bool = False,
    hosts: hosts_of_run.Hosts | None = None,
) -> dict[str, float]:
    """Trains one stage of a recipe, where `run` trains it too; or the one training.

    Args:
      stage: of `stage_to_train`; None = the configuration has no stages.
      root: folder of the recipe, or of the one training.
      run_dir: folder of this stage, whose siblings the others are; None = `root/stage`,
        or `root` where a run of an earlier version lies there.
      dry_run: describe it, run nothing.
      hosts: that train together; None = this one.

    Returns:
      the last tick's metrics, {} of a dry run.

    Raises:
      ValueError: what cannot work; an earlier stage whose weights are missing.
    """
    if stage is None:
        return training_run.run(run_dir or root, dry_run=dry_run, hosts=hosts)
    if run_dir is None:
        old = stage == GUIDED and (Path(root) / run_directory.MARKER).is_file()
        run_dir = root if old else str(Path(root) / stage)
    siblings = str(Path(run_dir).parent)
    with gin.config_scope(stage):
        missing = _bind_earlier_runs(stage, siblings, Path(root).name)
        sentence = (
            f"the stage {stage!r} needs weights of {' and '.join(missing)}, and "
            f"{siblings} has no such run: train it first (the same command with "
            "--stage), or all stages with compress, or name weights "
            "(train.initialize_from, train.teachers)"
        )
        if missing and not dry_run and not run_directory.RunDirectory(run_dir).is_done:
            raise ValueError(sentence)
        found = training_run.run(
            run_dir, dry_run=dry_run, siblings=siblings, planned=missing, hosts=hosts
        )
        if missing and dry_run:
            raise ValueError(sentence)
    return found


def _bind_earlier_runs(stage, siblings, recipe) -> list[str]:
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


def _finish(root, last, wanted):
    picture = comparison.run(root, wanted)
    network = root / "export/saved_model" if wanted.export else root / last
    try:
        picture = report.write([root], root / "report.html")
    except ValueError as error:  # jinja2 is not there, or a page too large
        logging.warning("no report was written: %s", error)
    logging.info(
        "look at %s; next:\n"
        "  python -m dglgan_tf.sample --network=%s --seeds=0-63 --grid --outdir=out\n"
        "  tensorboard --logdir=%s",
        picture,
        network,
        root,
    )
