"""Teacher-discriminator guidance of the student generator (DGL-GAN, 2112.06502).

The student generator minimises its own adversarial loss plus weight * the term made
here, from the logits that frozen or updated teacher discriminators give the same
student images. Terms are float32 [N], not reduced and not weighted. Schedules of the
weight are host functions of the number of real images seen.
"""

import math
from collections.abc import Callable, Sequence

from dglgan_tf.compat import tf
from dglgan_tf.losses import _checks


def sum_teachers(
    teacher_logits: Sequence[tf.Tensor],
    g_loss: Callable[..., tf.Tensor],
    real_logits: Sequence[tf.Tensor] | None = None,
) -> tf.Tensor:
    """Returns sum_i g_loss(s_i): every teacher counts in full.

    Args:
      teacher_logits: one [N] tensor for each teacher: its scores of the student's
        images.
      g_loss: a generator loss of `dglgan_tf.losses.adversarial`.
      real_logits: each teacher's [N] scores of real images; only for a g_loss that
        needs them.

    Returns:
      [N] float32, not reduced, not weighted.
    """
    losses = _teacher_losses(teacher_logits, g_loss, real_logits)
    return tf.add_n([loss for _, loss in losses])


def dynamic_teachers(
    teacher_logits: Sequence[tf.Tensor],
    g_loss: Callable[..., tf.Tensor],
    real_logits: Sequence[tf.Tensor] | None = None,
) -> tf.Tensor:
    """Returns sum_i w_i * g_loss(s_i), w_i = max(-s_i, 0) without gradient.

    A teacher counts only for the samples that it rejects, in proportion to how
    strongly; the weight is taken for each sample. With one teacher this is the
    dynamic form of plain guidance.

    Args:
      teacher_logits: as for `sum_teachers`.
      g_loss: as for `sum_teachers`.
      real_logits: as for `sum_teachers`.

    Returns:
      [N] float32, not reduced, not weighted.
    """
    losses = _teacher_losses(teacher_logits, g_loss, real_logits)
    return tf.add_n(
        [tf.stop_gradient(tf.nn.relu(-logits)) * loss for logits, loss in losses]
    )


def _teacher_losses(teacher_logits, g_loss, real_logits):
    if not teacher_logits:
        raise ValueError("teacher_logits is empty: guidance needs at least one teacher")
    if getattr(g_loss, "needs_real_logits", False) and real_logits is None:
        raise ValueError(
            f"g_loss={g_loss.__name__} needs real_logits, the teachers' scores of "
            "real images, one [N] tensor for each teacher."
        )
    reals = [None] * len(teacher_logits) if real_logits is None else real_logits
    if len(reals) != len(teacher_logits):
        raise ValueError(
            f"real_logits has {len(reals)} entries and teacher_logits "
            f"{len(teacher_logits)}: give one for each teacher."
        )
    fakes = [_checks.logits("teacher_logits", logits) for logits in teacher_logits]
    return [(fake, g_loss(fake, real)) for fake, real in zip(fakes, reals, strict=True)]


def constant(images: int, weight: float) -> float:
    """Returns the weight, whatever the number of images (the authors' choice).

    Args:
      images: real images seen so far.
      weight: the guidance weight.
    """
    del images
    return float(weight)


def linear_warmup(images: int, weight: float, warmup_images: int) -> float:
    """Returns a weight that rises linearly from 0 and then stays.

    Args:
      images: real images seen so far.
      weight: the weight from `warmup_images` on.
      warmup_images: length of the rise.
    """
    return float(weight) * _progress(images, "warmup_images", warmup_images)


def linear_decay(
    images: int, weight: float, total_images: int, final_weight: float = 0.0
) -> float:
    """Returns a weight that falls linearly and then stays.

    Args:
      images: real images seen so far.
      weight: the weight at image 0.
      total_images: length of the fall.
      final_weight: the weight from `total_images` on.
    """
    done = _progress(images, "total_images", total_images)
    return float(weight) + done * (float(final_weight) - float(weight))


def cosine_decay(
    images: int, weight: float, total_images: int, final_weight: float = 0.0
) -> float:
    """Returns a weight that falls along half a cosine and then stays.

    Args:
      images: real images seen so far.
      weight: the weight at image 0.
      total_images: length of the fall.
      final_weight: the weight from `total_images` on.
    """
    done = _progress(images, "total_images", total_images)
    share = 0.5 * (1.0 + math.cos(math.pi * done))
    return float(final_weight) + share * (float(weight) - float(final_weight))


def exponential_decay(images: int, weight: float, half_life_images: int) -> float:
    """Returns a weight that halves every `half_life_images`.

    Args:
      images: real images seen so far.
      weight: the weight at image 0.
      half_life_images: images in which the weight halves.
    """
    _positive("half_life_images", half_life_images)
    return float(weight) * 0.5 ** (float(images) / float(half_life_images))


def _progress(images, name, length) -> float:
    _positive(name, length)
    return min(max(float(images) / float(length), 0.0), 1.0)


def _positive(name, value):
    if value <= 0:
        raise ValueError(f"{name}={value} must be positive")
