"""What a run directory says of its run: origin, data, configuration."""

import difflib
import json
from pathlib import Path

import gin
from absl import logging

import dglgan_tf
from dglgan_tf.foundation import atomic, run_directory
from dglgan_tf.networks import base
from dglgan_tf.runs import auto_parts
from dglgan_tf.training import checkpoint


def options_of(built, beginning) -> dict:
    """Returns what the run's marker and every snapshot's header say of its origin.

    Args:
      built: `build.Built`.
      beginning: `plan.Beginning`.
    """
    return {
        "version": dglgan_tf.__version__,
        "seed": beginning.seed,
        "teachers": [str(path) for path in beginning.teachers],
        "initialize_from": {r: str(path) for r, path in beginning.starts.items()},
        "data": built.source.fingerprint(),
        "source": built.source.description,  # from which it is opened again
        "class_names": list(built.source.class_names),
        "stretched": built.source.stretched,
        "parameters": {
            role: base.count_parameters(network)
            for role, network in built.networks.by_role().items()
        },
        "objective": built.trainer.objective.facts(),
        "max_microbatch": auto_parts.part_of(built.trainer),
    }


def remembered_part(directory: run_directory.RunDirectory) -> int | None:
    """Returns how many images a run computed at once when it began; None if unknown."""
    try:
        found = facts(directory.path).get("max_microbatch")
    except (OSError, ValueError):  # a new run, or one of an earlier version
        return None
    return found if isinstance(found, int) and found > 0 else None


def restore(
    train, directory: run_directory.RunDirectory, options: dict, owner: bool = True
) -> bool:
    """Takes up the newest snapshot that is whole; returns whether there was one.

    Args:
      train: `trainer.Trainer`.
      directory: of the run.
      options: of `options_of`, now.
      owner: whether damaged snapshots are renamed here.

    Raises:
      ValueError: the networks or the objective were others then; no snapshot is whole.
    """
    found = checkpoint.restore_newest(train.state, directory)
    if found.path is None:
        return False
    _check_objective(found.info.get("objective", {}), options["objective"], found.path)
    if found.said:
        logging.warning("%s", found.said)
        if owner:
            directory.set_aside(found.path)
    logging.info("continuing %s from %s", directory.path, found.path.name)
    return True


def _check_objective(before, now, path):
    """Stops a run whose objective is another one than when it was saved."""
    changed = [
        f"Objective.{name} was {before[name]!r} and is {now[name]!r}"
        for name in sorted(before.keys() & now.keys())
        if before[name] != now[name]
    ]
    if changed:
        raise ValueError(
            f"{'; '.join(changed[:3])} since {path} was saved: set it back, or start "
            "a new run directory (train.initialize_from takes these weights along)"
        )


def remember_configuration(directory: run_directory.RunDirectory) -> None:
    """Writes config.gin; says what changed when the run was started otherwise."""
    path, text = directory.path / "config.gin", gin.config_str()
    if path.is_file() and (old := path.read_text()) != text:
        lines = difflib.unified_diff(
            old.splitlines(), text.splitlines(), "before", "now", lineterm="", n=0
        )
        changed = "\n".join(lines)
        logging.warning("the configuration changed since the last start:\n%s", changed)
    atomic.write(path, text)
    atomic.write(directory.path / "operative_config.gin", gin.operative_config_str())


def facts(run_dir) -> dict:
    """Returns the options that a run was started with."""
    return json.loads((Path(run_dir) / run_directory.MARKER).read_text())
