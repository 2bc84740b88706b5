"""Smoothing: adversarial losses weighted by the teacher discriminator's opinion.

Variants of the released DGL-GAN code, kept as baselines. Every function returns
float32 [N], not reduced and not weighted. The weights are constants throughout: in
the released code they carry a gradient in the generator's losses, so that the
generator can lower its loss by moving the weight.
"""

from dglgan_tf.compat import tf
from dglgan_tf.losses import _checks


def d_logistic_smooth(real_logits, fake_logits, teacher_real, teacher_fake):
    """Logistic loss weighted by the teacher's probabilities (DGL-GAN code).

    sigmoid(teacher_real) softplus(-real) + (1 - sigmoid(teacher_fake)) softplus(fake).

    Args:
      real_logits: [N] the student's scores of real images.
      fake_logits: [N] the student's scores of generated images.
      teacher_real: [N] the teacher's scores of the same real images, constants.
      teacher_fake: [N] the teacher's scores of the same generated images, constants.

    Returns:
      [N] float32.
    """
    real, fake = _checks.pair("real_logits", real_logits, "fake_logits", fake_logits)
    real_weight, fake_weight = _probabilities(real, teacher_real, fake, teacher_fake)
    return real_weight * tf.nn.softplus(-real) + fake_weight * tf.nn.softplus(fake)


def d_hinge_smooth(real_logits, fake_logits, teacher_real, teacher_fake):
    """Hinge loss weighted by the teacher's probabilities (DGL-GAN code).

    sigmoid(teacher_real) relu(1 - real) + (1 - sigmoid(teacher_fake)) relu(1 + fake).

    Args:
      real_logits: [N] the student's scores of real images.
      fake_logits: [N] the student's scores of generated images.
      teacher_real: [N] the teacher's scores of the same real images, constants.
      teacher_fake: [N] the teacher's scores of the same generated images, constants.

    Returns:
      [N] float32.
    """
    real, fake = _checks.pair("real_logits", real_logits, "fake_logits", fake_logits)
    real_weight, fake_weight = _probabilities(real, teacher_real, fake, teacher_fake)
    return real_weight * tf.nn.relu(1.0 - real) + fake_weight * tf.nn.relu(1.0 + fake)


def _probabilities(real, teacher_real, fake, teacher_fake):
    _, teacher_real = _checks.pair("real_logits", real, "teacher_real", teacher_real)
    _, teacher_fake = _checks.pair("fake_logits", fake, "teacher_fake", teacher_fake)
    return (
        tf.stop_gradient(tf.sigmoid(teacher_real)),
        tf.stop_gradient(tf.sigmoid(-teacher_fake)),
    )


def d_hinge_piecewise(real_logits, fake_logits, teacher_real, teacher_fake):
    """Hinge loss with the teacher's margin as weight (DGL-GAN code, "smoothCus").

    The real term counts teacher_real where 0 < teacher_real < 1 and 1 elsewhere; the
    fake term counts -teacher_fake where -1 < teacher_fake < 0 and 1 elsewhere.

    Args:
      real_logits: [N] the student's scores of real images.
      fake_logits: [N] the student's scores of generated images.
      teacher_real: [N] the teacher's scores of the same real images, constants.
      teacher_fake: [N] the teacher's scores of the same generated images, constants.

    Returns:
      [N] float32.
    """
    real, fake = _checks.pair("real_logits", real_logits, "fake_logits", fake_logits)
    _, teacher_real = _checks.pair("real_logits", real, "teacher_real", teacher_real)
    _, teacher_fake = _checks.pair("fake_logits", fake, "teacher_fake", teacher_fake)
    real_term = _margin_weight(teacher_real) * tf.nn.relu(1.0 - real)
    return real_term + _margin_weight(-teacher_fake) * tf.nn.relu(1.0 + fake)


def _margin_weight(margin):
    inside = tf.logical_and(margin > 0.0, margin < 1.0)
    return tf.stop_gradient(tf.where(inside, margin, tf.ones_like(margin)))


def g_logistic_rejected(fake_logits, teacher_fake):
    """Returns (1 - sigmoid(teacher)) softplus(-fake): learn where the teacher rejects.

    Args:
      fake_logits: [N] the student discriminator's scores of generated images.
      teacher_fake: [N] the teacher discriminator's scores of them, constants.

    Returns:
      [N] float32.
    """
    fake, teacher = _checks.pair(
        "fake_logits", fake_logits, "teacher_fake", teacher_fake
    )
    return tf.stop_gradient(tf.sigmoid(-teacher)) * tf.nn.softplus(-fake)


def g_logistic_accepted(fake_logits, teacher_fake):
    """Returns sigmoid(teacher) softplus(-fake): learn where the teacher accepts.

    Args:
      fake_logits: [N] the student discriminator's scores of generated images.
      teacher_fake: [N] the teacher discriminator's scores of them, constants.

    Returns:
      [N] float32.
    """
    fake, teacher = _checks.pair(
        "fake_logits", fake_logits, "teacher_fake", teacher_fake
    )
    return tf.stop_gradient(tf.sigmoid(teacher)) * tf.nn.softplus(-fake)
