"""StyleGAN2 generator (and, re-exported, discriminator).

Paper: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR
2020; narrowing by `channels_fraction` as in DGL-GAN (Tian et al., arXiv 2112.06502).
Resolutions: powers of two from 4; 1 or 3 image channels.

Trainable parameters, unconditional, default widths (channel_base 32768, config F):

| resolution | fraction 1 | 2          | 4         | D, fraction 1 |
| ---------- | ---------- | ---------- | --------- | ------------- |
| 32         | 21,523,475 | 8,408,851  | 4,505,747 |               |
| 64         | 27,032,600 | 9,983,768  | 4,998,296 |               |
| 256        | 30,034,338 | 10,931,682 | 5,334,018 | 28,864,129    |
| 1024       | 30,370,060 | 11,064,988 | 5,392,036 | 29,012,513    |

Three official code bases are covered by arguments: the 2019 TensorFlow code
(label_method='concatenation' here and label_method='selection' in the discriminator),
stylegan2-ada-pytorch ('embedding', 'projection', conv_clamp, minibatch-std channels)
and rosinality's (widths by `channels`).

Deviations from the reference code: gains folded into scales (equal up to rounding);
noise drawn from a stateless seed; `w_avg` handed to `layers.updates`.
"""

import functools

import gin
import numpy as np

from dglgan_tf.compat import keras, tf
from dglgan_tf.layers import equalized, precision, recompute, taps, updates
from dglgan_tf.layers import noise as noise_layers
from dglgan_tf.networks import base, stylegan2_discriminator
from dglgan_tf.networks import stylegan2_blocks as blocks
from dglgan_tf.ops import philox, resample

StyleGAN2Discriminator = stylegan2_discriminator.StyleGAN2Discriminator

# Uses of a call's seed; out of the way of the small numbers that callers fold in.
_MIX, _COIN, _NOISE = 1000, 1001, 1002


