"""Builds what one training consists of: data, networks, trainer."""

import dataclasses
import functools
from collections.abc import Callable

from dglgan_tf.compat import keras, tf
from dglgan_tf.data import base as data_base
from dglgan_tf.data import pipeline
from dglgan_tf.devices import strategies
from dglgan_tf.networks import base, copying
from dglgan_tf.runs import auto_parts, initial_weights
from dglgan_tf.runs import plan as plans
from dglgan_tf.training import state, trainer


@dataclasses.dataclass
class Built:
    """What a training is built from, before anything runs."""

    source: data_base.Source
    networks: state.Networks
    trainer: trainer.Trainer
    strategy: tf.distribute.Strategy


def build(
    source: data_base.Source,
    generator: Callable,
    discriminator: Callable,
    beginning: plans.Beginning | None = None,
    strategy=None,
    lanes: int = 1,
) -> Built:
    """Builds networks and trainer.

    Args:
      source: the real images.
      generator, discriminator: make the student's networks.
      beginning: teachers and first weights; None = neither.
      strategy: of `strategies.make`; None = its default.
      lanes: in effect.

    Raises:
      ValueError: networks, data and weights that do not fit together.
    """
    begin = beginning or plans.Beginning()
    strategy = strategies.make() if strategy is None else strategy
    wide = initial_weights.score_channels(begin.starts, begin.prune, begin.seed)
    keras.utils.set_random_seed(begin.seed)
    with strategy.scope():
        networks = state.Networks(
            plans.made(generator, base.Generator, "generator"),
            plans.made(discriminator, base.Discriminator, "discriminator"),
            generator(),
        )
        networks.teachers = [
            initial_weights.load_teacher(path, networks) for path in begin.teachers
        ]
        if begin.teachers:
            networks.load_teacher_generator = functools.partial(
                initial_weights.load_teacher_generator,
                begin.teachers[0],
                networks.generator,
            )
        copying.copy_weights(networks.generator, networks.generator_ema)
        if wide:
            initial_weights.prune(networks, wide, begin.seed)
        else:
            initial_weights.initialize(networks, begin.starts)
        wanted = auto_parts.resolved(networks, strategy, lanes, begin.part)
        train = trainer.Trainer(networks, strategy, begin.seed, wanted, lanes=lanes)
    copying.check_pair(networks.generator, networks.discriminator, "discriminator")
    pipeline.check_classes(source, networks.generator.num_classes)
    return Built(source, networks, train, strategy)
