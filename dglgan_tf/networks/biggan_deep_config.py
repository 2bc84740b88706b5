"""The options of the BigGAN-deep networks and the blocks that follow from them."""

import dataclasses
import itertools
from collections.abc import Sequence

from dglgan_tf.networks import biggan_layout as layout


@dataclasses.dataclass(frozen=True)
class BigGANDeepGeneratorConfig:
    """Options of `BigGANDeepGenerator`.

    Attributes:
      resolution: height and width of the images: 32, 64, 128, 256 or 512.
      num_channels: image channels.
      num_classes: number of classes; 0 = unconditional.
      ch: channel multiplier, a whole number >= 1.
      z_dim: length of latents.
      shared_dim: length of the class embedding.
      depth: blocks in each stage; the last one changes width and upsamples.
      channel_ratio: a bottleneck has its block's input width over this.
      attention: resolutions; self-attention follows the block that upsamples to it.
      bn_eps: added to the variance in the blocks.
      output_bn_eps: the same in the last normalisation.
      bn_momentum: weight of a batch in the running moments, 0 to 1.
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

    Raises:
      ValueError: an option out of its range, or a plan of another resolution.
    """

    resolution: int = 128
    num_channels: int = 3
    num_classes: int = 1000
    ch: int = 128
    z_dim: int = 128
    shared_dim: int = 128
    depth: int = 2
    channel_ratio: int = 4
    attention: Sequence = ()
    bn_eps: float = 1e-5
    output_bn_eps: float = 1e-5
    bn_momentum: float = 0.1
    bn_statistics: str = "local"
    bn_unbiased: bool = True
    n_stats: int = 0
    sn_eps: float = 1e-6
    stored_vectors: bool = False
    init: str = "orthogonal"
    plan: Sequence | None = None
    output_channels: int | None = None

    def __post_init__(self):
        object.__setattr__(self, "attention", list(self.attention))
        sizes = self.sizes
        if sizes[-1] != self.resolution:
            raise ValueError(
                f"plan={str(self.plan)[:200]} upsamples to {sizes[-1]}, not to "
                f"resolution={self.resolution}"
            )
        layout.check_attention(self.attention, sizes, self.resolution)
        for _, inputs, _ in self.blocks:
            bottleneck(inputs, self.channel_ratio)

    @property
    def blocks(self) -> Sequence:
        """[[upsample, inputs, outputs], ...]."""
        return self.plan or generator_plan(self.resolution, self.ch, self.depth)

    @property
    def sizes(self) -> list[int]:
        """The resolution that each block puts out."""
        ups = itertools.accumulate(int(bool(up)) for up, *_ in self.blocks)
        return [4 << min(count, 60) for count in ups]

    @property
    def spectral(self) -> dict:
        """Arguments of the spectrally normalised layers."""
        return {"init": self.init, "eps": self.sn_eps, "stored": self.stored_vectors}


@dataclasses.dataclass(frozen=True)
class BigGANDeepDiscriminatorConfig:
    """Options of `BigGANDeepDiscriminator`.

    Attributes:
      resolution: height and width of the images: 32, 64, 128 or 256.
      num_channels: image channels.
      num_classes: number of classes; 0 = no projection.
      ch: channel multiplier, a whole number >= 1.
      depth: blocks in each stage; the first one changes width and downsamples.
      channel_ratio: a bottleneck has its block's output width over this.
      attention: resolutions; self-attention follows the first stage that puts it out.
      sn_eps: lower bound of lengths in the power step.
      init: 'orthogonal', 'N02' or 'xavier'.
      plan: blocks in place of `depth` and multiples of `ch`:
        [[downsample, inputs, outputs], ...].

    Raises:
      ValueError: an option out of its range.
    """

    resolution: int = 128
    num_channels: int = 3
    num_classes: int = 1000
    ch: int = 128
    depth: int = 2
    channel_ratio: int = 4
    attention: Sequence = ()
    sn_eps: float = 1e-6
    init: str = "orthogonal"
    plan: Sequence | None = None

    def __post_init__(self):
        object.__setattr__(self, "attention", list(self.attention))
        layout.check_attention(self.attention, self.sizes, self.resolution)
        for _, _, outputs in self.blocks:
            bottleneck(outputs, self.channel_ratio)

    @property
    def blocks(self) -> Sequence:
        """[[downsample, inputs, outputs], ...]."""
        return self.plan or discriminator_plan(self.resolution, self.ch, self.depth)

    @property
    def sizes(self) -> list[int]:
        """The resolution that each block puts out."""
        downs = itertools.accumulate(int(bool(down)) for down, *_ in self.blocks)
        return [self.resolution >> count for count in downs]

    @property
    def attended(self) -> list[int]:
        """Indices of the blocks that self-attention follows."""
        # After the last block of the first stage with that resolution.
        last = 0 if self.plan else self.depth - 1
        return [self.sizes.index(size) + last for size in self.attention]

    @property
    def spectral(self) -> dict:
        """Arguments of the spectrally normalised layers."""
        return {"init": self.init, "eps": self.sn_eps}


def generator_plan(resolution: int, ch: int, depth: int) -> list[list]:
    """Returns [[upsample, inputs, outputs], ...] of the standard generator."""
    widths = layout.widths("generator", layout.GENERATOR_WIDTHS, resolution, ch)
    plan = []
    for inputs, outputs in zip(widths[:-1], widths[1:], strict=True):
        plan += [[False, inputs, inputs]] * (depth - 1) + [[True, inputs, outputs]]
    return plan


def discriminator_plan(resolution: int, ch: int, depth: int) -> list[list]:
    """Returns [[downsample, inputs, outputs], ...] of the standard discriminator."""
    widths = layout.widths("discriminator", layout.DISCRIMINATOR_WIDTHS, resolution, ch)
    plan = []
    for i, (inputs, outputs) in enumerate(zip(widths[:-1], widths[1:], strict=True)):
        down = i < 2 if resolution == 32 else True
        plan += [[down, inputs, outputs]] + [[False, outputs, outputs]] * (depth - 1)
    return plan


def bottleneck(width: int, ratio: int) -> int:
    """Returns the channels of a bottleneck.

    Raises:
      ValueError: none would be left.
    """
    if width < ratio:
        raise ValueError(
            f"a block of {width} channels over channel_ratio={ratio} leaves none: "
            "raise ch or lower channel_ratio"
        )
    return width // ratio
