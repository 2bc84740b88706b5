"""BigGAN-deep generator and, re-exported, discriminator.

Paper: Brock et al. 2019, appendix B, figure 16.

Bottleneck blocks of four convolutions, shortcuts without convolutions in the
generator; the whole latent and the class embedding condition every normalisation.
Generator 32 to 512 px, discriminator 32 to 256 px, or any plan of blocks given.

Two published forms differ in arguments:
* BigGAN-PyTorch: one power step for each call, running moments (`n_stats=0`);
* the converted DeepMind weights: stored singular vectors (`stored_vectors=True`),
  moments for 51 truncations (`n_stats=51`), eps 1e-4, an output convolution of `ch`
  channels of which three are used (`output_channels`).
Deviations, none beyond rounding: foldings and dense embedding gradients as in
`networks.biggan`; only the used channels of the output convolution are computed.
"""

import gin

from dglgan_tf.compat import keras, tf
from dglgan_tf.layers import attention as attention_layers
from dglgan_tf.layers import conditional_norm, spectral_norm, taps
from dglgan_tf.networks import (
    base,
    biggan_deep_config,
    biggan_deep_discriminator,
    configuration,
)
from dglgan_tf.networks import biggan_layout as layout
from dglgan_tf.ops import fold

BigGANDeepDiscriminator = biggan_deep_discriminator.BigGANDeepDiscriminator


class DeepGeneratorBlock(keras.layers.Layer):
    """Bottleneck block; may double the resolution and drop channels.

    Args:
      inputs, outputs: channels; not more outputs than inputs.
      hidden: channels of the bottleneck.
      up: whether the resolution doubles.
      make_norm: channels -> conditional normalisation layer.
      with_attention: whether self-attention follows.
      spectral: arguments of the spectrally normalised layers.
    """

    def __init__(
        self, inputs, outputs, hidden, up, make_norm, with_attention, spectral, **kwargs
    ):
        super().__init__(**kwargs)
        conv = spectral_norm.SpectralConv2D
        convolve = fold.upsample_convolve if up else fold.convolve
        self.outputs, self.up = outputs, up
        self.norms = [make_norm(width) for width in (inputs, hidden, hidden, hidden)]
        self.convs = [
            conv(inputs, hidden, 1, **spectral),
            conv(hidden, hidden, 3, convolve=convolve, **spectral),
            conv(hidden, hidden, 3, **spectral),
            conv(hidden, outputs, 1, **spectral),
        ]
        self.attention = None
        if with_attention:
            self.attention = attention_layers.SelfAttention(outputs, **spectral)
        self.built = True

    def call(self, x, condition, training=False, truncation=1.0):
        """Maps [N, H, W, C] to [N, H', W', C'] for the condition [N, D]."""
        h = x
        for norm, conv in zip(self.norms, self.convs, strict=True):
            h = norm(h, condition, training=training, truncation=truncation)
            h = conv(tf.nn.relu(h), training=training)
        shortcut = x[..., : self.outputs]
        h += fold.upsample(shortcut) if self.up else shortcut
        return h if self.attention is None else self.attention(h, training=training)


@gin.configurable
@configuration.configured_by(biggan_deep_config.BigGANDeepGeneratorConfig)
class BigGANDeepGenerator(base.Generator):
    """Class-conditional generator of bottleneck blocks.

    Arguments, in Python and in gin, are the fields of `BigGANDeepGeneratorConfig`; each
    is an attribute here.
    """

    def __init__(self, config: biggan_deep_config.BigGANDeepGeneratorConfig, **kwargs):
        super().__init__(**kwargs)
        self._set_options(config)
        self.condition_dim = self.z_dim + (self.shared_dim if self.num_classes else 0)
        self.spectral = config.spectral
        blocks, last = config.blocks, config.blocks[-1][2]
        self.embedding = None
        if self.num_classes:
            self.embedding = spectral_norm.Embedding(
                self.num_classes, self.shared_dim, self.init
            )
        self.linear = spectral_norm.SpectralDense(
            self.condition_dim, 16 * blocks[0][1], **self.spectral
        )
        self.blocks = [
            DeepGeneratorBlock(
                inputs,
                outputs,
                biggan_deep_config.bottleneck(inputs, self.channel_ratio),
                up,
                self._make_norm,
                up and size in self.attention,
                self.spectral,
            )
            for (up, inputs, outputs), size in zip(blocks, config.sizes, strict=True)
        ]
        self.output_norm = conditional_norm.BatchNorm(
            last, self._moments(last, self.output_bn_eps)
        )
        self.output_conv = spectral_norm.SpectralConv2D(
            last,
            self.output_channels or self.num_channels,
            3,
            used=self.num_channels,
            **self.spectral,
        )

    @property
    def synchronized(self) -> bool:
        """Whether BatchNorm reduces over replicas."""
        return self.bn_statistics == "sync"

    def _moments(self, channels, eps):
        if self.n_stats:
            return conditional_norm.TruncationStatistics(channels, self.n_stats, eps)
        return conditional_norm.BatchStatistics(
            channels, eps, self.bn_momentum, self.bn_statistics, self.bn_unbiased
        )

    def _make_norm(self, channels):
        moments = self._moments(channels, self.bn_eps)
        return conditional_norm.linear(
            moments, self.condition_dim, channels, self.spectral
        )

    def condition(self, z, labels=None):
        """Returns what conditions all blocks: class embedding, then latent.

        Args:
          z: [N, z_dim] float32.
          labels: [N] int or [N, num_classes] float32; None when num_classes = 0.

        Returns:
          [N, shared_dim + z_dim] float32, [N, z_dim] without classes.
        """
        if self.embedding is None:
            return z
        onehot = self.onehot(layout.require_labels(labels, self))
        return tf.concat([self.embedding(onehot), z], axis=1)

    def call(self, z, labels=None, training=False, seed=None, truncation=1.0):
        """See `base.Generator.call`; nothing is random inside, `seed` is not used.

        Args:
          z: [N, z_dim] float32.
          labels: [N] int or [N, num_classes] float32.
          training: whether the batch's moments normalise.
          seed: not used.
          truncation: which stored moments normalise (n_stats > 0), a number between 0
            and 1 or a [] tensor. The latents are truncated by the caller.

        Returns:
          images: [N, resolution, resolution, num_channels] float32 in [-1, 1].
        """
        del seed
        condition = self.condition(z, labels)
        x = self.linear(condition, training=training)
        x = tf.reshape(x, [-1, 4, 4, x.shape[1] // 16])
        for block in self.blocks:
            x = block(x, condition, training=training, truncation=truncation)
            taps.record(x)
        x = self.output_norm(x, training=training, truncation=truncation)
        x = self.output_conv(tf.nn.relu(x), training=training)
        return tf.tanh(tf.cast(x, tf.float32))
