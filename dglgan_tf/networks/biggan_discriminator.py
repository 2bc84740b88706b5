"""BigGAN discriminator; see `biggan` for the paper, counts and deviations."""

import gin

from dglgan_tf.compat import keras, tf
from dglgan_tf.layers import attention as attention_layers
from dglgan_tf.layers import precision, recompute, spectral_norm, taps
from dglgan_tf.networks import base, biggan_config, configuration
from dglgan_tf.networks import biggan_layout as layout
from dglgan_tf.ops import fold


class DiscriminatorBlock(keras.layers.Layer):
    """Residual block of a discriminator; attention may follow.

    Args:
      block: what it is made of.
      spectral: arguments of the spectrally normalised layers.
    """

    def __init__(self, block: layout.BlockLayout, spectral: dict, **kwargs):
        super().__init__(**kwargs)
        inputs, hidden, outputs = block.widths
        conv = spectral_norm.SpectralConv2D
        convolve = fold.convolve_downsample if block.down else fold.convolve
        self.first = block.first
        self.conv1 = conv(inputs, hidden, 3, **spectral)
        self.conv2 = conv(hidden, outputs, 3, convolve=convolve, **spectral)
        self.shortcut = None
        if block.shortcut:
            self.shortcut = conv(inputs, outputs, 1, convolve=convolve, **spectral)
        self.attention = None
        if block.attention:
            self.attention = attention_layers.SelfAttention(outputs, **spectral)
        self.built = True

    def call(self, x, training=False):
        """Maps [N, H, W, C] to [N, H', W', C']."""
        h = x if self.first else tf.nn.relu(x)
        h = tf.nn.relu(self.conv1(h, training=training))
        h = self.conv2(h, training=training)
        h += x if self.shortcut is None else self.shortcut(x, training=training)
        return h if self.attention is None else self.attention(h, training=training)


@gin.configurable(module="dglgan_tf.networks.biggan")
@configuration.configured_by(biggan_config.BigGANDiscriminatorConfig)
class BigGANDiscriminator(base.Discriminator):
    """Projection discriminator.

    Arguments, in Python and in gin, are the fields of `BigGANDiscriminatorConfig`; each
    is an attribute here.
    """

    def __init__(self, config: biggan_config.BigGANDiscriminatorConfig, **kwargs):
        super().__init__(**kwargs)
        self._set_options(config)
        self._dtypes = config.block_dtypes
        blocks, spectral = config.blocks, config.spectral
        self.blocks = [DiscriminatorBlock(block, spectral) for block in blocks]
        outputs = blocks[-1].widths[-1]
        self.linear = spectral_norm.SpectralDense(outputs, 1, **spectral)
        self.embedding = None
        if self.num_classes:
            self.embedding = spectral_norm.SpectralEmbedding(
                self.num_classes, outputs, **spectral
            )
        if precision.is_reduced(self.reduced_dtype):
            precision.follow_inputs(self)

    def features(self, images, training=False):
        """Returns what the logits are computed from.

        Args:
          images: [N, resolution, resolution, num_channels] float32 in [-1, 1].
          training: whether spectral vectors move.

        Returns:
          [N, width of the last block] float32, summed over the positions.
        """
        x = images
        for block, dtype in zip(self.blocks, self._dtypes, strict=True):
            due = recompute.is_due(self.recompute_from, x.shape[1])
            x = layout.run_block(block, x, dtype, training=training, recomputed=due)
            taps.record(x)
        return tf.reduce_sum(tf.cast(tf.nn.relu(x), tf.float32), axis=[1, 2])

    def call(self, images, labels=None, training=False):
        """See `base.Discriminator.call`: images [N, R, R, C] to logits [N]."""
        features = self.features(images, training=training)
        return layout.project(self, features, labels, training)
