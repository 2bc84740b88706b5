"""One training, from its configuration to DONE: plan, build, restore, loop.

`python -m dglgan_tf.train` runs it once, a recipe once for each stage.
"""

import contextlib
from collections.abc import Sequence

from absl import logging

from dglgan_tf.data import base as data_base
from dglgan_tf.devices import hosts as devices_hosts
from dglgan_tf.devices import strategies
from dglgan_tf.devices import team as teams
from dglgan_tf.foundation import run_directory
from dglgan_tf.runs import (
    build,
    loop,
    progress,
    reals,
    run_options,
    schedule,
    scoring,
    snapshots,
    watching,
)
from dglgan_tf.runs import dry_run as descriptions
from dglgan_tf.runs import plan as plans


def run(
    run_dir: str,
    dry_run: bool = False,
    siblings: str | None = None,
    planned: Sequence[str] = (),
    hosts: devices_hosts.Hosts | None = None,
    plan: plans.Plan | None = None,
) -> dict[str, float]:
    """Trains one student pair until its total, continuing what the folder holds.

    Args:
      run_dir: folder of the run.
      dry_run: print what would run; write nothing.
      siblings: folder in which teachers and first weights may name stages.
      planned: stages that will have run before; a dry run does not look for them.
      hosts: that train together; None = this one.
      plan: what is trained; None = as gin says under `train`.

    Returns the last tick's metrics ({} of a dry run); ValueError: what cannot work.
    """
    directory, when = run_directory.RunDirectory(run_dir), schedule.Schedule()
    if not dry_run and directory.is_done_for(when.total_images):
        logging.info("%s is done: nothing to train", run_dir)
        return {}
    plan = plan or plans.Plan()
    scoring.Evaluation()  # what is out of range is said now
    if dry_run:
        return descriptions.show(plan, when, siblings, planned)
    directory.check()
    logging.info("opening data, building and loading networks for %s", run_dir)
    elsewhere = any([plan.devices, hosts, plan.tpu])
    lanes = strategies.open_lanes(plan.lanes, elsewhere)
    strategy = strategies.make(plan.devices, hosts, plan.tpu)
    source = plans.made(plan.source, data_base.Source, "source")
    begin = plan.beginning(siblings, run_options.remembered_part(directory))
    strategies.set_numerics(plan.tf32, plan.deterministic)
    built = build.build(source, *plan.networks, begin, strategy, lanes)
    team = teams.Team(strategy)
    with directory.locked() if team.is_chief else contextlib.nullcontext():
        return _train(built, begin, when, directory, team)


def _train(built, begin, when, directory, team):
    train, options = built.trainer, run_options.options_of(built, begin)
    reals.dataset(built, begin.seed)  # what does not fit is said before writing
    fresh = not run_options.restore(train, directory, options, team.is_chief)
    counters = train.state.counters
    team.agree_on(counters.images, "images seen so far")
    if team.is_chief:
        directory.prepare(options)
        run_options.remember_configuration(directory)
    shown = progress.Progress(
        directory.path if team.is_chief else None,
        when.total_images,
        counters.images,
        counters.seconds,
    )
    kept = snapshots.Snapshots(directory, options, when.keep_snapshots)
    try:
        shown.announce(built, when, options["parameters"])
        watched = watching.Watched(shown, kept)
        if team.is_chief:
            watched = watching.Chief(shown, kept, built, options, fresh)

        def make_reals():
            return reals.iterator(built, when, begin.seed, shown.say)

        means = loop.run(train, make_reals, when, watched, team)
        images = train.state.counters.images
        if team.is_chief:
            directory.mark_done(f"{images} images")
        # The others wait here until the last snapshot is written.
        team.agree_on(images, "the last image")
        shown.say_done(directory.path)
    finally:
        shown.close()
    return means
