"""Load, sample, narrow, compress, save: the package in five lines of Python.

    from dglgan_tf import api

    teacher = api.networks("bundled/fashion_biggan_teacher")
    student = api.narrow(teacher["generator_ema"], max_macs="25%")
    small = api.guide(student, [teacher["discriminator"]], images, labels)
    api.save("small.safetensors", small)
    pictures = api.load("small.safetensors").images(seeds=range(8))

and all of it with stages, snapshots, judging and exports, as the command does:

    found = api.compress("teacher.pkl", "photos/", "50%,25%")
    found.students["25%"], found.scores, found.report
"""

import dataclasses
import functools
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from absl import logging

from dglgan_tf.compat import keras, tf
from dglgan_tf.converters import exporting, loading
from dglgan_tf.data import base as data_base
from dglgan_tf.data import pipeline
from dglgan_tf.deploy import opening
from dglgan_tf.foundation import run_directory
from dglgan_tf.losses import adversarial
from dglgan_tf.narrowing import budget
from dglgan_tf.networks import adapted, base, files
from dglgan_tf.reporting import collect
from dglgan_tf.runs import compression_recipe
from dglgan_tf.training import (
    ema,
    objective,
    optimizers,
    scores,
    settings,
    state,
    trainer,
)

load = opening.load
load_checkpoint = loading.load_checkpoint
export_checkpoint = exporting.export_checkpoint
_LOSSES = {
    "hinge": (adversarial.d_hinge, adversarial.g_hinge, scores.scores_joint),
    "logistic": (
        adversarial.d_logistic, adversarial.g_logistic, scores.scores_separate,
    ),
}  # fmt: skip


def networks(name: str) -> dict[str, base.Network]:
    """Returns the networks of a run, a file or `bundled/NAME` by role."""
    return files.load_networks(run_directory.find_weights(name))


def save(path, generator: base.Generator, class_names: Sequence[str] = ()) -> None:
    """Writes a generator of this package so that every command can read it.

    Args:
      path: file to write; replaced atomically.
      generator: StyleGAN2 or BigGAN.
      class_names: one per class, shown wherever a class is; () shows numbers.

    Raises:
      ValueError: names for more or fewer classes than there are.
    """
    names = [str(name) for name in class_names]
    if names and len(names) != generator.num_classes:
        raise ValueError(
            f"class_names has {len(names)} names, the generator has "
            f"{generator.num_classes} classes"
        )
    files.save_networks(path, {"generator_ema": generator}, {"class_names": names})


