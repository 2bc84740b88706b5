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
from dglgan_tf.evaluation import judging
from dglgan_tf.foundation import run_directory
from dglgan_tf.layers import conditional_norm
from dglgan_tf.metrics import evaluator, image_sets, names, scores
from dglgan_tf.sampling import sampler


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
    source, network = parts.source, parts.networks.generator_ema
    reals = judging.stored_images(source, network.num_channels)
    try:
        judge = evaluator.Evaluator(
            reals, wanted.metrics, fallback=True, cache=wanted.cache
        )
    except ValueError as error:
        logging.warning("no evaluation during training: %s", error)
        return lambda path: None
    averaged = _averaged(parts, wanted)
    counters = parts.trainer.state.counters
    last = counters.images // wanted.every_images

    def after_save(path: Path) -> None:
        nonlocal last
        now = parts.trainer.state.counters.images
        if now // wanted.every_images == last:
            return
        last = now // wanted.every_images
        try:
            found = judge.evaluate(averaged, wanted.seed)
        except (ValueError, OSError) as error:
            logging.warning("%s was not evaluated: %s", path.name, error)
            return
        replicas = parts.strategy.num_replicas_in_sync
        for score in found:
            score["protocol"]["generated"]["network"] = path.name
            scores.append(directory.path, score, path.name, now, replicas)
            shown.say(f"{path.name}: {scores.sentence(score)}")
            with shown.summary.as_default():
                tf.summary.scalar(f"metrics/{score['metric']}", score["value"], now)
        keep_best(directory.path, path, found[0]["metric"], wanted.keep_best)

    return after_save


def _averaged(parts, wanted: Evaluation) -> image_sets.GeneratedImages:
    """Returns the averaged generator in inference mode, spread over the replicas."""
    network = parts.networks.generator_ema
    styled = sampler.has_styles(network)
    noise = "random" if styled else "const"
    protocol = {"weights": "generator_ema", "truncation": None}
    if styled:
        protocol["noise"] = noise
    if conditional_norm.batch_statistics(network):
        protocol["batch_norm"] = "running"
    return image_sets.GeneratedImages(
        judging.replicated(network, None, noise, _of_this_host(parts.strategy)),
        network.z_dim,
        network.num_classes,
        judging.class_weights(parts.source, network.num_classes),
        wanted.batch_size,
        protocol,
        judging.halves(network) if styled else None,
    )


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