@gin.configurable
class StyleGAN2Generator(base.Generator):
    """Mapping network and synthesis network.

    Args:
      resolution: of the images, a power of two.
      num_channels: image channels, 1 or 3.
      num_classes: 0 = unconditional.
      z_dim, w_dim: lengths of a latent and of a style vector.
      mapping_layers: dense layers of the mapping network.
      mapping_width: of its hidden layers; None = w_dim.
      mapping_lr_multiplier: its learning-rate factor.
      channel_base, channel_max: width at R is min(channel_base // R, channel_max).
      channels_fraction: integer divisor of every convolution's width; the 4x4
        constant and the mapping network stay whole.
      channels: explicit widths at 4, 8, ..., resolution (list or {R: width}); they
        replace the three above.
      const_channels: width of the 4x4 constant; None = the unfractioned rule, or
        channels[0] where `channels` is given.
      architecture: 'skip', 'resnet' or 'orig'.
      resample_filter: taps of the FIR filter, [k] or [k, k].
      conv_clamp: bound of the activations; None = none.
      label_method: 'embedding' or 'concatenation' (see `Mapping`).
      embed_width: width of the label embedding; None = w_dim.
      style_mixing_prob: probability that a training batch mixes two styles.
      w_avg_decay: decay of the running mean of w.
      w_avg_known: False where the weights came without that mean.
      reduced_dtype: 'bfloat16' or 'float16' computes the blocks of the
        `reduced_resolutions` largest sizes in that type (`layers.precision`);
        'float32' reduces nothing.
      recompute_from: smallest resolution whose blocks are computed again in the
        backward pass, to save memory (`layers.recompute`); None = none.
    """

    def __init__(
        self,
        resolution: int,
        num_channels: int = 3,
        num_classes: int = 0,
        z_dim: int = 512,
        w_dim: int = 512,
        mapping_layers: int = 8,
        mapping_width: int | None = None,
        mapping_lr_multiplier: float = 0.01,
        channel_base: int = 32768,
        channel_max: int = 512,
        channels_fraction: int = 1,
        channels=None,
        const_channels: int | None = None,
        architecture: str = "skip",
        resample_filter=(1, 3, 3, 1),
        conv_clamp: float | None = None,
        label_method: str = "embedding",
        embed_width: int | None = None,
        style_mixing_prob: float = 0.9,
        w_avg_decay: float = 0.995,
        w_avg_known: bool = True,
        reduced_dtype: str = "float32",
        reduced_resolutions: int = 4,
        recompute_from: int | None = None,
        name: str | None = None,
    ):
        super().__init__(name=name)
        blocks.check_choice("architecture", architecture, blocks.ARCHITECTURES)
        blocks.check_choice(
            "label_method", label_method, ("embedding", "concatenation")
        )
        blocks.check_choice("num_channels", num_channels, (1, 3))
        blocks.check_sizes(
            z_dim=z_dim,
            w_dim=w_dim,
            mapping_layers=mapping_layers,
            mapping_width=mapping_width,
            embed_width=embed_width,
            const_channels=const_channels,
        )
        self.resolution = resolution
        self.num_channels, self.num_classes = num_channels, num_classes
        self.z_dim, self.w_dim = z_dim, w_dim
        self.mapping_layers, self.mapping_width = mapping_layers, mapping_width
        self.mapping_lr_multiplier = mapping_lr_multiplier
        self.channel_base, self.channel_max = channel_base, channel_max
        self.channels_fraction = channels_fraction
        self.channels = blocks.explicit_widths(resolution, channels)
        self.const_channels = const_channels
        self.architecture, self.resample_filter = architecture, resample_filter
        self.label_method, self.embed_width = label_method, embed_width
        self.style_mixing_prob, self.w_avg_decay = style_mixing_prob, w_avg_decay
        self.w_avg_known, self.conv_clamp = w_avg_known, conv_clamp
        self.reduced_dtype = reduced_dtype
        self.reduced_resolutions = reduced_resolutions
        self.recompute_from = recompute.check(recompute_from)
        self._build_layers()
        self.built = True

    def _build_layers(self):
        sides = blocks.resolutions(self.resolution)
        widths = blocks.block_widths(
            self.resolution,
            self.channel_base,
            self.channel_max,
            self.channels_fraction,
            self.channels,
        )
        self._fir = resample.setup_filter(self.resample_filter)
        self.num_ws = 2 * len(sides)
        self.mapping = blocks.Mapping(
            self.z_dim,
            self.num_classes,
            self.w_dim,
            self.mapping_layers,
            self.mapping_width or self.w_dim,
            self.embed_width or self.w_dim,
            self.mapping_lr_multiplier,
            self.label_method,
        )
        self.w_avg = self.add_weight(
            "w_avg",
            (self.w_dim,),
            initializer="zeros",
            trainable=False,
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )
        const_width = self.const_channels or (
            widths[0]
            if self.channels is not None
            else blocks.width_at(4, self.channel_base, self.channel_max)
        )
        self.constant = self.add_weight(
            "constant",
            (4, 4, const_width),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
        )
        self._dtypes = precision.dtypes(
            sides, self.reduced_dtype, self.reduced_resolutions
        )
        self.blocks = {}
        for side, before, width in zip(
            sides, [const_width, *widths[:-1]], widths, strict=True
        ):
            rgb = self.architecture == "skip" or side == self.resolution
            self.blocks[str(side)] = blocks.SynthesisBlock(
                before,
                width,
                self.w_dim,
                side,
                self.architecture == "resnet",
                self.num_channels if rgb else 0,
                self._fir,
                precision.clamp_at(self._dtypes[side], self.conv_clamp),
            )
        if precision.is_reduced(self.reduced_dtype):
            precision.follow_inputs(self)

    def call(self, z, labels=None, training=False, seed=None):
        """See `base.Generator`: constant noise and no truncation when not training."""
        if not training:
            return self.synthesize(self.map(z, labels))
        ws = self.map(z, labels, training=True, seed=seed)
        return self.synthesize(ws, noise="random", seed=seed)

    def call_frozen(self, z, labels=None, seed=None):
        """See `base.Generator`: styles mixed, random noise, no truncation."""
        with updates.collect():  # dropped: w_avg stays
            ws = self.training_ws(z, labels, seed)
        return self.synthesize(ws, noise="random", seed=seed)

    def map(self, z, labels=None, training=False, seed=None):
        """Maps latents to style vectors.

        Args:
          z: [N, z_dim] float32.
          labels: [N] int or [N, num_classes] float; None when num_classes = 0.
          training: True does what `training_ws` does, with `seed`.

        Returns:
          ws: [N, num_ws, w_dim], the same style vector for each layer unless training.
        """
        if training:
            return self.training_ws(z, labels, seed)
        return self._broadcast(self.mapping(*self._inputs(z, labels)))

    def training_ws(self, z, labels, seed):
        """Maps latents as training does: styles mixed, `w_avg` moved.

        One coin for the batch (probability `style_mixing_prob`), one layer from which
        on every sample takes a second style. `w_avg` sees the styles before mixing.

        Args:
          z, labels: as for `map`.
          seed: [2] int32.

        Returns:
          ws: [N, num_ws, w_dim].
        """
        if seed is None:
            raise ValueError(
                "training=True needs seed=[2] int32 for style mixing and noise"
            )
        z, onehot = self._inputs(z, labels)
        if not self.style_mixing_prob:
            w = self.mapping(z, onehot)
            self._move_w_avg(w)
            return self._broadcast(w)
        other = tf.cast(philox.normal(tf.shape(z), philox.fold(seed, _MIX)), z.dtype)
        both = self.mapping(
            tf.concat([z, other], axis=0),
            None if onehot is None else tf.tile(onehot, [2, 1]),
        )
        w, other = tf.split(both, 2, axis=0)
        self._move_w_avg(w)
        keep = tf.range(self.num_ws)[None, :, None] < self._crossover(seed)
        return tf.where(keep, w[:, None, :], other[:, None, :])

    def truncate(self, ws, truncation_psi, truncation_cutoff=None):
        """Pulls style vectors towards their mean.

        Args:
          ws: [N, num_ws, w_dim].
          truncation_psi: 1 keeps them, 0 gives the mean; float or scalar tensor.
          truncation_cutoff: how many layers, from the first; None = all.

        Returns:
          ws: [N, num_ws, w_dim].

        Raises:
          ValueError: the mean of w is unknown.
        """
        if isinstance(truncation_psi, (int, float)) and truncation_psi == 1:
            return tf.convert_to_tensor(ws)
        if not self.w_avg_known:
            raise ValueError(
                "these weights came without w_avg, the mean style vector that "
                "truncation needs: call estimate_w_avg() first, or use "
                "truncation_psi=1"
            )
        ws = tf.cast(tf.convert_to_tensor(ws), self.compute_dtype)
        mean = tf.cast(updates.current(self.w_avg), ws.dtype)
        truncated = mean + tf.cast(truncation_psi, ws.dtype) * (ws - mean)
        if truncation_cutoff is None:
            return truncated
        chosen = tf.range(self.num_ws)[None, :, None] < truncation_cutoff
        return tf.where(chosen, truncated, ws)

    def synthesize(self, ws, noise="const", seed=None):
        """Makes images from style vectors.

        Args:
          ws: [N, num_ws, w_dim].
          noise: 'const' (the stored maps), 'none', or 'random' (from `seed`).
          seed: [2] int32; outside of compiled functions None draws one.

        Returns:
          images: [N, resolution, resolution, num_channels], nominally [-1, 1].
        """
        return self.synthesize_with_features(ws, noise, seed)[0]

    def synthesize_with_features(self, ws, noise="const", seed=None):
        """Like `synthesize`; also the activations after each block.

        Returns:
          images, {resolution: [N, resolution, resolution, width]}.
        """
        if noise == "random" and seed is None and tf.executing_eagerly():
            seed = tf.random.uniform([2], maxval=2**31 - 1, dtype=tf.int32)
        noise_layers.check_mode(noise, seed)
        ws = tf.cast(tf.convert_to_tensor(ws), self.compute_dtype)
        batch = tf.shape(ws)[0] if ws.shape[0] is None else ws.shape[0]
        x = tf.tile(tf.cast(self.constant, ws.dtype)[None], [batch, 1, 1, 1])
        ws = tf.unstack(ws, num=self.num_ws, axis=1)
        images, features = None, {}
        for index, (side, block) in enumerate(self.blocks.items()):
            first = max(2 * index - 1, 0)
            uses = (None, None)
            if noise == "random":
                layer = _NOISE + 2 * index
                uses = philox.fold(seed, layer), philox.fold(seed, layer + 1)
            own = ws[first : 2 * index + 2]
            if self._dtypes[int(side)] != "float32":
                x = tf.cast(x, self._dtypes[int(side)])
            call = functools.partial(_call, block, noise, uses)
            due = recompute.is_due(self.recompute_from, int(side))
            x = recompute.run(call, x, *own) if due else call(x, *own)
            features[int(side)] = x
            taps.record(x)
            if images is not None:
                images = resample.upsample2(images, self._fir)
                equalized.enter_filter(self, images, self._fir)
            if block.to_rgb is not None:
                rgb = block.to_rgb(x, own[-1])
                images = rgb if images is None else images + rgb
        return images, features

    def estimate_w_avg(self, samples: int = 4096, seed: int = 0) -> None:
        """Sets `w_avg` to the mean of w over random latents (and classes); host."""
        random = np.random.RandomState(seed)
        z = random.randn(samples, self.z_dim).astype(np.float32)
        labels = None
        if self.num_classes:
            labels = random.randint(self.num_classes, size=samples).astype(np.int32)
        self.w_avg.assign(tf.reduce_mean(self.map(z, labels)[:, 0], axis=0))
        self.w_avg_known = True

    def _inputs(self, z, labels):
        z = tf.cast(tf.convert_to_tensor(z), self.compute_dtype)
        return z, blocks.require_labels(self, labels)

    def _broadcast(self, w):
        return tf.tile(w[:, None, :], [1, self.num_ws, 1])

    def _crossover(self, seed):
        """The first layer that takes the second style; num_ws = none does."""
        coin = philox.uniform((), philox.fold(seed, _COIN))
        share = coin / self.style_mixing_prob
        # Below 1 with the mixing probability, and then uniform: one draw is enough.
        layer = 1 + tf.cast(share * (self.num_ws - 1), tf.int32)
        return tf.minimum(layer, self.num_ws)

    def _move_w_avg(self, w):
        old = updates.current(self.w_avg)
        mean = tf.cast(tf.reduce_mean(w, axis=0), old.dtype)
        value = mean + self.w_avg_decay * (old - mean)
        updates.record(self.w_avg, value, average=True)


def _call(block, noise, seeds, x, *ws):
    return block(x, ws, noise_mode=noise, seeds=seeds)