def adapt(model: keras.Model) -> base.Network:
    """Returns a Keras model of one's own as a generator or a discriminator.

    A model from vectors to images is a generator, one from images to a logit a
    discriminator; see `networks.adapted`.

    Raises:
      ValueError: a model of another Keras, or with other shapes.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(
            f"adapt(model): {type(model).__module__}.{type(model).__name__} is no "
            f"model of {keras.__name__}: build it with the Keras that the package "
            "uses, `from dglgan_tf.compat import keras` (Keras 2)"
        )
    shapes = model.input_shape
    first = shapes[0] if isinstance(shapes, list) else shapes
    kind = adapted.AdaptedGenerator if len(first) == 2 else None
    return (kind or adapted.AdaptedDiscriminator)(model)


def copy(network: base.Network) -> base.Network:
    """Returns another network with the same weights."""
    if hasattr(network, "copy"):
        return network.copy()
    other = type(network).from_config(network.get_config())
    values = base.named_variables(network)
    for name, variable in base.named_variables(other).items():
        variable.assign(values[name])
    return other


def narrow(
    teacher: base.Generator,
    max_macs: str | None = None,
    max_params: str | None = None,
) -> base.Generator:
    """Returns a new generator with the teacher's widths in proportion, random weights.

    Args:
      teacher: a StyleGAN2 or BigGAN generator.
      max_macs, max_params: one of them: '25%' of the teacher, or a number such as '5G'.
    """
    given = {k: v for k, v in (("macs", max_macs), ("params", max_params)) if v}
    if len(given) != 1:
        raise ValueError("give one of max_macs and max_params")
    request = budget.Request(*next(iter(given.items())))
    found = budget.solve_for(request, teacher, teacher)
    return type(teacher).from_config({**teacher.get_config(), **found.changes})


@dataclasses.dataclass(frozen=True)
class Compressed:
    """What `compress` made.

    Attributes:
      root: folder of everything.
      students: {limit as written: generator}.
      scores: a dict of each network, the teacher first, as in scores.csv.
      exports: {limit: folder with SavedModel, TFLite, ONNX}.
      report: the HTML page.
    """

    root: Path
    students: dict[str, base.Generator]
    scores: list[dict]
    exports: dict[str, Path]
    report: Path


def compress(
    teacher: str, data: str, budget: str, outdir: str = "runs", **flags
) -> Compressed:
    """Runs `python -m dglgan_tf.compress` and returns what it made.

    It prints what the command prints, in a process of its own; the same call continues
    after an interruption and returns at once when all is done.

    Args:
      teacher, data, budget, outdir: as the command's flags (`docs/compress.md`).
      **flags: others of the command, such as kimg=200 or control=False.

    Raises:
      ValueError: what the command refuses, in its words.
    """
    stems = (Path(text).stem for text in (teacher, data))
    root = Path(outdir) / run_directory.plain_name("-".join(stems))
    given = {
        "teacher": teacher,
        "data": data,
        "budget": budget,
        "run_dir": root,
        **flags,
    }
    words = [f"--{name}={value}" for name, value in given.items()]
    last = ""
    with subprocess.Popen(
        [sys.executable, "-m", "dglgan_tf.compress", *words],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line.strip() or last
    if process.returncode:
        raise ValueError(last)
    limits = [text.strip() for text in budget.split(",") if text.strip()]
    found = {text: compression_recipe.stage_of(text) for text in limits}
    names = {text: run_directory.plain_name(f"guided {text}") for text in limits}
    return Compressed(
        root,
        {text: files.load_generator(_newest(root / s))[0] for text, s in found.items()},
        collect.read_scores(root / "scores.csv"),
        {text: root / "export" / name for text, name in names.items()},
        root / "report.html",
    )


def _newest(folder):
    return run_directory.find_weights(str(folder))


def guide(
    student: base.Generator,
    teachers: Sequence[base.Discriminator],
    images,
    labels=None,
    *,
    discriminator: base.Discriminator | None = None,
    total_images: int = 25_600,
    batch_size: int = 32,
    guidance_weight: float = 0.1,
    loss: str = "hinge",
    learning_rates: tuple[float, float] = (2e-4, 4e-4),
    r1_gamma: float = 0.0,
    ema_decay: float = 0.999,
    seed: int = 0,
    progress: Callable[[int, dict], None] | None = None,
) -> base.Generator:
    """Trains a student against its own discriminator and against the teachers'.

    Args:
      student: trained in place.
      teachers: pretrained discriminators, frozen; [] trains without guidance.
      images: uint8 [N, H, W, C], or a `data.base.Source`, which holds labels.
      labels: [N] classes of the images.
      discriminator: the student's own, trained in place; None starts from a copy of
        the first teacher.
      total_images: images that the generator's steps see.
      batch_size: images of a step.
      guidance_weight: weight of the teachers' term.
      loss: 'hinge' (BigGAN) or 'logistic' (StyleGAN2).
      learning_rates: of Adam for the generator and the discriminator.
      r1_gamma: weight of R1, every 16 steps; 0 = none.
      ema_decay: of the averaged weights that are returned.
      seed: of data order and all draws.
      progress: called with (images seen, metrics) every hundredth part.

    Returns:
      a copy of the student with averaged weights.

    Raises:
      ValueError: networks or images that do not fit together.
      FloatingPointError: losses are no longer finite.
    """
    if loss not in _LOSSES:
        raise ValueError(f"loss={loss!r} must be one of {sorted(_LOSSES)}")
    if discriminator is None:
        if not teachers:
            raise ValueError("no teacher to copy: give the student a discriminator")
        discriminator = copy(teachers[0])
    source = _source(images, labels, student)
    for network in (discriminator, *teachers):
        _check_alike(student, network)
    kept = state.Networks(student, discriminator, copy(student), list(teachers))
    wanted = _objective(loss, guidance_weight, r1_gamma)
    train = _trainer(kept, wanted, batch_size, learning_rates, ema_decay, seed)
    _run(train, source, student, total_images, seed, progress)
    return kept.generator_ema


def _objective(loss, guidance_weight, r1_gamma):
    d_loss, g_loss, d_scores = _LOSSES[loss]
    return objective.Objective(
        d_loss=d_loss,
        g_loss=g_loss,
        d_scores=d_scores,
        guidance_weight=guidance_weight,
        r1_gamma=r1_gamma,
    )


def _trainer(kept, wanted, batch_size, learning_rates, ema_decay, seed):
    g_adam, d_adam = (
        functools.partial(optimizers.adam, learning_rate=rate, epsilon=1e-6)
        for rate in learning_rates
    )
    proceeding = settings.Settings(
        objective=wanted,
        g_optimizer=g_adam,
        d_optimizer=d_adam,
        ema_decay=functools.partial(ema.fixed, decay=ema_decay),
        ema_statistics=True,
        batch_size=batch_size,
    )
    return trainer.Trainer(kept, tf.distribute.get_strategy(), seed, proceeding)


def _source(images, labels, student) -> data_base.Source:
    if isinstance(images, data_base.Source):
        return images
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 4:
        raise ValueError(
            f"images are {images.dtype} {list(images.shape)}: give uint8 [N, H, W, C]"
        )
    if labels is None:
        labels = np.zeros([len(images)], np.int64)
    names = tuple(f"class {i}" for i in range(student.num_classes))
    return data_base.ArraySource(images, np.asarray(labels), names, "images")


def _check_alike(student, network):
    for field in ("resolution", "num_channels", "num_classes"):
        ours, theirs = getattr(student, field), getattr(network, field)
        if ours != theirs:
            raise ValueError(
                f"a {type(network).__name__} has {field}={theirs}, the student "
                f"{field}={ours}: they must be equal"
            )


def _run(train, source, student, total_images, seed, progress):
    data = pipeline.make_dataset(
        source,
        batch_size=train.reals_per_step,
        resolution=student.resolution,
        num_channels=student.num_channels,
        num_classes=student.num_classes,
        seed=seed,
    )
    iterator = iter(data)
    counters, told = train.state.counters, 0
    while counters.images < total_images:
        metrics = train.train_step(iterator)
        if counters.images < min(told + total_images / 100, total_images):
            continue
        told = counters.images
        found = {name: float(value) for name, value in metrics.items()}
        bad = [name for name, value in found.items() if not np.isfinite(value)]
        if bad:
            raise FloatingPointError(
                f"{bad[0]} is not finite after {told} images: lower the learning rates"
            )
        if progress is not None:
            progress(told, found)
    logging.info("trained on %d images", counters.images)
