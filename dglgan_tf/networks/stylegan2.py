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
from dglgan_tf.networks import (
    base,
    configuration,
    style_mixing,
    stylegan2_config,
    stylegan2_discriminator,
)
from dglgan_tf.networks import stylegan2_blocks as blocks
from dglgan_tf.ops import philox, resample

StyleGAN2Discriminator = stylegan2_discriminator.StyleGAN2Discriminator

# What the noise of the first layer folds into a call's seed; see `style_mixing`.
_NOISE = 1002


@gin.configurable
@configuration.configured_by(stylegan2_config.StyleGAN2GeneratorConfig)
class StyleGAN2Generator(base.Generator):
    """Mapping network and synthesis network.

    Arguments, in Python and in gin, are the fields of `StyleGAN2GeneratorConfig`; each
    is an attribute here.

    Attributes:
      num_ws: style vectors that an image takes, two for each resolution.
      w_avg: [w_dim] running mean of the style vectors, not trained.
    """

    def __init__(
        self, config: stylegan2_config.StyleGAN2GeneratorConfig, name: str | None = None
    ):
        super().__init__(name=name)
        self._set_options(config)
        self._fir, self._dtypes = config.fir, config.block_dtypes
        self.num_ws = 2 * len(config.widths)
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
        self.constant = self.add_weight(
            "constant",
            (4, 4, config.constant_width),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
        )
        self.blocks = self._make_blocks([config.constant_width, *config.widths])
        if precision.is_reduced(self.reduced_dtype):
            precision.follow_inputs(self)
        self.built = True

    def _make_blocks(self, widths) -> dict[str, blocks.SynthesisBlock]:
        """Returns {resolution: block}; widths are the constant's, then the blocks'."""
        made = {}
        for side, before, width in zip(
            self._dtypes, widths[:-1], widths[1:], strict=True
        ):
            rgb = self.architecture == "skip" or side == self.resolution
            made[str(side)] = blocks.SynthesisBlock(
                before,
                width,
                self.w_dim,
                side,
                self.architecture == "resnet",
                self.num_channels if rgb else 0,
                self._fir,
                precision.clamp_at(self._dtypes[side], self.conv_clamp),
            )
        return made

    def call(self, z, labels=None, training=False, seed=None):
        """See `base.Generator.call`: z [N, z_dim] to images [N, R, R, C].

        Constant noise and no truncation when not training.
        """
        if not training:
            return self.synthesize(self.map(z, labels))
        ws = self.map(z, labels, training=True, seed=seed)
        return self.synthesize(ws, noise="random", seed=seed)

    def call_frozen(self, z, labels=None, seed=None):
        """See `base.Generator.call_frozen`: z [N, z_dim] to images [N, R, R, C].

        Styles are mixed, noise is random, nothing is truncated.
        """
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
        w = self.mapping(*self._inputs(z, labels))
        return style_mixing.repeat(w, self.num_ws)

    def training_ws(self, z, labels, seed):
        """Maps latents as training does: styles mixed, `w_avg` moved.

        See `style_mixing`; `w_avg` sees the styles before mixing.

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
        w, ws = style_mixing.mix(
            self.mapping, z, onehot, seed, self.style_mixing_prob, self.num_ws
        )
        self._move_w_avg(w)
        return ws

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
        """Like `synthesize`, and with its arguments; also gives the blocks' outputs.

        Returns:
          images: [N, resolution, resolution, num_channels].
          features: {side: [N, side, side, width]} for side = 4, 8, ..., resolution.
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
        """Sets `w_avg` [w_dim] to the mean of w over random latents and classes; host.

        Args:
          samples: latents to average over.
          seed: of latents and classes.
        """
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

    def _move_w_avg(self, w):
        old = updates.current(self.w_avg)
        mean = tf.cast(tf.reduce_mean(w, axis=0), old.dtype)
        value = mean + self.w_avg_decay * (old - mean)
        updates.record(self.w_avg, value, average=True)


def _call(block, noise, seeds, x, *ws):
    return block(x, ws, noise_mode=noise, seeds=seeds)
