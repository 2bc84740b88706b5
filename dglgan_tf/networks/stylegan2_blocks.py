"""What StyleGAN2's two networks are made of: mapping, synthesis layers, widths."""

import math

import numpy as np

from dglgan_tf.compat import keras, tf
from dglgan_tf.layers import equalized, noise, precision
from dglgan_tf.ops import bias, ledger, modulate

ARCHITECTURES = ("skip", "resnet", "orig")
RESIDUAL_GAIN = math.sqrt(0.5)


def resolutions(resolution: int) -> list[int]:
    """Returns [4, 8, ..., resolution]; ValueError where that is no such number."""
    if resolution < 4 or resolution & (resolution - 1):
        raise ValueError(f"resolution={resolution} must be a power of two, 4 or larger")
    return [2**k for k in range(2, resolution.bit_length())]


def width_at(resolution: int, channel_base: int, channel_max: int) -> int:
    """Channels at a resolution, before any narrowing (TF1: fmap_base is the half)."""
    return max(1, min(channel_base // resolution, channel_max))


def explicit_widths(resolution: int, channels) -> list[int] | None:
    """Returns explicit widths at 4, 8, ..., resolution; None where there are none.

    Args:
      channels: widths in that order, {resolution: width}, or None.

    Raises:
      ValueError: another number of widths, or one that is not positive.
    """
    if channels is None:
        return None
    sides = resolutions(resolution)
    if isinstance(channels, dict):
        given = {int(side): width for side, width in channels.items()}
        if sorted(given) != sides:
            raise ValueError(f"channels={given} must name exactly the sizes {sides}")
        channels = [given[side] for side in sides]
    widths = [int(width) for width in channels]
    if len(widths) != len(sides) or min(widths) < 1:
        raise ValueError(
            f"channels={widths} must hold {len(sides)} positive widths, one for each "
            f"of {sides}"
        )
    return widths


def block_widths(
    resolution, channel_base, channel_max, channels_fraction, channels
) -> list[int]:
    """Returns the channels at 4, 8, ..., resolution.

    Args:
      channels: explicit widths in that order; None = the rule
        min(channel_base // R, channel_max) // channels_fraction.
    """
    if channels_fraction < 1 or channels_fraction != int(channels_fraction):
        raise ValueError(
            f"channels_fraction={channels_fraction} must be an integer, 1 or larger"
        )
    if channels is not None:
        return list(channels)
    widths = [
        width_at(side, channel_base, channel_max) // int(channels_fraction)
        for side in resolutions(resolution)
    ]
    if min(widths) < 1:
        raise ValueError(
            f"channels_fraction={channels_fraction} leaves widths {widths}: choose a "
            "smaller one, or a larger channel_base"
        )
    return widths


def check_choice(name: str, value, choices) -> None:
    """Raises ValueError where `value` is none of `choices`."""
    if value not in choices:
        raise ValueError(f"{name}={value!r} must be one of {tuple(choices)}")


def check_sizes(**sizes) -> None:
    """Raises ValueError where a size is neither None nor a positive integer."""
    for name, value in sizes.items():
        if value is None:
            continue
        if not isinstance(value, (int, np.integer)) or value < 1:
            raise ValueError(f"{name}={value!r} must be a positive integer")


def require_labels(network, labels):
    """Returns one-hot labels, None for an unconditional network.

    Args:
      network: with `num_classes` and `onehot`.
      labels: [N] int or [N, num_classes] float; not used when num_classes = 0.

    Returns:
      [N, num_classes] float32, or None.

    Raises:
      ValueError: None for a conditional network.
    """
    if not network.num_classes:
        return None
    if labels is None:
        raise ValueError(
            f"labels=None, but this network has num_classes={network.num_classes}: "
            "give int [N] or one-hot float [N, num_classes]"
        )
    return network.onehot(labels)


def normalize_second_moment(x: tf.Tensor) -> tf.Tensor:
    """Scales each row of [N, C] to a mean square of 1."""
    return x * tf.math.rsqrt(tf.reduce_mean(tf.square(x), axis=1, keepdims=True) + 1e-8)


class Mapping(keras.layers.Layer):
    """Latents and labels to style vectors (both networks have one, if conditional).

    Args:
      z_dim: length of a latent; 0 = labels only (the discriminator's mapping).
      num_classes: 0 = no labels.
      out_width: length of the result.
      num_layers: dense layers.
      width: of the layers between; embed_width: of the label embedding.
      lr_multiplier: learning-rate factor of the dense layers.
      label_method: 'embedding' (a dense layer, normalized on its own: stylegan2-ada)
        or 'concatenation' (a plain table, normalized together with z: the 2019 code).
    """

    def __init__(
        self,
        z_dim,
        num_classes,
        out_width,
        num_layers,
        width,
        embed_width,
        lr_multiplier,
        label_method="embedding",
        name=None,
    ):
        super().__init__(name=name)
        self.label_method = label_method
        self.z_dim = z_dim
        self.label_embedding = self.label_table = None
        if num_classes and label_method == "embedding":
            self.label_embedding = equalized.EqualizedDense(num_classes, embed_width)
        elif num_classes:
            embed_width = z_dim
            self.label_table = self.add_weight(
                "label_table",
                (num_classes, embed_width),
                initializer=keras.initializers.RandomNormal(stddev=1.0),
            )
        first = z_dim + (embed_width if num_classes else 0)
        widths = [first] + [width] * (num_layers - 1) + [out_width]
        self.dense = [
            equalized.EqualizedDense(a, b, "lrelu", lr_multiplier)
            for a, b in zip(widths[:-1], widths[1:], strict=True)
        ]
        self.built = True

    def call(self, z, onehot=None):
        """[N, z_dim] (None where z_dim = 0), [N, num_classes] -> [N, out_width]."""
        if self.label_table is not None:
            x = tf.concat([z, tf.matmul(onehot, self.label_table)], axis=1)
            x = normalize_second_moment(x)
        else:
            parts = [] if z is None else [normalize_second_moment(z)]
            if self.label_embedding is not None:
                embedded = self.label_embedding(onehot)
                parts.append(normalize_second_moment(embedded))
            x = parts[0] if len(parts) == 1 else tf.concat(parts, axis=1)
        for dense in self.dense:
            x = dense(x)
        return x


class SynthesisConv(keras.layers.Layer):
    """Modulated 3x3 convolution, demodulation, noise, bias, leaky ReLU, clamp.

    Args:
      in_width, out_width: channels.
      w_dim: length of a style vector.
      resolution: of the output.
      up: whether the input has half that resolution.
      fir: resampling filter.
      gain: factor of the output.
      clamp: see `EqualizedConv`.
    """

    def __init__(
        self, in_width, out_width, w_dim, resolution, up, fir, gain, clamp, name=None
    ):
        super().__init__(name=name)
        self.in_width, self.out_width = in_width, out_width
        self.resample_by = "up" if up else "none"
        self.fir = fir
        self.gain = equalized.GAINS["lrelu"] * gain
        self.clamp = None if clamp is None else clamp * gain
        self.affine = equalized.EqualizedDense(w_dim, in_width, bias_init=1.0)
        self.kernel = self.add_weight(
            "kernel",
            (3, 3, in_width, out_width),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
        )
        self.noise = noise.Noise(resolution)
        self.bias = self.add_weight("bias", (out_width,), initializer="zeros")
        self.built = True

    def call(self, x, w, noise_mode="const", seed=None):
        """[N, H, W, in_width], [N, w_dim] -> [N, H', W', out_width].

        `noise_mode` and `seed` ([2] int32) are those of `layers.noise`.
        """
        styles = self.affine(w) * (1 / math.sqrt(9 * self.in_width))
        kernel = self.kernel
        if precision.is_reduced(x.dtype):
            kernel, styles = modulate.bounded(kernel, styles)
        y = modulate.modulated_conv(
            x,
            tf.cast(kernel, x.dtype),
            tf.cast(styles, x.dtype),
            lambda a, b: equalized.convolve(a, b, self.resample_by, self.fir),
        )
        equalized.enter_conv(self, x, y, 3, self.resample_by, self.fir)
        # The activation's gain is folded into all three terms of its input.
        factors = modulate.demodulation(kernel, styles) * self.gain
        y = y * tf.cast(factors, y.dtype)[:, None, None, :]
        noise_map = self.noise(y, mode=noise_mode, seed=seed)
        if noise_map is not None:
            y = y + noise_map * self.gain
        y = bias.add(y, self.bias * self.gain)
        return equalized.activate(y, "lrelu", self.clamp)


class ToRGB(keras.layers.Layer):
    """Modulated 1x1 convolution to image channels: no demodulation, no activation.

    With so few outputs a matrix product with weights of each sample's own is faster
    than scaling the input (0.65 of its time at 64x64x64, forward and backward).
    """

    def __init__(self, in_width, num_channels, w_dim, clamp, name=None):
        super().__init__(name=name)
        self.in_width, self.num_channels = in_width, num_channels
        self.clamp = clamp
        self.affine = equalized.EqualizedDense(w_dim, in_width, bias_init=1.0)
        self.kernel = self.add_weight(
            "kernel",
            (1, 1, in_width, num_channels),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
        )
        self.bias = self.add_weight("bias", (num_channels,), initializer="zeros")
        self.built = True

    def call(self, x, w):
        """[N, H, W, in_width], [N, w_dim] -> [N, H, W, num_channels]."""
        _, height, width, _ = x.shape
        styles = self.affine(w) * (1 / math.sqrt(self.in_width))
        weights = tf.cast(styles[:, :, None] * self.kernel[0, 0], x.dtype)
        y = tf.matmul(tf.reshape(x, [-1, height * width, self.in_width]), weights)
        y = tf.reshape(y, [-1, height, width, self.num_channels])
        macs = (x.shape[0] or 1) * height * width * self.in_width * self.num_channels
        ledger.enter(self, "conv", macs, [x.shape[0] or 1, *y.shape[1:]])
        # Images add up over the resolutions: never in a reduced type.
        y = tf.nn.bias_add(tf.cast(y, self.bias.dtype), self.bias)
        return equalized.activate(y, "linear", self.clamp)


class SynthesisBlock(keras.layers.Layer):
    """All layers of one resolution of the generator.

    Args:
      in_width: channels of the incoming features (of the constant at 4x4).
      out_width: channels of this block.
      resolution: of the output.
      residual: whether a 1x1 path goes around the convolutions ('resnet').
      rgb: image channels that leave here; 0 = none.
    """

    def __init__(
        self,
        in_width: int,
        out_width: int,
        w_dim: int,
        resolution: int,
        residual: bool,
        rgb: int,
        fir: np.ndarray,
        clamp: float | None,
        name: str | None = None,
    ):
        super().__init__(name=name)
        first = resolution == 4
        residual = residual and not first
        gain = RESIDUAL_GAIN if residual else 1.0
        common = dict(w_dim=w_dim, resolution=resolution, fir=fir, clamp=clamp)
        self.skip = self.conv0 = self.to_rgb = None
        if residual:
            self.skip = equalized.EqualizedConv(
                in_width, out_width, 1, "linear", False, "up", fir, RESIDUAL_GAIN
            )
        if not first:
            self.conv0 = SynthesisConv(in_width, out_width, up=True, gain=1.0, **common)
        self.conv1 = SynthesisConv(
            in_width if first else out_width, out_width, up=False, gain=gain, **common
        )
        if rgb:
            self.to_rgb = ToRGB(out_width, rgb, w_dim, clamp)
        self.built = True

    def call(self, x, ws, noise_mode="const", seeds=(None, None)):
        """Returns the features after the block.

        Args:
          x: [N, H, W, in_width]; [N, 4, 4, in_width] for the first block.
          ws: this block's style vectors, each [N, w_dim]: of the convolutions, then
            of the image layer.
          noise_mode: 'const', 'none' or 'random'.
          seeds: of the two convolutions' noise, [2] int32 each, for 'random'.

        Returns:
          [N, resolution, resolution, out_width].
        """
        shortcut = None if self.skip is None else self.skip(x)
        if self.conv0 is not None:
            x = self.conv0(x, ws[0], noise_mode=noise_mode, seed=seeds[0])
        x = self.conv1(x, ws[-2], noise_mode=noise_mode, seed=seeds[1])
        return x if shortcut is None else x + shortcut
