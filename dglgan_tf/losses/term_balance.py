"""What guidance does to the generator: gradients of its two terms, compared."""

import math

from dglgan_tf.compat import tf

_TINY = 1e-20
_HEALTHY = 0.1  # a ratio from which on a teacher has something to say


def compare_terms(
    adversarial_gradient: tf.Tensor, guidance_gradient: tf.Tensor
) -> dict[str, tf.Tensor]:
    """Compares the gradients that the two generator terms send to the fake images.

    Args:
      adversarial_gradient: [N, H, W, C] gradient of the student discriminator's term
        with respect to the fake images.
      guidance_gradient: [N, H, W, C] gradient of the teachers' term, without the
        guidance weight.

    Returns:
      {'ratio', 'cosine', 'balancing_weight'}, each [] float32: norm of the unweighted
      guidance gradient over the adversarial one; cosine of the angle between them; the
      guidance weight at which both terms push equally hard.
    """
    adversarial = tf.cast(adversarial_gradient, tf.float32)
    guidance = tf.cast(guidance_gradient, tf.float32)
    own = tf.sqrt(tf.reduce_sum(tf.square(adversarial)))
    other = tf.sqrt(tf.reduce_sum(tf.square(guidance)))
    product = tf.reduce_sum(adversarial * guidance)
    return {
        "ratio": other / tf.maximum(own, _TINY),
        "cosine": product / tf.maximum(own * other, _TINY),
        "balancing_weight": own / tf.maximum(other, _TINY),
    }


def saturation_warning(
    ratio: float, guidance_weight: float, low: float = 0.01, high: float = 10.0
) -> str | None:
    """Returns a sentence where guidance is out of balance, else None (host).

    A teacher discriminator that is certain of the student's images, or indifferent to
    them, sends a vanishing gradient and guides nothing; one that outweighs the student
    discriminator by far turns the game into fooling a fixed network.

    Args:
      ratio: of `compare_terms`, without the guidance weight.
      guidance_weight: the weight in use.
      low: share of the generator's gradient below which guidance does nothing; said
        only where the ratio itself is small, not where a schedule starts near 0.
      high: share above which it replaces the student discriminator.
    """
    share = ratio * guidance_weight
    if guidance_weight <= 0 or not math.isfinite(share) or low <= share <= high:
        return None
    if share < low and ratio >= _HEALTHY:
        return None  # a small weight, as in a warm-up
    balance = f"{1 / ratio:.3g}" if ratio > _TINY else "none"
    what = (
        "the teacher discriminator is saturated: its term has"
        if share < low
        else "the teacher discriminator dominates: its term has"
    )
    return (
        f"{what} {share:.2g} times the gradient of the student discriminator's at "
        f"guidance weight {guidance_weight:g}; the weight that balances both now: "
        f"{balance}"
    )
