"""Published settings of a StyleGAN2 by `--cfg`, and those that `auto` computes."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Preset:
    """Settings of one `--cfg` for a StyleGAN2.

    Attributes:
      batch: images of a step, over all devices.
      kimg: length in thousands of images.
      group: samples of a minibatch-std group.
      channel_base: channels at 1x1 of the width rule.
      learning_rate: of both networks.
      gamma: weight of R1.
      ema_kimg: half-life of the average.
      ramp: bounds that half-life by this share of the images seen; None = not.
      mapping_layers: depth of the mapping network.
    """

    batch: int
    kimg: int
    group: int
    channel_base: int
    learning_rate: float
    gamma: float
    ema_kimg: float
    ramp: float | None
    mapping_layers: int


PUBLISHED = {
    "stylegan2": Preset(32, 25000, 4, 32768, 0.002, 10.0, 10, None, 8),
    "paper256": Preset(64, 25000, 8, 16384, 0.0025, 1.0, 20, None, 8),
    "paper512": Preset(64, 25000, 8, 32768, 0.0025, 0.5, 20, None, 8),
    "paper1024": Preset(32, 25000, 4, 32768, 0.002, 2.0, 10, None, 8),
    "cifar": Preset(64, 100000, 32, 32768, 0.0025, 0.01, 500, 0.05, 2),
}


def automatic(resolution: int, batch: int | None = None, devices: int = 1) -> Preset:
    """Returns the `auto` preset for a resolution, as stylegan2-ada-pytorch has it.

    One thing is not its own: below 256 px its widths stay those of 256 px, 19.9 million
    parameters of a generator for 32 px. Here the largest images have 64 channels, as at
    256 and 512 px, and twice as many with each halving, 512 at most.

    Args:
      resolution: of the images.
      batch: overrides its batch, on which gamma and the half-life depend.
      devices: replicas.
    """
    batch = batch or max(min(devices * min(4096 // resolution, 32), 64), devices)
    return Preset(
        batch=batch,
        kimg=25000,
        group=4,
        channel_base=min(64 * resolution, 32768),
        learning_rate=0.002 if resolution >= 1024 else 0.0025,
        gamma=0.0002 * resolution**2 / batch,
        ema_kimg=batch * 10 / 32,
        ramp=0.05,
        mapping_layers=2,
    )
