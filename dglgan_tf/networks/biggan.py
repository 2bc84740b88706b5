"""BigGAN generator and discriminator (Brock et al. 2019, appendix B, figure 15).

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

import functools

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
from dglgan_tf.networks import base
from dglgan_tf.networks import biggan_layout as layout
from dglgan_tf.ops import fold


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


def _in_type(block, x, dtype, *arguments, training, recomputed):
    """Calls a block in its type; a reduced one is clamped."""
    if x.dtype != dtype:
        x = tf.cast(x, dtype)
    call = functools.partial(block, training=training)
    x = recompute.run(call, x, *arguments) if recomputed else call(x, *arguments)
    if not precision.is_reduced(dtype):
        return x
    return tf.clip_by_value(x, -precision.CLAMP, precision.CLAMP)


@gin.configurable
class BigGANGenerator(base.Generator):
    """Class-conditional residual generator.

    Args:
      resolution: 32, 64, 128, 256 or 512.
      num_channels: image channels.
      num_classes: number of classes; 0 = unconditional.
      ch: channel multiplier.
      z_dim: length of latents; hierarchical rounds it down to a multiple of the
        number of blocks plus one.
      hierarchical: each block gets its own piece of the latent.
      shared_embedding: one embedding of the class serves all blocks, through linear
        maps; else each normalisation has a gain and a bias for each class.
      shared_dim: length of the shared embedding.
      attention: resolutions after whose block self-attention follows.
      bn_eps: added to the variance in the blocks.
      output_bn_eps: the same in the last normalisation (1e-5 in official files).
      bn_momentum: weight of a batch in the running moments.
      bn_statistics: 'local' or 'sync' (over replicas, without jit).
      bn_unbiased: whether running variances are unbiased estimates.
      sn_eps: lower bound of lengths in the power step.
      stored_vectors: whether inference takes both singular vectors as stored (see
        `layers.spectral_norm`); networks trained with torch's spectral_norm need it.
      init: 'orthogonal', 'N02' or 'xavier'.
      channels: widths in place of multiples of ch: of the 4x4 image, then of each
        block's output.
      hidden_channels: widths between the convolutions of each block; None = as
        the output.
      reduced_dtype: 'bfloat16' or 'float16' computes the blocks of the
        `reduced_resolutions` largest sizes in that type (`layers.precision`).
      recompute_from: smallest resolution whose blocks are computed again in the
        backward pass, to save memory (`layers.recompute`); None = none.
    """

    def __init__(
        self,
        resolution: int = 128,
        num_channels: int = 3,
        num_classes: int = 1000,
        ch: int = 96,
        z_dim: int = 120,
        hierarchical: bool = True,
        shared_embedding: bool = True,
        shared_dim: int = 128,
        attention=(),
        bn_eps: float = 1e-5,
        output_bn_eps: float = 1e-5,
        bn_momentum: float = 0.1,
        bn_statistics: str = "local",
        bn_unbiased: bool = True,
        sn_eps: float = 1e-6,
        stored_vectors: bool = False,
        init: str = "orthogonal",
        channels=None,
        hidden_channels=None,
        reduced_dtype: str = "float32",
        reduced_resolutions: int = 2,
        recompute_from: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        table = layout.widths("generator", layout.GENERATOR_WIDTHS, resolution, ch)
        widths = layout.override("channels", channels, table)
        hidden = layout.override("hidden_channels", hidden_channels, widths[1:])
        sizes = [8 << i for i in range(len(hidden))]
        layout.check_attention(attention, sizes, resolution)
        if hierarchical and num_classes and not shared_embedding:
            raise ValueError(
                "hierarchical=True needs shared_embedding=True: with an embedding in "
                f"each normalisation (num_classes={num_classes}) a block has no input "
                "for its piece of the latent"
            )
        self.resolution, self.num_channels = resolution, num_channels
        self.num_classes, self.ch = num_classes, ch
        self.hierarchical, self.shared_embedding = hierarchical, shared_embedding
        self.shared_dim, self.attention = shared_dim, list(attention)
        self.bn_eps, self.output_bn_eps = bn_eps, output_bn_eps
        self.bn_momentum, self.bn_statistics = bn_momentum, bn_statistics
        self.bn_unbiased, self.sn_eps = bn_unbiased, sn_eps
        self.init, self.stored_vectors = init, stored_vectors
        self.channels, self.hidden_channels = channels, hidden_channels
        self.z_pieces = len(hidden) + 1 if hierarchical else 1
        self.z_dim = z_dim // self.z_pieces * self.z_pieces
        if not self.z_dim:
            raise ValueError(f"z_dim={z_dim} must be at least {self.z_pieces}")
        self.reduced_dtype = reduced_dtype
        self.reduced_resolutions = reduced_resolutions
        self.recompute_from = recompute.check(recompute_from)
        self._dtypes = list(
            precision.dtypes(sizes, reduced_dtype, reduced_resolutions).values()
        )
        self._make_layers(widths, hidden, sizes)
        if precision.is_reduced(reduced_dtype):
            precision.follow_inputs(self)

    def _make_layers(self, widths, hidden, sizes):
        self.spectral = {
            "init": self.init,
            "eps": self.sn_eps,
            "stored": self.stored_vectors,
        }
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
            for *w, size in zip(widths[:-1], hidden, widths[1:], sizes, strict=True)
        ]
        self.output_norm = conditional_norm.BatchNorm(
            widths[-1], self._moments(widths[-1], self.output_bn_eps)
        )
        self.output_conv = spectral_norm.SpectralConv2D(
            widths[-1], self.num_channels, 3, **self.spectral
        )

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
        """See `base.Generator.call`; nothing is random inside, `seed` is not used."""
        del seed
        first, conditions = self.conditions(z, labels)
        x = self.linear(first, training=training)
        x = tf.reshape(x, [-1, 4, 4, x.shape[1] // 16])
        for block, condition, dtype in zip(
            self.blocks, conditions, self._dtypes, strict=True
        ):
            own = () if condition is None else (condition,)
            due = recompute.is_due(self.recompute_from, 2 * x.shape[1])
            x = _in_type(block, x, dtype, *own, training=training, recomputed=due)
            taps.record(x)
        x = tf.cast(x, tf.float32) if self._dtypes[-1] != "float32" else x
        x = tf.nn.relu(self.output_norm(x, training=training))
        x = self.output_conv(x, training=training)
        return tf.tanh(tf.cast(x, tf.float32))


@gin.configurable
class BigGANDiscriminator(base.Discriminator):
    """Projection discriminator.

    Args:
      resolution: 32, 64, 128 or 256.
      num_channels: image channels.
      num_classes: number of classes; 0 = no projection.
      ch: channel multiplier.
      wide: width between the convolutions of a block as of its output, else as of
        its input.
      attention: resolutions; self-attention follows the first block that puts out
        this resolution.
      attention_blocks: indices of the blocks that self-attention follows, in place
        of `attention` (official 32 px networks with attention '16' have it after
        all four).
      sn_eps: lower bound of lengths in the power step.
      stored_vectors: whether inference takes both singular vectors as stored (see
        `layers.spectral_norm`); networks trained with torch's spectral_norm need it.
      init: 'orthogonal', 'N02' or 'xavier'.
      channels: widths of the blocks' outputs in place of multiples of ch.
      hidden_channels: widths between the convolutions, in place of `wide`.
      reduced_dtype, reduced_resolutions, recompute_from: as in the generator; its
        first blocks.
    """

    def __init__(
        self,
        resolution: int = 128,
        num_channels: int = 3,
        num_classes: int = 1000,
        ch: int = 96,
        wide: bool = True,
        attention=(),
        attention_blocks=None,
        sn_eps: float = 1e-6,
        stored_vectors: bool = False,
        init: str = "orthogonal",
        channels=None,
        hidden_channels=None,
        reduced_dtype: str = "float32",
        reduced_resolutions: int = 2,
        recompute_from: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        blocks = layout.discriminator_blocks(
            resolution,
            num_channels,
            ch,
            wide,
            attention,
            attention_blocks,
            channels,
            hidden_channels,
        )
        self.resolution, self.num_channels = resolution, num_channels
        self.num_classes, self.ch, self.wide = num_classes, ch, wide
        self.attention, self.attention_blocks = list(attention), attention_blocks
        self.sn_eps, self.stored_vectors, self.init = sn_eps, stored_vectors, init
        self.channels, self.hidden_channels = channels, hidden_channels

        spectral = {"init": init, "eps": sn_eps, "stored": stored_vectors}
        self.blocks = [DiscriminatorBlock(block, spectral) for block in blocks]
        self.reduced_dtype = reduced_dtype
        self.reduced_resolutions = reduced_resolutions
        self.recompute_from = recompute.check(recompute_from)
        order = range(len(blocks))  # the first block sees the largest images
        found = precision.dtypes(
            [-i for i in order], reduced_dtype, reduced_resolutions
        )
        self._dtypes = [found[-i] for i in order]
        outputs = blocks[-1].widths[-1]
        self.linear = spectral_norm.SpectralDense(outputs, 1, **spectral)
        self.embedding = None
        if num_classes:
            self.embedding = spectral_norm.SpectralEmbedding(
                num_classes, outputs, **spectral
            )
        if precision.is_reduced(reduced_dtype):
            precision.follow_inputs(self)

    def features(self, images, training=False):
        """Returns the summed features of images: [N, width of the last block]."""
        x = images
        for block, dtype in zip(self.blocks, self._dtypes, strict=True):
            due = recompute.is_due(self.recompute_from, x.shape[1])
            x = _in_type(block, x, dtype, training=training, recomputed=due)
            taps.record(x)
        return tf.reduce_sum(tf.cast(tf.nn.relu(x), tf.float32), axis=[1, 2])

    def call(self, images, labels=None, training=False):
        """See `base.Discriminator.call`."""
        features = self.features(images, training=training)
        return layout.project(self, features, labels, training)
