"""Adversarial losses on logits, for either player.

All are float32 [N], not reduced and not weighted. Discriminator losses take
`(real_logits, fake_logits)` of equal length, generator losses `(fake_logits)`, or
`(fake_logits, real_logits)` where fakes are compared with reals: the names of its
arguments say what a loss needs (`losses.needs`).
"""

from dglgan_tf.compat import tf
from dglgan_tf.losses import _checks


def d_logistic(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """Returns softplus(-real) + softplus(fake) (Goodfellow et al., 1406.2661).

    Args:
      real_logits: [N] scores of real images.
      fake_logits: [N] scores of generated images.

    Returns:
      [N] float32, not reduced.
    """
    real, fake = _checks.pair("real_logits", real_logits, "fake_logits", fake_logits)
    return tf.nn.softplus(-real) + tf.nn.softplus(fake)


def g_logistic(fake_logits: tf.Tensor) -> tf.Tensor:
    """Returns softplus(-fake), the non-saturating generator loss.

    Args:
      fake_logits: [N] scores of generated images.

    Returns:
      [N] float32, not reduced.
    """
    return tf.nn.softplus(-_checks.logits("fake_logits", fake_logits))


def d_hinge(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """Returns relu(1 - real) + relu(1 + fake) (Lim and Ye, 1705.02894).

    Args:
      real_logits: [N] scores of real images.
      fake_logits: [N] scores of generated images.

    Returns:
      [N] float32, not reduced.
    """
    real, fake = _checks.pair("real_logits", real_logits, "fake_logits", fake_logits)
    return tf.nn.relu(1.0 - real) + tf.nn.relu(1.0 + fake)


def g_hinge(fake_logits: tf.Tensor) -> tf.Tensor:
    """Returns -fake, the generator's part of the hinge game.

    Args:
      fake_logits: [N] scores of generated images.

    Returns:
      [N] float32, not reduced.
    """
    return -_checks.logits("fake_logits", fake_logits)


def d_wgan(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """Returns fake - real, the critic's loss (Arjovsky et al., 1701.07875).

    Needs a gradient penalty (`regularizers.gradient_penalty`); the drift term is
    `regularizers.drift`.

    Args:
      real_logits: [N] scores of real images.
      fake_logits: [N] scores of generated images.

    Returns:
      [N] float32, not reduced.
    """
    real, fake = _checks.pair("real_logits", real_logits, "fake_logits", fake_logits)
    return fake - real


def g_wgan(fake_logits: tf.Tensor) -> tf.Tensor:
    """Returns -fake, the generator's part of the Wasserstein game.

    Args:
      fake_logits: [N] scores of generated images.

    Returns:
      [N] float32, not reduced.
    """
    return -_checks.logits("fake_logits", fake_logits)


def d_relativistic(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """Returns softplus(-(real_i - fake_i)) (Jolicoeur-Martineau, 1807.00734).

    Real and fake are paired by position. The released DGL-GAN code has the opposite
    sign in its pairing loss, which rewards the discriminator for scoring fakes above
    reals; this is the published sign.

    Args:
      real_logits: [N] scores of real images.
      fake_logits: [N] scores of generated images.

    Returns:
      [N] float32, not reduced.
    """
    real, fake = _checks.pair("real_logits", real_logits, "fake_logits", fake_logits)
    return tf.nn.softplus(fake - real)


def g_relativistic(fake_logits: tf.Tensor, real_logits: tf.Tensor) -> tf.Tensor:
    """Returns softplus(-(fake_i - real_i)): fakes should score above their partners.

    Args:
      fake_logits: [N] scores of generated images.
      real_logits: [N] scores of real images by the same discriminator.

    Returns:
      [N] float32, not reduced.
    """
    fake, real = _checks.pair("fake_logits", fake_logits, "real_logits", real_logits)
    return tf.nn.softplus(real - fake)
