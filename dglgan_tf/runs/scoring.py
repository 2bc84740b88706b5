"""Scores while a training runs: at snapshots, on the averaged generator.

Nothing here can stop a training: what cannot be computed is logged.
"""

import dataclasses
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import gin
from absl import logging

from dglgan_tf.compat import tf
from dglgan_tf.evaluation import judge
from dglgan_tf.foundation import run_directory
from dglgan_tf.layers import spectral_norm
from dglgan_tf.metrics import names, scores


@gin.configurable
@dataclasses.dataclass
class Evaluation:
    """Scores during training, of the averaged generator.

    Attributes:
      metrics: names of `metrics.names`; empty = none during training.
      every_images: at the first snapshot after so many images.
      keep_best: snapshots kept in `best/` by the first metric, besides the newest.
      cache: folder for statistics of the real images and weight files.
      seed: of latents and classes; the same each time.
      batch_size: generated images of one call.
    """

    metrics: Sequence[str] = ()
    every_images: int = 200_000
    keep_best: int = 1
    cache: str | None = None
    seed: int = 0
    batch_size: int = 64

    def __post_init__(self):
        for name in ("every_images", "keep_best", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"Evaluation.{name}={getattr(self, name)} must be at least 1"
                )
        for metric in self.metrics:
            names.parse(metric)


def in_training(parts, directory, shown) -> Callable[[Path], None]:
    """Returns what is called after each snapshot: evaluates it where that is due.

    Whatever keeps a metric from being computed is logged and stops nothing.

    Args:
      parts: `training_run.Parts`.
      directory: `run_directory.RunDirectory`.
      shown: `progress.Progress`.
    """
    wanted = Evaluation()
    if not wanted.metrics:
        return lambda path: None
    try:
        opened = judge.open_judge(
            parts.source, wanted.metrics, cache=wanted.cache, fallback=True
        )
    except ValueError as error:
        logging.warning("no evaluation during training: %s", error)
        return lambda path: None
    counters = parts.trainer.state.counters
    last = counters.images // wanted.every_images

    def after_save(path: Path) -> None:
        nonlocal last
        now = parts.trainer.state.counters.images
        if now // wanted.every_images == last:
            return
        last = now // wanted.every_images
        try:
            found = _judged(opened, parts, wanted, path.name)
        except (ValueError, OSError) as error:
            logging.warning("%s was not evaluated: %s", path.name, error)
            return
        replicas = parts.strategy.num_replicas_in_sync
        for score in found:
            scores.append(directory.path, score, path.name, now, replicas)
            shown.say(f"{path.name}: {scores.sentence(score)}")
            with shown.summary.as_default():
                tf.summary.scalar(f"metrics/{score['metric']}", score["value"], now)
        keep_best(directory.path, path, found[0]["metric"], wanted.keep_best)

    return after_save


def _judged(opened, parts, wanted: Evaluation, name: str) -> list[dict]:
    """Returns the scores of the averaged generator, which is as it was afterwards."""
    network = parts.networks.generator_ema
    try:
        subject = opened.subject(
            network,
            batch_size=wanted.batch_size,
            strategy=_of_this_host(parts.strategy),
            name=name,
        )
        return opened.evaluate(subject, wanted.seed)
    finally:
        spectral_norm.unfreeze_spectral_norm(network)


def _of_this_host(strategy):
    """The chief draws alone: the other hosts train on and would not answer."""
    several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    return tf.distribute.get_strategy() if several else strategy


def keep_best(run_dir, path: Path, metric: str, count: int) -> None:
    """Keeps a snapshot in `best/` while its score is among the best `count`."""
    lines = [line for line in scores.read(run_dir) if line["metric"] == metric]
    sign = -1 if scores.higher_is_better(metric) else 1
    ranked = sorted(lines, key=lambda line: sign * line["value"])
    names = list(dict.fromkeys(line["snapshot"] for line in ranked))[:count]
    folder = Path(run_dir) / "best"
    folder.mkdir(exist_ok=True)
    if path.name in names and not (folder / path.name).exists():
        try:
            os.link(path, folder / path.name)
        except OSError:
            shutil.copyfile(path, folder / path.name)
    for old in run_directory.RunDirectory(folder).snapshots():
        if old.name not in names:
            old.unlink()
