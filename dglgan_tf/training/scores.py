"""How a discriminator sees reals and fakes: in one call, or each kind in its own."""

from dglgan_tf.compat import tf


def scores_joint(discriminator, real, real_labels, fake, fake_labels):
    """Scores fakes and reals in one call (BigGAN: one power iteration for both).

    Args:
      discriminator: called in training mode.
      real, fake: [N, H, W, C]; real_labels, fake_labels: [N] or None.

    Returns:
      (real_logits [N], fake_logits [N]).
    """
    images = tf.concat([fake, real], axis=0)
    labels = None
    if real_labels is not None:
        labels = tf.concat([fake_labels, real_labels], axis=0)
    logits = discriminator(images, labels, training=True)
    size = fake.shape[0]
    return logits[size:], logits[:size]


def scores_separate(discriminator, real, real_labels, fake, fake_labels):
    """Scores reals and fakes apart (StyleGAN2: minibatch statistics are per kind).

    Arguments and results as `scores_joint`.
    """
    fake_logits = discriminator(fake, fake_labels, training=True)
    return discriminator(real, real_labels, training=True), fake_logits
