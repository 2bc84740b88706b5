"""Builds one training from its configuration and runs it.

The composition root: the only place that knows networks, data, trainer and loop at
once. `python -m dglgan_tf.train` runs it once, a recipe once for each stage.
"""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import gin
from absl import logging

import dglgan_tf
from dglgan_tf import (
    atomic,
    description,
    loop,
    monitor,
    pictures,
    progress,
    runs,
    strategies,
)
from dglgan_tf.compat import keras, tf
from dglgan_tf.data import base as base_of_data
from dglgan_tf.data import pipeline
from dglgan_tf.networks import base, files
from dglgan_tf.training import checkpoint, diagnostics, state, trainer

ROLES = files.ROLES


@dataclasses.dataclass
class Parts:
    """What a training is built from, before anything runs."""

    source: object
    networks: state.Networks
    trainer: trainer.Trainer
    strategy: tf.distribute.Strategy


@gin.configurable("train", denylist=["run_dir", "dry_run", "siblings", "planned"])
def run(
    run_dir: str,
    dry_run: bool = False,
    siblings: str | None = None,
    planned: Sequence[str] = (),
    source: Callable = gin.REQUIRED,
    generator: Callable = gin.REQUIRED,
    discriminator: Callable = gin.REQUIRED,
    teachers: Sequence[str] = (),
    teacher_networks: Sequence[Callable] = (),
    initialize_from: str | None = None,
    initialize_roles: Sequence[str] = ROLES,
    seed: int = 0,
    devices: Sequence[str] | None = None,
    deterministic: bool = False,
    tf32: bool = True,
) -> dict[str, float]:
    """Trains one student pair until its total, continuing what the folder holds.

    Args:
      run_dir: folder of the run.
      dry_run: print what would run, train nothing, write nothing.
      siblings: folder in which `teachers` and `initialize_from` may name stages.
      planned: stages that will have run before; a dry run does not look for them.
      source: makes the data source (`dglgan_tf.data.sources`).
      generator, discriminator: make the student's networks.
      teachers: weights whose discriminators guide the generator (`runs.find_weights`).
      teacher_networks: make the teacher's networks, for a dry run without its weights.
      initialize_from: weights that the student starts from, optimizers start fresh;
        None = random.
      initialize_roles: which of its networks do.
      seed: of weights, data order and all draws.
      devices: replicas; None = every GPU, else the CPU.
      deterministic: only operations that give the same bits each time; slower.
      tf32: whether GPUs that can may multiply float32 with TF32's ten-bit mantissa.

    Returns:
      the last tick's metrics; {} where the run was done before or is a dry run.

    Raises:
      ValueError: anything that cannot work, said before training starts.
    """
    directory = runs.RunDirectory(run_dir)
    if directory.is_done and not dry_run:
        logging.info("%s is done: nothing to train", run_dir)
        return {}
    schedule, _ = loop.Schedule(), monitor.Evaluation()
    _check_arguments(seed, initialize_roles)
    if dry_run:
        made = (generator, discriminator, teacher_networks)
        print(description.describe(*made, schedule))
        _source(source)  # says what is missing
        for name in {*teachers, initialize_from} - {None, *planned}:
            runs.find_weights(name, siblings)
        return {}
    directory.check()
    data = _source(source)
    found = [runs.find_weights(name, siblings) for name in teachers]
    start = runs.find_weights(initialize_from, siblings) if initialize_from else None
    tf.config.experimental.enable_tensor_float_32_execution(tf32)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    parts = build(
        data, generator, discriminator, found, start, initialize_roles, seed, devices
    )
    options = _options(parts, seed, found, start)
    return _train(parts, schedule, directory, options, seed)


def _check_arguments(seed, initialize_roles):
    """Says what is out of range before anything is built."""
    if not 0 <= seed < 2**31:
        raise ValueError(f"train.seed={seed} must be from 0 to {2**31 - 1}")
    for role in initialize_roles:
        if role not in ROLES:
            raise ValueError(
                f"train.initialize_roles names {role!r}: choose from {', '.join(ROLES)}"
            )


def _source(make):
    found = make()
    if not isinstance(found, base_of_data.Source):
        raise ValueError(
            f"train.source gives a {type(found).__name__}, not images: name a source "
            "such as @embedded, @open_source or @images"
        )
    return found


def _made(make, kind, name):
    """Returns a network of the right kind."""
    found = make()
    if not isinstance(found, kind):
        raise ValueError(
            f"train.{name} gives a {type(found).__name__}, not a {kind.__name__}"
        )
    return found


def _options(parts, seed, teachers, start):
    """Returns what the run's marker and every snapshot's header say of its origin."""
    return {
        "version": dglgan_tf.__version__,
        "seed": seed,
        "teachers": [str(path) for path in teachers],
        "initialize_from": str(start) if start else None,
        "data": parts.source.fingerprint(),
        "class_names": list(parts.source.class_names),
        "parameters": {
            role: base.count_parameters(network)
            for role, network in parts.networks.by_role().items()
        },
        "objective": parts.trainer.objective.facts(),
    }


def build(
    source,
    generator,
    discriminator,
    teachers,
    initialize_from=None,
    initialize_roles=ROLES,
    seed=0,
    devices=None,
) -> Parts:
    """Builds networks and trainer; arguments as `run`, source made, paths resolved."""
    strategy = strategies.make(devices)
    keras.utils.set_random_seed(seed)
    with strategy.scope():
        networks = state.Networks(
            _made(generator, base.Generator, "generator"),
            _made(discriminator, base.Discriminator, "discriminator"),
            generator(),
        )
        networks.teachers = [load_teacher(path, networks) for path in teachers]
        if initialize_from is not None:
            initialize(networks, initialize_from, initialize_roles)
        else:
            copy_weights(networks.generator, networks.generator_ema)
        train = trainer.Trainer(networks, strategy, seed)
    _check_pair(networks.generator, networks.discriminator, "discriminator")
    pipeline.check_classes(source, networks.generator.num_classes)
    return Parts(source, networks, train, strategy)


