"""StyleGAN2 discriminator; see `stylegan2` for the paper, counts and deviations."""

import math

import gin
import numpy as np

from dglgan_tf.compat import keras, tf
from dglgan_tf.layers import equalized, minibatch_std, precision, recompute, taps
from dglgan_tf.networks import base
from dglgan_tf.networks import stylegan2_blocks as blocks
from dglgan_tf.ops import resample


class DiscriminatorBlock(keras.layers.Layer):
    """All layers of one resolution above 4x4; halves the resolution."""

    def __init__(
        self,
        in_width: int,
        out_width: int,
        residual: bool,
        rgb: int,
        fir: np.ndarray,
        clamp: float | None,
        name: str | None = None,
    ):
        super().__init__(name=name)
        gain = blocks.RESIDUAL_GAIN if residual else 1.0
        conv = equalized.EqualizedConv
        self.from_rgb = self.skip = None
        if rgb:
            self.from_rgb = conv(rgb, in_width, 1, "lrelu", clamp=clamp)
        self.conv0 = conv(in_width, in_width, 3, "lrelu", clamp=clamp)
        self.conv1 = conv(
            in_width, out_width, 3, "lrelu", True, "down", fir, gain, clamp
        )
        if residual:
            self.skip = conv(in_width, out_width, 1, "linear", False, "down", fir, gain)
        self.built = True

    def call(self, x):
        """[N, H, W, in_width] -> [N, H/2, W/2, out_width]."""
        shortcut = None if self.skip is None else self.skip(x)
        x = self.conv1(self.conv0(x))
        return x if shortcut is None else x + shortcut


class DiscriminatorHead(keras.layers.Layer):
    """Minibatch std, convolution and two dense layers at 4x4."""

    def __init__(
        self,
        width: int,
        dense_width: int,
        out_width: int,
        rgb: int,
        group_size: int | None,
        num_channels: int,
        clamp: float | None,
        name: str | None = None,
    ):
        super().__init__(name=name)
        conv = equalized.EqualizedConv
        self.from_rgb = conv(rgb, width, 1, "lrelu") if rgb else None
        if num_channels and width % num_channels:
            raise ValueError(
                f"mbstd_num_channels={num_channels} must divide the {width} channels "
                "at 4x4"
            )
        self.minibatch_std = None
        if num_channels:
            self.minibatch_std = minibatch_std.MinibatchStd(group_size, num_channels)
        self.conv = conv(width + num_channels, width, 3, "lrelu", clamp=clamp)
        self.dense = equalized.EqualizedDense(16 * width, dense_width, "lrelu")
        self.output_dense = equalized.EqualizedDense(dense_width, out_width)
        self.built = True

    def call(self, x):
        """[N, 4, 4, width] -> [N, out_width]."""
        if self.minibatch_std is not None:
            x = self.minibatch_std(x)
        x = self.conv(x)
        x = tf.reshape(x, [-1, 16 * x.shape[-1]])
        return self.output_dense(self.dense(x))


