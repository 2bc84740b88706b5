"""Builds one training from its configuration and runs it.

The composition root: the only place that knows networks, data, trainer and loop at
once. `python -m dglgan_tf.train` runs it once, a recipe once for each stage.
"""

import dataclasses
import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import gin
from absl import logging

import dglgan_tf
from dglgan_tf.runs import dry_run, loop, scoring, sample_grids, progress, initial_weights
from dglgan_tf.compat import keras, tf
from dglgan_tf.data import base as base_of_data
from dglgan_tf.data import pipeline, retrying
from dglgan_tf.devices import hosts as hosts_of_run
from dglgan_tf.devices import strategies
from dglgan_tf.foundation import atomic, run_directory
from dglgan_tf.networks import base
from dglgan_tf.training import checkpoint, diagnostics, state, trainer


@dataclasses.dataclass
class Parts:
    """What a training is built from, before anything runs."""

    source: object
    networks: state.Networks
    trainer: trainer.Trainer
    strategy: tf.distribute.Strategy


@gin.configurable(
    "train", denylist=["run_dir", "dry_run", "siblings", "planned", "hosts"]
)
def run(
    run_dir: str,
    dry_run: bool = False,
    siblings: str | None = None,
    planned: Sequence[str] = (),
    hosts: hosts_of_run.Hosts | None = None,
    source: Callable = gin.REQUIRED,
    generator: Callable = gin.REQUIRED,
    discriminator: Callable = gin.REQUIRED,
    teachers: Sequence[str] = (),
    teacher_networks: Sequence[Callable] = (),
    initialize_from: str | dict[str, str] | None = None,
    prune: Callable | None = None,
    seed: int = 0,
    devices: Sequence[str] | None = None,
    tpu: str | None = None,
    lanes: int | str = 1,
    deterministic: bool = False,
    tf32: bool = True,
) -> dict[str, float]:
    """Trains one student pair until its total, continuing what the folder holds.

    Args:
      run_dir: folder of the run.
      dry_run: print what would run; write nothing.
      siblings: folder in which `teachers` and `initialize_from` may name stages.
      planned: stages that will have run before; a dry run does not look for them.
      hosts: that train together; None = this one.
      source, generator, discriminator: make the data source and the student.
      teachers: weights whose discriminators guide the generator (`run_directory.find_weights`).
      teacher_networks: make the teacher's networks, for a dry run without its weights.
      initialize_from: weights that the student starts from, optimizers start fresh:
        one name for all networks, or {role: name} for some; None = random.
      prune: (generator, seed) -> scores of the channels that stay (`starting`).
      seed: of weights, data order and all draws.
      devices, tpu: replicas (None = every GPU, else the CPU), or the name of a TPU.
      lanes: parts of a batch that a CPU's cores take, or 'auto' (`devices.lanes`).
      deterministic: only operations that give the same bits each time; slower.
      tf32: let GPUs that can multiply float32 with TF32's ten-bit mantissa.

    Returns the last tick's metrics ({} of a dry run); ValueError: what cannot work.
    """
    directory = run_directory.RunDirectory(run_dir)
    if directory.is_done and not dry_run:
        logging.info("%s is done: nothing to train", run_dir)
        return {}
    schedule = _checked(seed)
    starts = _by_role(initialize_from)
    if dry_run:
        made = generator, discriminator, teacher_networks
        absent = [n for n in [*teachers, *starts.values()] if n not in planned]
        return _describe(made, schedule, source, absent, siblings)
    directory.check()
    lanes = strategies.open_lanes(lanes, any([devices, hosts, tpu]))
    strategy = strategies.make(devices, hosts, tpu)
    made = _source(source), generator, discriminator
    given, starts = _find(teachers, starts, siblings)
    _set_numerics(deterministic, tf32)
    parts = build(*made, given, starts, prune, seed, strategy, lanes)
    return _train(parts, schedule, directory, given, starts, seed)