def load_teacher(path: Path, networks: state.Networks) -> base.Discriminator:
    """Reads a teacher's discriminator and checks that it judges the same images.

    Raises:
      ValueError: no discriminator in the file, another resolution or class count.
    """
    held = files.read_header(path).get("networks", {})
    if "discriminator" not in held:
        raise ValueError(
            f"teacher {path} has no discriminator (it holds {sorted(held)}), which is "
            "what guidance needs: fit one with gin/fit_discriminator.gin, or convert a "
            "checkpoint that has it"
        )
    teacher = files.load_networks(path, ["discriminator"])["discriminator"]
    _check_pair(networks.generator, teacher, f"teacher {path}")
    return teacher


def _check_pair(generator, discriminator, name):
    for field in ("resolution", "num_channels", "num_classes"):
        ours, theirs = getattr(generator, field), getattr(discriminator, field)
        if ours != theirs:
            raise ValueError(
                f"{name} has {field}={theirs}, the generator has {field}={ours}: they "
                "must be equal"
            )


def initialize(networks: state.Networks, path: Path, roles=ROLES) -> None:
    """Sets the student's networks from a file; shapes must be the same.

    Args:
      networks: to set.
      path: weights; a file with one generator gives it to both generator roles.
      roles: which networks start from the file, the others stay random.

    Raises:
      ValueError: the file lacks one of the roles or does not fit.
    """
    held = files.read_header(path).get("networks", {})
    other = {"generator": "generator_ema", "generator_ema": "generator"}
    for role in roles:
        source = role if role in held else other.get(role, role)
        if source not in held:
            raise ValueError(
                f"initialize_from={path} holds {sorted(held)} and no {role}: name "
                "weights that have it, or leave it out of train.initialize_roles"
            )
        tensors = files.read_tensors(path, f"{source}/")
        files.assign_tensors(networks.by_role()[role], tensors, path)


def copy_weights(source: base.Network, target: base.Network) -> None:
    """Copies all variables of one network to another of the same configuration."""
    values = base.named_variables(source)
    for name, variable in base.named_variables(target).items():
        variable.assign(values[name])


def _train(parts, schedule, directory, options, seed):
    train = parts.trainer
    latest = directory.latest_snapshot()
    if latest is not None:
        saved = checkpoint.restore(train.state, latest)
        _check_objective(saved.get("objective", {}), options["objective"], latest)
        logging.info("continuing %s from %s", directory.path, latest.name)
    counters = train.state.counters
    _dataset(parts, seed)  # what does not fit is said before anything is written
    directory.prepare(options)
    _remember_configuration(directory)
    shown = progress.Progress(
        directory.path, schedule.total_images, counters.images, counters.seconds
    )
    grids = pictures.Pictures(parts, directory.path, shown.summary, seed)
    try:
        _announce(shown, parts, schedule, options)
        if latest is None:
            grids.reals()
            grids.fakes(0, "fakes_init.png")
        diagnose = diagnostics.compile_diagnostics(train, grids.real_batch(32))
        work = loop.Work(
            train=train,
            make_iterator=lambda: iter(
                parts.strategy.experimental_distribute_dataset(_dataset(parts, seed))
            ),
            schedule=schedule,
            directory=directory,
            progress=shown,
            draw_grid=grids.fakes,
            diagnose=diagnose,
            info=options,
            after_save=monitor.in_training(parts, directory, shown),
        )
        means = loop.run(work)
        directory.mark_done(f"{train.state.counters.images} images")
        shown.say(
            f"done: {directory.path}; next: python -m dglgan_tf.sample "
            f"--network={directory.path} --seeds=0-63 --grid, or "
            f"tensorboard --logdir={directory.path.parent}"
        )
    finally:
        shown.close()
    return means


def _announce(shown, parts, schedule, options):
    counts = ", ".join(f"{k} {v:,}" for k, v in options["parameters"].items())
    shown.say(f"parameters: {counts}")
    shown.say(
        f"{schedule.total_images:,} images of {parts.trainer.batch_size} a step on "
        f"{parts.strategy.num_replicas_in_sync} replica(s), XLA "
        f"{'on' if parts.trainer.jit else 'off'}; tracing takes a while"
    )
    with shown.summary.as_default():
        text = "    " + gin.config_str().replace("\n", "\n    ")
        tf.summary.text("gin", text, step=0)


def _dataset(parts, seed):
    """Returns the reals from where the training stands."""
    generator = parts.networks.generator
    return pipeline.make_dataset(
        parts.source,
        batch_size=parts.trainer.reals_per_step,
        resolution=generator.resolution,
        num_channels=generator.num_channels,
        num_classes=generator.num_classes,
        seed=seed,
        start_image=parts.trainer.state.counters.reals,
    )


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


def _remember_configuration(directory):
    """Writes config.gin; says what changed when the run was started otherwise."""
    path, text = directory.path / "config.gin", gin.config_str()
    if path.is_file() and (old := path.read_text()) != text:
        import difflib

        lines = difflib.unified_diff(
            old.splitlines(), text.splitlines(), "before", "now", lineterm="", n=0
        )
        changed = "\n".join(lines)
        logging.warning("the configuration changed since the last start:\n%s", changed)
    atomic.write(path, text)
    atomic.write(directory.path / "operative_config.gin", gin.operative_config_str())


def facts(run_dir) -> dict:
    """Returns the options that a run was started with."""
    return json.loads((Path(run_dir) / runs.MARKER).read_text())
