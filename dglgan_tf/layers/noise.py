"""Per-pixel noise with one learned strength (StyleGAN2)."""

from dglgan_tf.compat import keras, tf
from dglgan_tf.ops import philox

MODES = ("const", "none", "random")


class Noise(keras.layers.Layer):
    """Noise of one layer: one map for all channels, times a learned scalar.

    Attributes:
      strength: [] trainable, 0 at the start.
      constant: [resolution, resolution] fixed noise, not trained.
    """

    def __init__(self, resolution: int, name: str | None = None):
        super().__init__(name=name)
        self.resolution = resolution
        self.strength = self.add_weight("strength", (), initializer="zeros")
        self.constant = self.add_weight(
            "constant",
            (resolution, resolution),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            trainable=False,
        )
        self.built = True

    def call(self, x, mode="const", seed=None):
        """Returns what to add to a feature map, or None where there is nothing.

        Args:
          x: [N, H, W, C]; only its batch size and type are used.
          mode: 'const' (the stored map), 'random' (fresh for each sample) or 'none'.
          seed: [2] int32, for 'random'.

        Returns:
          [1 or N, H, W, 1], strength applied; None for 'none'.
        """
        if mode == "none":
            return None
        strength = tf.cast(self.strength, x.dtype)
        if mode == "const":
            return strength * tf.cast(self.constant, x.dtype)[None, :, :, None]
        batch = tf.shape(x)[0] if x.shape[0] is None else x.shape[0]
        shape = [batch, self.resolution, self.resolution, 1]
        return strength * tf.cast(philox.normal(shape, seed), x.dtype)


def check_mode(mode: str, seed) -> None:
    """Raises ValueError for an unknown mode, or 'random' with no seed ([2] int32)."""
    if mode not in MODES:
        raise ValueError(f"noise={mode!r} must be one of {MODES}")
    if mode == "random" and seed is None:
        raise ValueError(
            "noise='random' needs seed=[2] int32; pass one, or use noise='const'"
        )
