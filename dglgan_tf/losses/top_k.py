"""Top-k training of the generator (Sinha et al., 2002.06224)."""

from dglgan_tf.compat import tf
from dglgan_tf.losses import _checks


def top_k_weights(fake_logits: tf.Tensor, share: float | tf.Tensor) -> tf.Tensor:
    """Returns weights that keep the generator's best samples.

    Of N samples the ceil(share * N) that the discriminator scores highest weigh N /
    count, the others 0, so that the mean of weights * loss is the mean over those kept.
    Among equal scores the earlier sample is kept.

    Args:
      fake_logits: [N] the discriminator's scores; N static.
      share: of the samples to keep, above 0 and at most 1; a tensor may change without
        a new trace.

    Returns:
      [N] float32 with mean 1, constants.
    """
    logits = _checks.logits("fake_logits", fake_logits)
    size = logits.shape[0]
    if isinstance(share, float) and not 0 < share <= 1:
        raise ValueError(f"share={share} must be above 0 and at most 1")
    # What float32 adds to a whole number must not keep one more.
    count = tf.maximum(tf.math.ceil(share * size - 1e-3), 1.0)
    order = tf.argsort(logits, direction="DESCENDING", stable=True)
    ranks = tf.argsort(order, stable=True)
    kept = tf.cast(tf.cast(ranks, tf.float32) < count, tf.float32)
    return tf.stop_gradient(kept * (size / count))


def top_k_share(
    images: int, epoch_images: int, decay: float = 0.99, smallest_share: float = 0.5
) -> float:
    """Returns the share of a batch to keep (host): decay^epoch, not below a share.

    Args:
      images: real images seen.
      epoch_images: images of one epoch.
      decay: factor for each epoch.
      smallest_share: lower bound.
    """
    if epoch_images <= 0:
        raise ValueError(f"epoch_images={epoch_images} must be positive")
    return max(decay ** (images // epoch_images), smallest_share)