def _find(teachers, starts, siblings):
    """Returns the files of the teachers, and of what each role starts from."""
    names = dict.fromkeys([*teachers, *starts.values()])
    paths = {name: run_directory.find_weights(name, siblings) for name in names}
    found = {role: paths[name] for role, name in starts.items()}
    return [paths[name] for name in teachers], found


def _checked(seed):
    """Says what is out of range; returns the schedule."""
    if not 0 <= seed < 2**31:
        raise ValueError(f"train.seed={seed} must be from 0 to {2**31 - 1}")
    scoring.Evaluation()
    return loop.Schedule()


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


def _describe(made, schedule, source, names, siblings) -> dict:
    print(dry_run.describe(*made, schedule))
    _source(source)  # says what is missing
    for name in dict.fromkeys(names):
        run_directory.find_weights(name, siblings)
    return {}


def _by_role(initialize_from) -> dict[str, str]:
    """Returns {role: name of its weights}."""
    found = initialize_from or {}
    if isinstance(found, str):
        found = dict.fromkeys(initial_weights.ROLES, found)
    if not set(found) <= set(initial_weights.ROLES):
        raise ValueError(
            f"train.initialize_from={found} must be one name, or one for some of the "
            f"roles {', '.join(initial_weights.ROLES)}"
        )
    return dict(found)


def _set_numerics(deterministic, tf32):
    tf.config.experimental.enable_tensor_float_32_execution(tf32)
    if deterministic:
        tf.config.experimental.enable_op_determinism()


def _options(parts, seed, teachers, starts):
    """Returns what the run's marker and every snapshot's header say of its origin."""
    return {
        "version": dglgan_tf.__version__,
        "seed": seed,
        "teachers": [str(path) for path in teachers],
        "initialize_from": {role: str(path) for role, path in starts.items()},
        "data": parts.source.fingerprint(),
        "class_names": list(parts.source.class_names),
        "stretched": parts.source.stretched,
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
    starts=None,
    prune=None,
    seed=0,
    strategy=None,
    lanes=1,
) -> Parts:
    """Builds networks and trainer; arguments as `run`, source made, paths resolved.

    `starts` is {role: weights file}; `strategy` is of `strategies.make`; `lanes` are in
    effect.
    """
    strategy = strategies.make() if strategy is None else strategy
    wide = initial_weights.rate(starts or {}, prune, seed)
    keras.utils.set_random_seed(seed)
    with strategy.scope():
        networks = state.Networks(
            _made(generator, base.Generator, "generator"),
            _made(discriminator, base.Discriminator, "discriminator"),
            generator(),
        )
        networks.teachers = [initial_weights.load_teacher(path, networks) for path in teachers]
        if teachers:
            networks.load_teacher_generator = functools.partial(
                initial_weights.load_teacher_generator, teachers[0], networks.generator
            )
        initial_weights.copy_weights(networks.generator, networks.generator_ema)
        if wide:
            initial_weights.prune(networks, wide, seed)
        else:
            initial_weights.initialize(networks, starts or {})
        train = trainer.Trainer(networks, strategy, seed, lanes=lanes)
    initial_weights.check_pair(networks.generator, networks.discriminator, "discriminator")
    pipeline.check_classes(source, networks.generator.num_classes)
    return Parts(source, networks, train, strategy)


