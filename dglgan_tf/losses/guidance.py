"""Teacher-discriminator guidance of the student generator (DGL-GAN, 2112.06502).

The student generator minimises its own adversarial loss plus weight * the term made
here, from the logits that frozen or updated teacher discriminators give the same
student images. Terms are float32 [N], not reduced and not weighted; how the weight
moves is in `losses.schedules`.
"""

from collections.abc import Callable, Sequence

from dglgan_tf.compat import tf
from dglgan_tf.losses import _checks, needs


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
    """Returns [(scores [N], losses [N])], one pair for each teacher."""
    if not teacher_logits:
        raise ValueError("teacher_logits is empty: guidance needs at least one teacher")
    reals = [None] * len(teacher_logits) if real_logits is None else real_logits
    if len(reals) != len(teacher_logits):
        raise ValueError(
            f"real_logits has {len(reals)} entries and teacher_logits "
            f"{len(teacher_logits)}: give one for each teacher."
        )
    fakes = [_checks.logits("teacher_logits", logits) for logits in teacher_logits]
    return [
        (fake, needs.call(g_loss, fake_logits=fake, real_logits=real))
        for fake, real in zip(fakes, reals, strict=True)
    ]
