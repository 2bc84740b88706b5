"""The training that `train` runs: one stage of a recipe, or the only one."""

from pathlib import Path

import gin

from dglgan_tf.devices import hosts as devices_hosts
from dglgan_tf.foundation import run_directory
from dglgan_tf.runs import stage_choice, training_run


def train(
    stage: str | None,
    root: str,
    run_dir: str | None = None,
    dry_run: bool = False,
    hosts: devices_hosts.Hosts | None = None,
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
        old = (
            stage == stage_choice.GUIDED
            and (Path(root) / run_directory.MARKER).is_file()
        )
        run_dir = root if old else str(Path(root) / stage)
    siblings = str(Path(run_dir).parent)
    with gin.config_scope(stage):
        missing = stage_choice.bind_earlier_runs(stage, siblings, Path(root).name)
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
