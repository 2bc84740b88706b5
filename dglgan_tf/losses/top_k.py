"""Top-k training of the generator (Sinha et al., 2002.06224)."""

import math

from dglgan_tf.compat import tf
from dglgan_tf.losses import _checks


def top_k_weights(fake_logits: tf.Tensor, count: int) -> tf.Tensor:
    """Returns weights that keep the generator's best samples.

    The `count` samples that the discriminator scores highest weigh N / count, the
    others 0, so that the mean of weights * loss is the mean over those kept. Among
    equal scores the earlier sample is kept.

    Args:
      fake_logits: [N] the discriminator's scores; N static.
      count: how many samples to keep, 1 to N.

    Returns:
      [N] float32 with mean 1, constants.
    """
    logits = _checks.logits("fake_logits", fake_logits)
    size = logits.shape[0]
    if not 1 <= count <= size:
        raise ValueError(f"count={count} must be between 1 and the batch's {size}")
    order = tf.argsort(logits, direction="DESCENDING", stable=True)
    ranks = tf.argsort(order, stable=True)
    return tf.stop_gradient(tf.cast(ranks < count, tf.float32) * (size / count))


def top_k_count(
    images: int,
    batch_size: int,
    epoch_images: int,
    decay: float = 0.99,
    smallest_share: float = 0.5,
) -> int:
    """Returns how many of a batch to keep (host): decay^epoch, not below a share.

    The count is part of the compiled function, so each new value costs a trace: with
    the defaults at most half the batch size of them.

    Args:
      images: real images seen.
      batch_size: samples of which the best are kept.
      epoch_images: images of one epoch.
      decay: factor for each epoch.
      smallest_share: lower bound of the share that is kept.
    """
    if epoch_images <= 0:
        raise ValueError(f"epoch_images={epoch_images} must be positive")
    share = max(decay ** (images // epoch_images), smallest_share)
    return max(1, math.ceil(share * batch_size - 1e-9))
