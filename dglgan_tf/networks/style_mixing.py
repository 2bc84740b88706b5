"""Style mixing in training (Karras et al. 2019, section 3.1): two styles in one image.

One draw for the batch decides whether styles are mixed and from which layer on; every
sample has a second style of its own.
"""

from dglgan_tf.compat import tf
from dglgan_tf.ops import philox

# Uses of a call's seed; out of the way of the small numbers that callers fold in.
_SECOND_LATENT, _LAYER = 1000, 1001


def mix(mapping, z, onehot, seed, probability: float, num_ws: int):
    """Maps latents to style vectors, a second style from some layer on.

    Args:
      mapping: (latents [N, z_dim], one-hot labels [N, num_classes] or None) -> styles
        [N, w_dim].
      z: [N, z_dim] float32.
      onehot: [N, num_classes] float32, None for an unconditional network.
      seed: [2] int32.
      probability: that the batch is mixed, 0 to 1.
      num_ws: layers.

    Returns:
      w: [N, w_dim], the first styles.
      ws: [N, num_ws, w_dim], the style of each layer.
    """
    if not probability:
        w = mapping(z, onehot)
        return w, repeat(w, num_ws)
    second = philox.normal(tf.shape(z), philox.fold(seed, _SECOND_LATENT))
    both = mapping(
        tf.concat([z, tf.cast(second, z.dtype)], axis=0),
        None if onehot is None else tf.tile(onehot, [2, 1]),
    )
    w, other = tf.split(both, 2, axis=0)
    layer = first_mixed_layer(seed, probability, num_ws)
    keep = tf.range(num_ws)[None, :, None] < layer
    return w, tf.where(keep, w[:, None, :], other[:, None, :])


def first_mixed_layer(seed, probability: float, num_ws: int) -> tf.Tensor:
    """Returns the first layer that takes the second style, [] int32.

    It is 1, ..., num_ws - 1, each as likely, with the probability given, else num_ws:
    no layer does.

    Args:
      seed: [2] int32.
      probability: above 0, up to 1.
      num_ws: layers.
    """
    share = philox.uniform((), philox.fold(seed, _LAYER)) / probability
    # Below 1 with the mixing probability, and then uniform: one draw is enough.
    layer = 1 + tf.cast(share * (num_ws - 1), tf.int32)
    return tf.minimum(layer, num_ws)


def repeat(w, num_ws: int) -> tf.Tensor:
    """Returns the same style for every layer: [N, w_dim] -> [N, num_ws, w_dim]."""
    return tf.tile(w[:, None, :], [1, num_ws, 1])
