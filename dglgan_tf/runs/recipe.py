"""Recipes: the stages of one compression, in order, each a resumable run.

A stage is a gin scope: `guided/Objective.guidance_weight = 0.1` holds for the stage
`guided` only. Each stage is a run directory below the recipe's, and later stages name
earlier ones as teachers or as starting points. `compress` runs all, `train` one
(`runs.stage`).
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import gin
from absl import logging

from dglgan_tf.config import gin_internals
from dglgan_tf.devices import hosts as hosts_of_run
from dglgan_tf.foundation import run_directory
from dglgan_tf.reporting import report
from dglgan_tf.runs import comparison, training_run


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


def _finish(root, last, wanted):
    picture = comparison.run(root, wanted)
    single = isinstance(wanted.export, str)
    network = root / "export/saved_model" if single else root / last
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
