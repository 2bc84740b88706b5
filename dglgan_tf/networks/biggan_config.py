"""The options of the BigGAN networks: meaning, ranges, checks, and what follows."""

import dataclasses
from collections.abc import Sequence

from dglgan_tf.layers import precision, recompute
from dglgan_tf.networks import biggan_layout as layout


@dataclasses.dataclass(frozen=True)
class BigGANGeneratorConfig:
    """Options of `BigGANGenerator`.

    Attributes:
      resolution: height and width of the images: 32, 64, 128, 256 or 512.
      num_channels: image channels.
      num_classes: number of classes; 0 = unconditional.
      ch: channel multiplier, a whole number >= 1.
      z_dim: length of latents; hierarchical rounds it down to a multiple of the
        number of blocks plus one.
      hierarchical: each block gets its own piece of the latent.
      shared_embedding: one embedding of the class serves all blocks, through linear
        maps; else each normalisation has a gain and a bias for each class.
      shared_dim: length of the shared embedding.
      attention: resolutions after whose block self-attention follows.
      bn_eps: added to the variance in the blocks.
      output_bn_eps: the same in the last normalisation (1e-5 in official files).
      bn_momentum: weight of a batch in the running moments, 0 to 1.
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
        `reduced_resolutions` largest sizes in that type (`layers.precision`);
        'float32' reduces nothing.
      reduced_resolutions: how many sizes that are, >= 0.
      recompute_from: smallest resolution whose blocks are computed again in the
        backward pass, to save memory (`layers.recompute`); None = none.

    Raises:
      ValueError: an option out of its range, or two that contradict each other.
    """

    resolution: int = 128
    num_channels: int = 3
    num_classes: int = 1000
    ch: int = 96
    z_dim: int = 120
    hierarchical: bool = True
    shared_embedding: bool = True
    shared_dim: int = 128
    attention: Sequence = ()
    bn_eps: float = 1e-5
    output_bn_eps: float = 1e-5
    bn_momentum: float = 0.1
    bn_statistics: str = "local"
    bn_unbiased: bool = True
    sn_eps: float = 1e-6
    stored_vectors: bool = False
    init: str = "orthogonal"
    channels: Sequence | None = None
    hidden_channels: Sequence | None = None
    reduced_dtype: str = "float32"
    reduced_resolutions: int = 2
    recompute_from: int | None = None

    def __post_init__(self):
        object.__setattr__(self, "attention", list(self.attention))
        layout.check_attention(self.attention, self.sizes, self.resolution)
        if self.hierarchical and self.num_classes and not self.shared_embedding:
            raise ValueError(
                "hierarchical=True needs shared_embedding=True: with an embedding in "
                f"each normalisation (num_classes={self.num_classes}) a block has no "
                "input for its piece of the latent"
            )
        rounded = self.z_dim // self.z_pieces * self.z_pieces
        if not rounded:
            raise ValueError(f"z_dim={self.z_dim} must be at least {self.z_pieces}")
        object.__setattr__(self, "z_dim", rounded)
        recompute.check(self.recompute_from)
        precision.check(self.reduced_dtype, self.reduced_resolutions)

    @property
    def widths(self) -> list[int]:
        """Channels of the 4x4 image, then of each block's output."""
        table = layout.widths(
            "generator", layout.GENERATOR_WIDTHS, self.resolution, self.ch
        )
        return layout.override("channels", self.channels, table)

    @property
    def hidden_widths(self) -> list[int]:
        """Channels between the two convolutions of each block."""
        outputs = self.widths[1:]
        return layout.override("hidden_channels", self.hidden_channels, outputs)

    @property
    def sizes(self) -> list[int]:
        """The resolution that each block puts out."""
        return [8 << index for index in range(len(self.hidden_widths))]

    @property
    def z_pieces(self) -> int:
        """Pieces that a latent is cut into: the first layer's, then each block's."""
        return len(self.hidden_widths) + 1 if self.hierarchical else 1

    @property
    def block_dtypes(self) -> list[str]:
        """The type that each block computes in."""
        found = precision.dtypes(
            self.sizes, self.reduced_dtype, self.reduced_resolutions
        )
        return list(found.values())

    @property
    def spectral(self) -> dict:
        """Arguments of the spectrally normalised layers."""
        return {"init": self.init, "eps": self.sn_eps, "stored": self.stored_vectors}


@dataclasses.dataclass(frozen=True)
class BigGANDiscriminatorConfig:
    """Options of `BigGANDiscriminator`.

    Attributes:
      resolution: height and width of the images: 32, 64, 128 or 256.
      num_channels: image channels.
      num_classes: number of classes; 0 = no projection.
      ch: channel multiplier, a whole number >= 1.
      wide: width between the convolutions of a block as of its output, else as of
        its input.
      attention: resolutions; self-attention follows the first block that puts out
        this resolution.
      attention_blocks: indices of the blocks that self-attention follows, in place
        of `attention` (official 32 px networks with attention '16' have it after
        all four).
      sn_eps, stored_vectors, init: as in the generator.
      channels: widths of the blocks' outputs in place of multiples of ch.
      hidden_channels: widths between the convolutions, in place of `wide`.
      reduced_dtype, reduced_resolutions, recompute_from: as in the generator; its
        first blocks.

    Raises:
      ValueError: an option out of its range.
    """

    resolution: int = 128
    num_channels: int = 3
    num_classes: int = 1000
    ch: int = 96
    wide: bool = True
    attention: Sequence = ()
    attention_blocks: Sequence | None = None
    sn_eps: float = 1e-6
    stored_vectors: bool = False
    init: str = "orthogonal"
    channels: Sequence | None = None
    hidden_channels: Sequence | None = None
    reduced_dtype: str = "float32"
    reduced_resolutions: int = 2
    recompute_from: int | None = None

    def __post_init__(self):
        object.__setattr__(self, "attention", list(self.attention))
        self.blocks  # noqa: B018 - checks the widths and where attention is
        recompute.check(self.recompute_from)
        precision.check(self.reduced_dtype, self.reduced_resolutions)

    @property
    def blocks(self) -> list[layout.BlockLayout]:
        """What each block is made of."""
        return layout.discriminator_blocks(
            self.resolution,
            self.num_channels,
            self.ch,
            self.wide,
            self.attention,
            self.attention_blocks,
            self.channels,
            self.hidden_channels,
        )

    @property
    def block_dtypes(self) -> list[str]:
        """The type that each block computes in; the first sees the largest images."""
        order = [-index for index in range(len(self.blocks))]
        found = precision.dtypes(order, self.reduced_dtype, self.reduced_resolutions)
        return [found[index] for index in order]

    @property
    def spectral(self) -> dict:
        """Arguments of the spectrally normalised layers."""
        return {"init": self.init, "eps": self.sn_eps, "stored": self.stored_vectors}