@gin.configurable(module="dglgan_tf.networks.stylegan2")
class StyleGAN2Discriminator(base.Discriminator):
    """Scores images.

    Args:
      resolution, num_channels, num_classes: of the images.
      channel_base, channel_max, channels_fraction, channels: widths, as in the
        generator (here everything is narrowed).
      architecture: 'resnet', 'skip' or 'orig'.
      resample_filter: taps of the FIR filter.
      conv_clamp: bound of the activations; None = none.
      mbstd_group_size: samples in a minibatch-std group; None = the whole batch.
      mbstd_num_channels: channels that it adds.
      dense_width: of the first dense layer; None = the width rule continued to 2x2.
      label_method: 'projection' (product with a mapped label: stylegan2-ada) or
        'selection' (one output for each class: the 2019 code).
      cmap_dim: length of the mapped label; None = width at 4x4.
      mapping_layers, mapping_width, embed_width, mapping_lr_multiplier: the label's
        mapping network; None = cmap_dim.
      reduced_dtype, reduced_resolutions, recompute_from: as in the generator.
    """

    def __init__(
        self,
        resolution: int,
        num_channels: int = 3,
        num_classes: int = 0,
        channel_base: int = 32768,
        channel_max: int = 512,
        channels_fraction: int = 1,
        channels=None,
        architecture: str = "resnet",
        resample_filter=(1, 3, 3, 1),
        conv_clamp: float | None = None,
        mbstd_group_size: int | None = 4,
        mbstd_num_channels: int = 1,
        dense_width: int | None = None,
        label_method: str = "projection",
        cmap_dim: int | None = None,
        mapping_layers: int = 8,
        mapping_width: int | None = None,
        embed_width: int | None = None,
        mapping_lr_multiplier: float = 0.01,
        reduced_dtype: str = "float32",
        reduced_resolutions: int = 4,
        recompute_from: int | None = None,
        name: str | None = None,
    ):
        super().__init__(name=name)
        blocks.check_choice("architecture", architecture, blocks.ARCHITECTURES)
        blocks.check_choice("label_method", label_method, ("projection", "selection"))
        blocks.check_choice("num_channels", num_channels, (1, 3))
        blocks.check_sizes(
            mbstd_group_size=mbstd_group_size,
            dense_width=dense_width,
            cmap_dim=cmap_dim,
            mapping_layers=mapping_layers,
            mapping_width=mapping_width,
            embed_width=embed_width,
        )
        self.resolution = resolution
        self.num_channels, self.num_classes = num_channels, num_classes
        self.channel_base, self.channel_max = channel_base, channel_max
        self.channels_fraction = channels_fraction
        self.channels = blocks.explicit_widths(resolution, channels)
        self.architecture, self.resample_filter = architecture, resample_filter
        self.conv_clamp = conv_clamp
        self.mbstd_group_size = mbstd_group_size
        self.mbstd_num_channels = mbstd_num_channels
        self.dense_width = dense_width
        self.label_method, self.cmap_dim = label_method, cmap_dim
        self.mapping_layers, self.mapping_width = mapping_layers, mapping_width
        self.embed_width = embed_width
        self.mapping_lr_multiplier = mapping_lr_multiplier
        self.reduced_dtype = reduced_dtype
        self.reduced_resolutions = reduced_resolutions
        self.recompute_from = recompute.check(recompute_from)
        self._build_layers()
        if precision.is_reduced(reduced_dtype):
            precision.follow_inputs(self)
        self.built = True

    def _build_layers(self):
        widths = blocks.block_widths(
            self.resolution,
            self.channel_base,
            self.channel_max,
            self.channels_fraction,
            self.channels,
        )
        sides = blocks.resolutions(self.resolution)
        self._fir = resample.setup_filter(self.resample_filter)
        every = self.architecture == "skip"
        self._dtypes = precision.dtypes(
            sides[1:], self.reduced_dtype, self.reduced_resolutions
        )
        self.blocks = {}
        for side, width, after in zip(
            sides[:0:-1], widths[:0:-1], widths[-2::-1], strict=True
        ):
            self.blocks[str(side)] = DiscriminatorBlock(
                width,
                after,
                self.architecture == "resnet",
                self.num_channels if every or side == self.resolution else 0,
                self._fir,
                precision.clamp_at(self._dtypes[side], self.conv_clamp),
            )
        self._cmap_dim = self.cmap_dim or widths[0]
        self.mapping = self._label_mapping()
        self.head = DiscriminatorHead(
            widths[0],
            self.dense_width or self._default_dense_width(widths[0]),
            self._out_width(),
            self.num_channels if every or self.resolution == 4 else 0,
            self.mbstd_group_size,
            self.mbstd_num_channels,
            self.conv_clamp,
        )

    def _default_dense_width(self, width):
        if self.channels is not None:
            return width
        rule = blocks.width_at(2, self.channel_base, self.channel_max)
        return rule // self.channels_fraction

    def _out_width(self):
        if not self.num_classes:
            return 1
        return self._cmap_dim if self.mapping is not None else self.num_classes

    def _label_mapping(self):
        if not self.num_classes or self.label_method == "selection":
            return None
        return blocks.Mapping(
            0,
            self.num_classes,
            self._cmap_dim,
            self.mapping_layers,
            self.mapping_width or self._cmap_dim,
            self.embed_width or self._cmap_dim,
            self.mapping_lr_multiplier,
        )

    def call(self, images, labels=None, training=False):
        """See `base.Discriminator`; no state moves, training or not."""
        del training
        return self.score_with_features(images, labels)[0]

    def score_with_features(self, images, labels=None):
        """Scores images; also gives the activations after each block.

        Returns:
          logits [N], {resolution of the block: [N, resolution/2, resolution/2, C]}.
        """
        images = tf.cast(tf.convert_to_tensor(images), self.compute_dtype)
        onehot = blocks.require_labels(self, labels)
        x, features = None, {}
        for side, block in [*self.blocks.items(), (None, self.head)]:
            if block.from_rgb is not None:
                y = block.from_rgb(self._reduced(images, side))
                x = y if x is None else self._reduced(x, side) + y
            if side is None:
                break
            if self.architecture == "skip":
                images = resample.downsample2(images, self._fir)
                equalized.enter_filter(self, images, self._fir)
            x = self._reduced(x, side)
            due = recompute.is_due(self.recompute_from, int(side))
            x = recompute.run(block, x) if due else block(x)
            features[int(side)] = x
            taps.record(x)
        return self._read_out(self.head(self._reduced(x, None)), onehot), features

    def _reduced(self, x, side):
        """Casts what enters a block to the block's type."""
        dtype = "float32" if side is None else self._dtypes[int(side)]
        same = not precision.is_reduced(self.reduced_dtype)
        return x if same else tf.cast(x, dtype)

    def _read_out(self, out, onehot):
        if onehot is None:
            return out[:, 0]
        onehot = tf.cast(onehot, out.dtype)
        if self.mapping is None:
            return tf.reduce_sum(out * onehot, axis=1)
        cmap = self.mapping(None, onehot)
        return tf.reduce_sum(out * cmap, axis=1) / math.sqrt(self._cmap_dim)