def _train(parts, schedule, directory, teachers, starts, seed):
    train, options = parts.trainer, _options(parts, seed, teachers, starts)
    latest = directory.latest_snapshot()
    if latest is not None:
        saved = checkpoint.restore(train.state, latest)
        _check_objective(saved.get("objective", {}), options["objective"], latest)
        logging.info("continuing %s from %s", directory.path, latest.name)
    counters = train.state.counters
    _dataset(parts, seed)  # what does not fit is said before anything is written
    strategies.agree_on(parts.strategy, counters.images, "images seen so far")
    index, count = strategies.host_index(parts.strategy)
    if index == 0:
        directory.prepare(options)
        _remember_configuration(directory)
    shown = progress.Progress(
        directory.path if index == 0 else None,
        schedule.total_images,
        counters.images,
        counters.seconds,
    )
    work = loop.Work(
        train=train,
        make_iterator=lambda: _reals(parts, schedule, seed, shown.say),
        schedule=schedule,
        directory=directory,
        progress=shown,
        draw_grid=lambda images: None,
        diagnose=dict,
        info=options,
        is_chief=index == 0,
        agree=strategies.Agreement(parts.strategy),
    )
    if count > 1:
        work.lost_host = lambda name: strategies.lost_host(parts.strategy, name)
    try:
        _announce(shown, parts, schedule, options)
        if work.is_chief:
            _look(work, parts, options, seed, latest is None)
        means = loop.run(work)
        if work.is_chief:
            directory.mark_done(f"{train.state.counters.images} images")
        # The others wait here until the last snapshot is written.
        images = train.state.counters.images
        strategies.agree_on(parts.strategy, images, "the last image")
        shown.say(
            f"done: {directory.path}; next: python -m dglgan_tf.sample "
            f"--network={directory.path} --seeds=0-63 --grid, or "
            f"tensorboard --logdir={directory.path.parent}"
        )
    finally:
        shown.close()
    return means


def _look(work, parts, options, seed, fresh):
    """Adds what the chief alone does: pictures, diagnostics, scores."""
    directory, shown = work.directory, work.progress
    grids = sample_grids.Pictures(parts, directory.path, shown.summary, seed)
    if fresh:
        grids.reals()
        grids.fakes(0, "fakes_init.png")
    work.draw_grid = grids.fakes
    work.diagnose = diagnostics.compile_diagnostics(
        parts.trainer,
        grids.real_batch(32),
        initial_weights.teacher_samples(options["teachers"], 32, seed),
    )
    work.after_save = scoring.in_training(parts, directory, shown)


def _announce(shown, parts, schedule, options):
    counts = ", ".join(f"{k} {v:,}" for k, v in options["parameters"].items())
    shown.say(f"parameters: {counts}")
    shown.say(
        f"{schedule.total_images:,} images of {parts.trainer.batch_size} a step on "
        f"{parts.strategy.num_replicas_in_sync} replica(s) in {parts.trainer.lanes} "
        f"lane(s), XLA {'on' if parts.trainer.jit else 'off'}; tracing takes a while"
    )
    with shown.summary.as_default():
        text = "    " + gin.config_str().replace("\n", "\n    ")
        tf.summary.text("gin", text, step=0)


def _reals(parts, schedule, seed, say):
    """Returns the iterator of reals from where the training stands."""

    def skip(images):
        parts.trainer.state.counters.reals += images

    def make(start):
        return iter(
            strategies.distribute(
                parts.strategy, lambda shard: _dataset(parts, seed, shard, start)
            )
        )

    return retrying.Patient(
        make,
        position=lambda: parts.trainer.state.counters.reals,
        skip=skip,
        say=say,
        batch_size=parts.trainer.reals_per_step,
        patience_seconds=60 * schedule.data_patience_minutes,
        most_bad=schedule.max_bad_batches,
        may_skip=strategies.host_index(parts.strategy)[1] == 1,
    )


def _dataset(parts, seed, shard=(0, 1), start=0):
    """Returns this host's share of the reals from an image on."""
    generator = parts.networks.generator
    return pipeline.make_dataset(
        parts.source,
        batch_size=parts.trainer.reals_per_step,
        resolution=generator.resolution,
        num_channels=generator.num_channels,
        num_classes=generator.num_classes,
        seed=seed,
        shard=shard,
        start_image=start,
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
    return json.loads((Path(run_dir) / run_directory.MARKER).read_text())
