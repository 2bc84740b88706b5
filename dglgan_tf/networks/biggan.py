"""BigGAN generator and, re-exported, discriminator.

Paper: Brock et al. 2019, appendix B, figure 15.

Widths are multiples of `ch` as in the authors' PyTorch release (BigGAN-PyTorch); the
generator makes 32 to 512 px, the discriminator takes 32 to 256 px.

Parameters, ImageNet at 128 px, 1000 classes, attention at 64, G and D:
ch 96: 70,433,988 and 87,982,370; 64: 31.98 M, 39.45 M; 48: 18.38 M, 22.38 M;
32: 8.54 M, 10.12 M; 24: 5.03 M, 5.79 M.

Deviations from the release, none of which changes a result beyond rounding:
* 3x3 convolutions are folded with the resampling beside them (`ops.fold`), 1x1
  shortcuts run at the lower resolution;
* class embeddings are products with one-hot labels, so their gradients are dense;
* inference can run with every singular value computed once
  (`layers.spectral_norm.freeze_spectral_norm`).
"""

import gin

from dglgan_tf.compat import keras, tf
from dglgan_tf.layers import attention as attention_layers
from dglgan_tf.layers import (
    conditional_norm,
    precision,
    recompute,
    spectral_norm,
    taps,
)
from dglgan_tf.networks import (
    base,
    biggan_config,
    biggan_discriminator,
    configuration,
)
from dglgan_tf.networks import biggan_layout as layout
from dglgan_tf.ops import fold

BigGANDiscriminator = biggan_discriminator.BigGANDiscriminator


class GeneratorBlock(keras.layers.Layer):
    """Residual block that doubles the resolution; attention may follow.

    Args:
      widths: channels of input, between the two convolutions, and of the output.
      make_norm: channels -> conditional normalisation layer.
      with_attention: whether self-attention follows.
      spectral: arguments of the spectrally normalised layers.
    """

    def __init__(self, widths, make_norm, with_attention, spectral, **kwargs):
        super().__init__(**kwargs)
        inputs, hidden, outputs = widths
        conv = spectral_norm.SpectralConv2D
        self.norm1 = make_norm(inputs)
        up = fold.upsample_convolve
        self.conv1 = conv(inputs, hidden, 3, convolve=up, **spectral)
        self.norm2 = make_norm(hidden)
        self.conv2 = conv(hidden, outputs, 3, **spectral)
        self.shortcut = conv(inputs, outputs, 1, convolve=up, **spectral)
        self.attention = None
        if with_attention:
            self.attention = attention_layers.SelfAttention(outputs, **spectral)
        self.built = True

    def call(self, x, condition=None, training=False):
        """Maps [N, H, W, C] to [N, 2H, 2W, C'] for the condition [N, D]."""
        h = tf.nn.relu(self.norm1(x, condition, training=training))
        h = self.conv1(h, training=training)
        h = tf.nn.relu(self.norm2(h, condition, training=training))
        h = self.conv2(h, training=training)
        h += self.shortcut(x, training=training)
        return h if self.attention is None else self.attention(h, training=training)


@gin.configurable
@configuration.configured_by(biggan_config.BigGANGeneratorConfig)
class BigGANGenerator(base.Generator):
    """Class-conditional residual generator.

    Arguments, in Python and in gin, are the fields of `BigGANGeneratorConfig`; each is
    an attribute here.
    """

    def __init__(self, config: biggan_config.BigGANGeneratorConfig, **kwargs):
        super().__init__(**kwargs)
        self._set_options(config)
        self.z_pieces = config.z_pieces
        self.spectral = config.spectral
        self._dtypes = config.block_dtypes
        widths, hidden = config.widths, config.hidden_widths
        self.embedding = None
        if self.num_classes and self.shared_embedding:
            self.embedding = spectral_norm.Embedding(
                self.num_classes, self.shared_dim, self.init
            )
        self.linear = spectral_norm.SpectralDense(
            self.z_dim // self.z_pieces, 16 * widths[0], **self.spectral
        )
        self.blocks = [
            GeneratorBlock(w, self._make_norm, size in self.attention, self.spectral)
            for *w, size in zip(
                widths[:-1], hidden, widths[1:], config.sizes, strict=True
            )
        ]
        self.output_norm = conditional_norm.BatchNorm(
            widths[-1], self._moments(widths[-1], self.output_bn_eps)
        )
        self.output_conv = spectral_norm.SpectralConv2D(
            widths[-1], self.num_channels, 3, **self.spectral
        )
        if precision.is_reduced(self.reduced_dtype):
            precision.follow_inputs(self)

    @property
    def synchronized(self) -> bool:
        """Whether BatchNorm reduces over replicas."""
        return self.bn_statistics == "sync"

    def _moments(self, channels, eps):
        return conditional_norm.BatchStatistics(
            channels, eps, self.bn_momentum, self.bn_statistics, self.bn_unbiased
        )

    def _make_norm(self, channels):
        """Returns the normalisation of a block's `channels`."""
        moments = self._moments(channels, self.bn_eps)
        length = self.shared_dim if self.embedding is not None else 0
        length += self.z_dim // self.z_pieces if self.hierarchical else 0
        if length:
            return conditional_norm.linear(moments, length, channels, self.spectral)
        if self.num_classes:
            maps = [
                spectral_norm.Embedding(self.num_classes, channels, self.init)
                for _ in range(2)
            ]
            return conditional_norm.ConditionalBatchNorm(moments, *maps)
        return conditional_norm.BatchNorm(channels, moments)

    def conditions(self, z, labels=None):
        """Returns the linear layer's input and, for each block, its condition.

        Args:
          z: [N, z_dim] float32.
          labels: [N] int or [N, num_classes] float32; None when num_classes = 0.

        Returns:
          first: [N, z_dim / z_pieces].
          conditions: one for each block, [N, D] (class, then the block's piece of the
            latent), or None where there is neither.
        """
        pieces = tf.split(z, self.z_pieces, axis=1)
        parts = []
        if self.num_classes:
            onehot = self.onehot(layout.require_labels(labels, self))
            parts = [onehot if self.embedding is None else self.embedding(onehot)]
        conditions = []
        for i in range(len(self.blocks)):
            own = parts + pieces[i + 1 : i + 2]
            conditions.append(tf.concat(own, axis=1) if own else None)
        return pieces[0], conditions

    def call(self, z, labels=None, training=False, seed=None):
        """See `base.Generator.call`: z [N, z_dim] to images [N, R, R, C].

        Nothing is random inside, `seed` is not used.
        """
        del seed
        first, conditions = self.conditions(z, labels)
        x = self.linear(first, training=training)
        x = tf.reshape(x, [-1, 4, 4, x.shape[1] // 16])
        for block, condition, dtype in zip(
            self.blocks, conditions, self._dtypes, strict=True
        ):
            own = () if condition is None else (condition,)
            due = recompute.is_due(self.recompute_from, 2 * x.shape[1])
            x = layout.run_block(
                block, x, dtype, *own, training=training, recomputed=due
            )
            taps.record(x)
        x = tf.cast(x, tf.float32) if self._dtypes[-1] != "float32" else x
        x = tf.nn.relu(self.output_norm(x, training=training))
        x = self.output_conv(x, training=training)
        return tf.tanh(tf.cast(x, tf.float32))
