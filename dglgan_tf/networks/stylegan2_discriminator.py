"""StyleGAN2 discriminator; see `stylegan2` for the paper, counts and deviations."""

import math

import gin
import numpy as np

from dglgan_tf.compat import keras, tf
from dglgan_tf.layers import equalized, minibatch_std, precision, recompute, taps
from dglgan_tf.networks import base, configuration, stylegan2_config
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
@configuration.configured_by(stylegan2_config.StyleGAN2DiscriminatorConfig)
class StyleGAN2Discriminator(base.Discriminator):
    """Scores images.

    Arguments, in Python and in gin, are the fields of `StyleGAN2DiscriminatorConfig`;
    each is an attribute here.
    """

    def __init__(
        self,
        config: stylegan2_config.StyleGAN2DiscriminatorConfig,
        name: str | None = None,
    ):
        super().__init__(name=name)
        self._set_options(config)
        self._fir, self._dtypes = config.fir, config.block_dtypes
        self._cmap_dim = config.mapped_label_length
        widths, every = config.widths, self.architecture == "skip"
        self.blocks = {}
        for side, width, after in zip(
            reversed(self._dtypes), widths[:0:-1], widths[-2::-1], strict=True
        ):
            self.blocks[str(side)] = DiscriminatorBlock(
                width,
                after,
                self.architecture == "resnet",
                self.num_channels if every or side == self.resolution else 0,
                self._fir,
                precision.clamp_at(self._dtypes[side], self.conv_clamp),
            )
        self.mapping = self._label_mapping()
        self.head = DiscriminatorHead(
            widths[0],
            config.first_dense_width,
            self._out_width(),
            self.num_channels if every or self.resolution == 4 else 0,
            self.mbstd_group_size,
            self.mbstd_num_channels,
            self.conv_clamp,
        )
        if precision.is_reduced(self.reduced_dtype):
            precision.follow_inputs(self)
        self.built = True

    def group_in(self, batch: int) -> int:
        """See `base.Discriminator`: the groups of minibatch standard deviation."""
        if not self.mbstd_num_channels:
            return 1
        return min(self.mbstd_group_size or batch, batch)

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
        """See `base.Discriminator.call`: images [N, R, R, C] to logits [N].

        No state moves, training or not.
        """
        del training
        return self.score_with_features(images, labels)[0]

    def score_with_features(self, images, labels=None):
        """Scores images; also gives the blocks' outputs.

        Args:
          images: [N, resolution, resolution, num_channels] float32 in [-1, 1].
          labels: [N] int or [N, num_classes] float; None when num_classes = 0.

        Returns:
          logits: [N] float32.
          features: {side of a block's input: [N, side / 2, side / 2, C]}.
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
