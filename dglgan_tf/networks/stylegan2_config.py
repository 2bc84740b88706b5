"""The options of the StyleGAN2 networks: meaning, ranges, checks, and what follows."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from dglgan_tf.layers import precision, recompute
from dglgan_tf.networks import stylegan2_blocks as blocks
from dglgan_tf.ops import resample


@dataclasses.dataclass(frozen=True)
class StyleGAN2GeneratorConfig:
    """Options of `StyleGAN2Generator`.

    Attributes:
      resolution: height and width of the images, a power of two, 4 or larger.
      num_channels: image channels, 1 or 3.
      num_classes: number of classes; 0 = unconditional.
      z_dim, w_dim: lengths of a latent and of a style vector.
      mapping_layers: dense layers of the mapping network, >= 1.
      mapping_width: width of its hidden layers; None = w_dim.
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
      label_method: 'embedding' or 'concatenation' (see `stylegan2_blocks.Mapping`).
      embed_width: width of the label embedding; None = w_dim.
      style_mixing_prob: probability that a training batch mixes two styles, 0 to 1.
      w_avg_decay: decay of the running mean of w, 0 to 1.
      w_avg_known: False where the weights came without that mean.
      reduced_dtype: 'bfloat16' or 'float16' computes the blocks of the
        `reduced_resolutions` largest sizes in that type (`layers.precision`);
        'float32' reduces nothing.
      reduced_resolutions: how many sizes that are, >= 0.
      recompute_from: smallest resolution whose blocks are computed again in the
        backward pass, to save memory (`layers.recompute`); None = none.

    Raises:
      ValueError: an option out of its range.
    """

    resolution: int
    num_channels: int = 3
    num_classes: int = 0
    z_dim: int = 512
    w_dim: int = 512
    mapping_layers: int = 8
    mapping_width: int | None = None
    mapping_lr_multiplier: float = 0.01
    channel_base: int = 32768
    channel_max: int = 512
    channels_fraction: int = 1
    channels: Sequence | Mapping | None = None
    const_channels: int | None = None
    architecture: str = "skip"
    resample_filter: Sequence = (1, 3, 3, 1)
    conv_clamp: float | None = None
    label_method: str = "embedding"
    embed_width: int | None = None
    style_mixing_prob: float = 0.9
    w_avg_decay: float = 0.995
    w_avg_known: bool = True
    reduced_dtype: str = "float32"
    reduced_resolutions: int = 4
    recompute_from: int | None = None

    def __post_init__(self):
        blocks.check_choice("architecture", self.architecture, blocks.ARCHITECTURES)
        methods = ("embedding", "concatenation")
        blocks.check_choice("label_method", self.label_method, methods)
        blocks.check_choice("num_channels", self.num_channels, (1, 3))
        blocks.check_sizes(
            z_dim=self.z_dim,
            w_dim=self.w_dim,
            mapping_layers=self.mapping_layers,
            mapping_width=self.mapping_width,
            embed_width=self.embed_width,
            const_channels=self.const_channels,
        )
        _check_shared(self)

    @property
    def widths(self) -> list[int]:
        """Channels at 4, 8, ..., resolution."""
        return _widths(self)

    @property
    def constant_width(self) -> int:
        """Channels of the 4x4 constant."""
        if self.const_channels:
            return self.const_channels
        if self.channels is not None:
            return self.channels[0]
        return blocks.width_at(4, self.channel_base, self.channel_max)

    @property
    def fir(self) -> np.ndarray:
        """The resampling filter, [k, k] float32 of unit sum."""
        return resample.setup_filter(self.resample_filter)

    @property
    def block_dtypes(self) -> dict[int, str]:
        """{resolution: the type that its block computes in}."""
        sides = blocks.resolutions(self.resolution)
        return precision.dtypes(sides, self.reduced_dtype, self.reduced_resolutions)


@dataclasses.dataclass(frozen=True)
class StyleGAN2DiscriminatorConfig:
    """Options of `StyleGAN2Discriminator`.

    Attributes:
      resolution, num_channels, num_classes: of the images, as in the generator.
      channel_base, channel_max, channels_fraction, channels: widths, as in the
        generator (here everything is narrowed).
      architecture: 'resnet', 'skip' or 'orig'.
      resample_filter: taps of the FIR filter, [k] or [k, k].
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

    Raises:
      ValueError: an option out of its range.
    """

    resolution: int
    num_channels: int = 3
    num_classes: int = 0
    channel_base: int = 32768
    channel_max: int = 512
    channels_fraction: int = 1
    channels: Sequence | Mapping | None = None
    architecture: str = "resnet"
    resample_filter: Sequence = (1, 3, 3, 1)
    conv_clamp: float | None = None
    mbstd_group_size: int | None = 4
    mbstd_num_channels: int = 1
    dense_width: int | None = None
    label_method: str = "projection"
    cmap_dim: int | None = None
    mapping_layers: int = 8
    mapping_width: int | None = None
    embed_width: int | None = None
    mapping_lr_multiplier: float = 0.01
    reduced_dtype: str = "float32"
    reduced_resolutions: int = 4
    recompute_from: int | None = None

    def __post_init__(self):
        blocks.check_choice("architecture", self.architecture, blocks.ARCHITECTURES)
        methods = ("projection", "selection")
        blocks.check_choice("label_method", self.label_method, methods)
        blocks.check_choice("num_channels", self.num_channels, (1, 3))
        blocks.check_sizes(
            mbstd_group_size=self.mbstd_group_size,
            dense_width=self.dense_width,
            cmap_dim=self.cmap_dim,
            mapping_layers=self.mapping_layers,
            mapping_width=self.mapping_width,
            embed_width=self.embed_width,
        )
        _check_shared(self)

    @property
    def widths(self) -> list[int]:
        """Channels at 4, 8, ..., resolution."""
        return _widths(self)

    @property
    def first_dense_width(self) -> int:
        """Outputs of the head's first dense layer."""
        if self.dense_width:
            return self.dense_width
        if self.channels is not None:
            return self.channels[0]
        rule = blocks.width_at(2, self.channel_base, self.channel_max)
        return rule // self.channels_fraction

    @property
    def mapped_label_length(self) -> int:
        """Length of the mapped label, the outputs of the head with 'projection'."""
        return self.cmap_dim or self.widths[0]

    @property
    def fir(self) -> np.ndarray:
        """The resampling filter, [k, k] float32 of unit sum."""
        return resample.setup_filter(self.resample_filter)

    @property
    def block_dtypes(self) -> dict[int, str]:
        """{resolution above 4: the type that its block computes in}."""
        sides = blocks.resolutions(self.resolution)[1:]
        return precision.dtypes(sides, self.reduced_dtype, self.reduced_resolutions)


def _check_shared(config) -> None:
    """Checks what both networks have; explicit widths become a list, 4x4 first."""
    channels = blocks.explicit_widths(config.resolution, config.channels)
    object.__setattr__(config, "channels", channels)
    recompute.check(config.recompute_from)
    _widths(config)
    resample.setup_filter(config.resample_filter)
    precision.check(config.reduced_dtype, config.reduced_resolutions)


def _widths(config) -> list[int]:
    return blocks.block_widths(
        config.resolution,
        config.channel_base,
        config.channel_max,
        config.channels_fraction,
        config.channels,
    )
