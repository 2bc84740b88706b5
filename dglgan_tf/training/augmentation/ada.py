"""Adaptive discriminator augmentation (ADA, Karras et al., 2006.06676).

Everything the discriminator sees, real and generated, passes through `augment` with
one probability p. Gradients flow through to the generator and, for R1, to second
order. p is driven by the discriminator's overfitting: `sign_statistics` of its scores
of the training images are summed, and `next_probability` is applied every few steps.
"""

import gin

from dglgan_tf.compat import tf
from dglgan_tf.training.augmentation import ada_draws, ada_geometry, ada_pixels

_KEYS = 10  # more than any part draws


@gin.configurable(module="ada")
def augment(
    images: tf.Tensor,
    seed: tf.Tensor,
    probability: tf.Tensor,
    blit: float = 1.0,
    geometry: float = 1.0,
    color: float = 1.0,
    bands: float = 0.0,
    noise: float = 0.0,
    cutout: float = 0.0,
) -> tf.Tensor:
    """Augments a batch; replica context, with or without XLA.

    The defaults are the paper's choice: pixel copies, warps and color.

    Args:
      images: [N, S, S, C] float32 in [-1, 1]; N static, C = 1 or 3.
      seed: [2] int32; another one for every batch.
      probability: [] float32, p of each transform.
      blit: factor of p for flips, quarter turns and whole-pixel shifts.
      geometry: factor for scaling, rotation, stretch and fractional shift.
      color: factor for brightness, contrast, luma flip, hue and saturation.
      bands: factor for amplified frequency bands.
      noise: factor for added noise.
      cutout: factor for a box set to zero.

    Returns:
      [N, S, S, C] float32; not clipped.
    """
    factors = {
        "blit": blit,
        "geometry": geometry,
        "color": color,
        "bands": bands,
        "noise": noise,
        "cutout": cutout,
    }
    return apply(images, draw(seed, tuple(images.shape), probability, factors))


def draw(
    seed: tf.Tensor, shape: tuple[int, ...], probability: tf.Tensor, factors: dict
) -> dict[str, dict[str, tf.Tensor]]:
    """Draws the transforms of a batch.

    Args:
      seed: [2] int32.
      shape: (N, S, S, C), N static.
      probability: [] float32.
      factors: part name -> factor of the probability; 0 leaves the part out.

    Returns:
      part name -> what its function in `ada_geometry` or `ada_pixels` takes.
    """
    if shape[0] is None:
        raise ValueError(
            f"images has shape {shape}: the batch size must be known while tracing"
        )
    unknown = sorted(set(factors) - set(_PARTS))
    if unknown:
        raise ValueError(f"factors names {unknown}: choose from {list(_PARTS)}")
    drawn = {}
    for index, (part, (make, _)) in enumerate(_PARTS.items()):
        if not factors.get(part):
            continue
        keys = ada_draws.keys(seed, index, _KEYS)
        chance = tf.cast(probability, tf.float32) * factors[part]
        drawn[part] = make(keys, shape if part == "noise" else shape[0], chance)
    return drawn


def apply(images: tf.Tensor, drawn: dict[str, dict[str, tf.Tensor]]) -> tf.Tensor:
    """Applies what `draw` returned, in the paper's order.

    Args:
      images: [N, S, S, C] float32.
      drawn: part name -> arguments of its function.

    Returns:
      [N, S, S, C] float32.
    """
    images = tf.convert_to_tensor(images)
    for part, (_, change) in _PARTS.items():
        if part in drawn:
            images = change(images, **drawn[part])
    return images


def _add(images, noise):
    return images + noise


_PARTS = {
    "blit": (ada_geometry.draw_copies, ada_geometry.copy_pixels),
    "geometry": (ada_geometry.draw_warp, ada_geometry.warp),
    "color": (ada_pixels.draw_color, ada_pixels.change_color),
    "bands": (ada_pixels.draw_bands, ada_pixels.filter_bands),
    "noise": (ada_pixels.draw_noise, _add),
    "cutout": (ada_pixels.draw_cutout, ada_pixels.cut_out),
}


def sign_statistics(real_logits: tf.Tensor) -> tf.Tensor:
    """Returns [sum of signs, count] of scores of (augmented) training images.

    Both add up over steps and replicas; their quotient is the paper's r_t.

    Args:
      real_logits: [N].

    Returns:
      [2] float32, without gradient.
    """
    logits = tf.stop_gradient(tf.cast(real_logits, tf.float32))
    return tf.stack([tf.reduce_sum(tf.sign(logits)), float(logits.shape[0])])


def next_probability(
    probability: tf.Tensor,
    statistics: tf.Tensor,
    images: tf.Tensor,
    target: float = 0.6,
    ramp_images: float = 500_000,
) -> tf.Tensor:
    """Moves p towards the wanted share of confident scores (section 3.1).

    p rises by images / ramp_images where r_t = sum / count is above the target, falls
    as much where it is below, and stays within [0, 1].

    Args:
      probability: [] p so far.
      statistics: [2] sums of `sign_statistics` since the last change; count 0 changes
        nothing.
      images: real images seen since the last change.
      target: wanted r_t.
      ramp_images: images in which p can go from 0 to 1.

    Returns:
      [] float32.
    """
    mean = tf.math.divide_no_nan(statistics[0], statistics[1])
    step = tf.sign(mean - target) * tf.cast(images, tf.float32) / ramp_images
    step = tf.where(statistics[1] > 0, step, 0.0)
    return tf.clip_by_value(probability + step, 0.0, 1.0)
