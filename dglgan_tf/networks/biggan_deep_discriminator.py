"""BigGAN-deep discriminator; see `biggan_deep` for the paper and deviations."""

import gin

from dglgan_tf.compat import keras, tf
from dglgan_tf.layers import attention as attention_layers
from dglgan_tf.layers import spectral_norm, taps
from dglgan_tf.networks import base, biggan_deep_config, configuration
from dglgan_tf.networks import biggan_layout as layout
from dglgan_tf.ops import fold


class DeepDiscriminatorBlock(keras.layers.Layer):
    """Bottleneck block; may halve the resolution and add channels.

    Args:
      inputs, outputs: channels; not fewer outputs than inputs.
      hidden: channels of the bottleneck.
      down: whether the resolution halves.
      with_attention: whether self-attention follows.
      spectral: arguments of the spectrally normalised layers.
    """

    def __init__(
        self, inputs, outputs, hidden, down, with_attention, spectral, **kwargs
    ):
        super().__init__(**kwargs)
        conv = spectral_norm.SpectralConv2D
        convolve = fold.convolve_downsample if down else fold.convolve
        self.down = down
        self.convs = [
            conv(inputs, hidden, 1, **spectral),
            conv(hidden, hidden, 3, **spectral),
            conv(hidden, hidden, 3, **spectral),
            conv(hidden, outputs, 1, convolve=convolve, **spectral),
        ]
        self.shortcut = None
        if outputs > inputs:
            self.shortcut = conv(inputs, outputs - inputs, 1, **spectral)
        self.attention = None
        if with_attention:
            self.attention = attention_layers.SelfAttention(outputs, **spectral)
        self.built = True

    def call(self, x, training=False):
        """Maps [N, H, W, C] to [N, H', W', C']."""
        h = x
        for conv in self.convs:
            h = conv(tf.nn.relu(h), training=training)
        shortcut = fold.downsample(x) if self.down else x
        if self.shortcut is not None:
            more = self.shortcut(shortcut, training=training)
            shortcut = tf.concat([shortcut, more], axis=-1)
        h += shortcut
        return h if self.attention is None else self.attention(h, training=training)


@gin.configurable(module="dglgan_tf.networks.biggan_deep")
@configuration.configured_by(biggan_deep_config.BigGANDeepDiscriminatorConfig)
class BigGANDeepDiscriminator(base.Discriminator):
    """Projection discriminator of bottleneck blocks.

    Arguments, in Python and in gin, are the fields of `BigGANDeepDiscriminatorConfig`;
    each is an attribute here.
    """

    def __init__(
        self, config: biggan_deep_config.BigGANDeepDiscriminatorConfig, **kwargs
    ):
        super().__init__(**kwargs)
        self._set_options(config)
        blocks, spectral = config.blocks, config.spectral
        self.input_conv = spectral_norm.SpectralConv2D(
            self.num_channels, blocks[0][1], 3, **spectral
        )
        self.blocks = [
            DeepDiscriminatorBlock(
                inputs,
                outputs,
                biggan_deep_config.bottleneck(outputs, self.channel_ratio),
                down,
                index in config.attended,
                spectral,
            )
            for index, (down, inputs, outputs) in enumerate(blocks)
        ]
        last = blocks[-1][2]
        self.linear = spectral_norm.SpectralDense(last, 1, **spectral)
        self.embedding = None
        if self.num_classes:
            self.embedding = spectral_norm.SpectralEmbedding(
                self.num_classes, last, **spectral
            )

    def features(self, images, training=False):
        """Returns what the logits are computed from.

        Args:
          images: [N, resolution, resolution, num_channels] float32 in [-1, 1].
          training: whether spectral vectors move.

        Returns:
          [N, width of the last block] float32, summed over the positions.
        """
        x = self.input_conv(images, training=training)
        for block in self.blocks:
            x = block(x, training=training)
            taps.record(x)
        return tf.reduce_sum(tf.cast(tf.nn.relu(x), tf.float32), axis=[1, 2])

    def call(self, images, labels=None, training=False):
        """See `base.Discriminator.call`: images [N, R, R, C] to logits [N]."""
        features = self.features(images, training=training)
        return layout.project(self, features, labels, training)
