"""BigGAN-deep generator and discriminator (Brock et al. 2019, appendix B, figure 16).

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
from dglgan_tf.networks import base
from dglgan_tf.networks import biggan_layout as layout
from dglgan_tf.ops import fold

GENERATOR_WIDTHS = layout.GENERATOR_WIDTHS  # of the 4x4 image, then of each stage
# Of the first convolution, then of each stage's output, in multiples of ch.
DISCRIMINATOR_WIDTHS = {
    32: (4, 4, 4, 4),
    64: (1, 2, 4, 8, 16),
    128: (1, 2, 4, 8, 16, 16),
    256: (1, 2, 4, 8, 8, 16, 16),
}


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


@gin.configurable
class BigGANDeepGenerator(base.Generator):
    """Class-conditional generator of bottleneck blocks.

    Args:
      resolution: 32, 64, 128, 256 or 512.
      num_channels: image channels.
      num_classes: number of classes; 0 = unconditional.
      ch: channel multiplier.
      z_dim: length of latents.
      shared_dim: length of the class embedding.
      depth: blocks in each stage; the last one changes width and upsamples.
      channel_ratio: a bottleneck has its block's input width over this.
      attention: resolutions; self-attention follows the block that upsamples to it.
      bn_eps: added to the variance in the blocks.
      output_bn_eps: the same in the last normalisation.
      bn_momentum: weight of a batch in the running moments.
      bn_statistics: 'local' or 'sync' (over replicas, without jit).
      bn_unbiased: whether running variances are unbiased estimates.
      n_stats: truncations that moments are stored for; 0 = running moments. With
        stored ones the network is for inference.
      sn_eps: lower bound of lengths in the power step.
      stored_vectors: whether inference takes both singular vectors as stored.
      init: 'orthogonal', 'N02' or 'xavier'.
      plan: blocks in place of `depth` and multiples of `ch`:
        [[upsample, inputs, outputs], ...].
      output_channels: channels of the output convolution, the images being the
        first ones; None = the images' only.
    """

    def __init__(
        self,
        resolution: int = 128,
        num_channels: int = 3,
        num_classes: int = 1000,
        ch: int = 128,
        z_dim: int = 128,
        shared_dim: int = 128,
        depth: int = 2,
        channel_ratio: int = 4,
        attention=(),
        bn_eps: float = 1e-5,
        output_bn_eps: float = 1e-5,
        bn_momentum: float = 0.1,
        bn_statistics: str = "local",
        bn_unbiased: bool = True,
        n_stats: int = 0,
        sn_eps: float = 1e-6,
        stored_vectors: bool = False,
        init: str = "orthogonal",
        plan=None,
        output_channels: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.resolution, self.num_channels = resolution, num_channels
        self.num_classes, self.ch, self.z_dim = num_classes, ch, z_dim
        self.shared_dim, self.depth = shared_dim, depth
        self.channel_ratio = channel_ratio
        self.attention = list(attention)
        self.bn_eps, self.output_bn_eps = bn_eps, output_bn_eps
        self.bn_momentum, self.bn_statistics = bn_momentum, bn_statistics
        self.bn_unbiased, self.n_stats = bn_unbiased, n_stats
        self.sn_eps, self.stored_vectors, self.init = sn_eps, stored_vectors, init
        self.plan, self.output_channels = plan, output_channels

        blocks = plan or generator_plan(resolution, ch, depth)
        sizes = _generator_sizes(blocks, resolution)
        layout.check_attention(attention, sizes, resolution)
        self.condition_dim = z_dim + (shared_dim if num_classes else 0)
        self._make_layers(blocks, sizes)

    def _make_layers(self, blocks, sizes):
        self.spectral = {
            "init": self.init,
            "eps": self.sn_eps,
            "stored": self.stored_vectors,
        }
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
                _bottleneck(inputs, self.channel_ratio),
                up,
                self._make_norm,
                up and size in self.attention,
                self.spectral,
            )
            for (up, inputs, outputs), size in zip(blocks, sizes, strict=True)
        ]
        last = blocks[-1][2]
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
        """Returns what conditions all blocks: class embedding, then latent [N, D]."""
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


@gin.configurable
class BigGANDeepDiscriminator(base.Discriminator):
    """Projection discriminator of bottleneck blocks.

    Args:
      resolution: 32, 64, 128 or 256.
      num_channels: image channels.
      num_classes: number of classes; 0 = no projection.
      ch: channel multiplier.
      depth: blocks in each stage; the first one changes width and downsamples.
      channel_ratio: a bottleneck has its block's output width over this.
      attention: resolutions; self-attention follows the first stage that puts it out.
      sn_eps: lower bound of lengths in the power step.
      init: 'orthogonal', 'N02' or 'xavier'.
      plan: blocks in place of `depth` and multiples of `ch`:
        [[downsample, inputs, outputs], ...].
    """

    def __init__(
        self,
        resolution: int = 128,
        num_channels: int = 3,
        num_classes: int = 1000,
        ch: int = 128,
        depth: int = 2,
        channel_ratio: int = 4,
        attention=(),
        sn_eps: float = 1e-6,
        init: str = "orthogonal",
        plan=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.resolution, self.num_channels = resolution, num_channels
        self.num_classes, self.ch, self.depth = num_classes, ch, depth
        self.channel_ratio, self.attention = channel_ratio, list(attention)
        self.sn_eps, self.init, self.plan = sn_eps, init, plan

        blocks = plan or discriminator_plan(resolution, ch, depth)
        sizes = [
            resolution >> sum(bool(down) for down, *_ in blocks[: i + 1])
            for i in range(len(blocks))
        ]
        layout.check_attention(attention, sizes, resolution)
        # After the last block of the first stage with that resolution.
        attended = [
            sizes.index(size) + (0 if plan else depth - 1) for size in attention
        ]
        spectral = {"init": init, "eps": sn_eps}
        self.input_conv = spectral_norm.SpectralConv2D(
            num_channels, blocks[0][1], 3, **spectral
        )
        self.blocks = [
            DeepDiscriminatorBlock(
                inputs,
                outputs,
                _bottleneck(outputs, channel_ratio),
                down,
                i in attended,
                spectral,
            )
            for i, (down, inputs, outputs) in enumerate(blocks)
        ]
        last = blocks[-1][2]
        self.linear = spectral_norm.SpectralDense(last, 1, **spectral)
        self.embedding = None
        if num_classes:
            self.embedding = spectral_norm.SpectralEmbedding(
                num_classes, last, **spectral
            )

    def features(self, images, training=False):
        """Returns the summed features of images: [N, width of the last block]."""
        x = self.input_conv(images, training=training)
        for block in self.blocks:
            x = block(x, training=training)
            taps.record(x)
        return tf.reduce_sum(tf.cast(tf.nn.relu(x), tf.float32), axis=[1, 2])

    def call(self, images, labels=None, training=False):
        """See `base.Discriminator.call`."""
        features = self.features(images, training=training)
        return layout.project(self, features, labels, training)


def generator_plan(resolution: int, ch: int, depth: int) -> list[list]:
    """Returns [[upsample, inputs, outputs], ...] of the standard generator."""
    widths = layout.widths("generator", GENERATOR_WIDTHS, resolution, ch)
    plan = []
    for inputs, outputs in zip(widths[:-1], widths[1:], strict=True):
        plan += [[False, inputs, inputs]] * (depth - 1) + [[True, inputs, outputs]]
    return plan


def discriminator_plan(resolution: int, ch: int, depth: int) -> list[list]:
    """Returns [[downsample, inputs, outputs], ...] of the standard discriminator."""
    widths = layout.widths("discriminator", DISCRIMINATOR_WIDTHS, resolution, ch)
    plan = []
    for i, (inputs, outputs) in enumerate(zip(widths[:-1], widths[1:], strict=True)):
        down = i < 2 if resolution == 32 else True
        plan += [[down, inputs, outputs]] + [[False, outputs, outputs]] * (depth - 1)
    return plan


def _generator_sizes(plan, resolution):
    """Returns each block's output resolution."""
    sizes = [4 << sum(bool(up) for up, *_ in plan[: i + 1]) for i in range(len(plan))]
    if sizes[-1] != resolution:
        raise ValueError(
            f"plan={plan} upsamples to {sizes[-1]}, not to resolution={resolution}"
        )
    return sizes


def _bottleneck(width, ratio):
    if width < ratio:
        raise ValueError(
            f"a block of {width} channels over channel_ratio={ratio} leaves none: "
            "raise ch or lower channel_ratio"
        )
    return width // ratio
