"""Exponential moving average of the generator: the decay and its application.

The decay of a step is a host float, made from the images seen before that step; it
enters the compiled step as a tensor, so that it changes without a new trace.
"""

import functools
from collections.abc import Callable, Sequence

import gin

from dglgan_tf.compat import tf
from dglgan_tf.networks import base


@gin.configurable(module="ema")
def half_life(
    images: int,
    batch_size: int,
    half_life_images: float = 10_000,
    ramp_up: float | None = None,
) -> float:
    """Returns 0.5^(batch_size / half_life), StyleGAN2's decay.

    Args:
      images: real images seen before this step.
      batch_size: real images of this step.
      half_life_images: images after which a weight's share has halved.
      ramp_up: None, or a share of the images seen that bounds the half-life from
        above, so that the average follows fast in the beginning (0.05 in the later
        NVIDIA recipes).
    """
    if half_life_images <= 0:
        raise ValueError(f"half_life_images={half_life_images} must be positive")
    span = float(half_life_images)
    if ramp_up is not None:
        span = min(span, float(images) * ramp_up)
    return 0.5 ** (batch_size / max(span, 1e-8))


@gin.configurable(module="ema")
def fixed(
    images: int, batch_size: int, decay: float = 0.9999, start_steps: int = 0
) -> float:
    """Returns a constant decay from a start step on, 0 before (BigGAN).

    A decay of 0 copies the raw weights, so the average starts from trained ones.

    Args:
      images: real images seen before this step.
      batch_size: real images of this step.
      decay: from step `start_steps` on.
      start_steps: the first step that averages; steps count from 1.
    """
    if not 0 <= decay < 1:
        raise ValueError(f"decay={decay} must be at least 0 and less than 1")
    step = images // batch_size + 1
    return float(decay) if step >= start_steps else 0.0


def update(average: tf.Tensor, value: tf.Tensor, decay: tf.Tensor) -> tf.Tensor:
    """Returns decay * average + (1 - decay) * value.

    With decay 0 the result is the value, bit for bit.

    Args:
      average: the average so far.
      value: the newest value, of the same shape.
      decay: [] share of the average that stays.
    """
    return value + tf.cast(decay, value.dtype) * (average - value)


def update_all(
    averages: Sequence[tf.Tensor],
    values: Sequence[tf.Tensor],
    trainable: Sequence[bool],
    decay: tf.Tensor,
    whole_state: bool,
) -> list[tf.Tensor]:
    """Returns the next value of every variable of the averaged network.

    Args:
      averages: variables of the averaged network.
      values: the same variables of the trained network, in the same order, after its
        optimizer step.
      trainable: which of them the optimizer trains.
      decay: [] this step's decay.
      whole_state: True averages what is not trained as well: BatchNorm moments and
        spectral vectors, as BigGAN does. False copies those, as StyleGAN2 does with
        w_avg and the noise images.
    """
    if not len(averages) == len(values) == len(trainable):
        raise ValueError(
            f"averages ({len(averages)}), values ({len(values)}) and trainable "
            f"({len(trainable)}) must have one entry for each variable"
        )
    return [
        update(average, value, decay)
        if (whole_state or trains) and value.dtype.is_floating
        else value
        for average, value, trains in zip(averages, values, trainable, strict=True)
    ]


def compile_update(network, average, whole_state: bool) -> Callable:
    """Returns decay [] -> None, a `tf.function` that moves an averaged network.

    Cross-replica context.

    Args:
      network: `base.Network` that is trained.
      average: the averaged network, of the same configuration.
      whole_state: see `update_all`.
    """
    values = list(base.named_variables(network).values())
    averages = list(base.named_variables(average).values())
    trainable = [value.trainable for value in values]

    def update(decay):
        results = update_all(averages, values, trainable, decay, whole_state)
        for variable, result in zip(averages, results, strict=True):
            variable.assign(result)

    # A partial for the reason given in `phase.compile_phase`.
    return tf.function(functools.partial(update), autograph=False)
