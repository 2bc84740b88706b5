"""Widths of generators: what they are, the least they may be, how to set others.

A generator's widths are the channels at 4, 8, ..., its resolution (StyleGAN2), or of
the 4x4 image and then of each block's output (BigGAN).
"""

import functools

from dglgan_tf.networks import base, biggan, biggan_layout, stylegan2, stylegan2_blocks


@functools.singledispatch
def widths(network: base.Generator) -> list[int]:
    """Returns a generator's widths, from the smallest image to the largest.

    Raises:
      ValueError: a network whose widths cannot be set one by one.
    """
    raise ValueError(
        f"the widths of a {type(network).__name__} cannot be set one by one: "
        "StyleGAN2 and BigGAN generators can be narrowed here"
    )


@functools.singledispatch
def least(network: base.Generator) -> list[int]:
    """Returns the smallest width that each place may have."""
    return [1] * len(widths(network))


@functools.singledispatch
def arguments(network: base.Generator, wanted) -> dict:
    """Returns the constructor arguments that give a generator these widths."""
    del network
    return {"channels": list(wanted)}


@widths.register
def _(network: stylegan2.StyleGAN2Generator) -> list[int]:
    return stylegan2_blocks.block_widths(
        network.resolution,
        network.channel_base,
        network.channel_max,
        network.channels_fraction,
        network.channels,
    )


@widths.register
def _(network: biggan.BigGANGenerator) -> list[int]:
    table = biggan_layout.widths(
        "generator", biggan_layout.GENERATOR_WIDTHS, network.resolution, network.ch
    )
    return biggan_layout.override("channels", network.channels, table)


@least.register
def _(network: biggan.BigGANGenerator) -> list[int]:
    sides = [None, *(8 << i for i in range(len(widths(network)) - 1))]
    return [8 if side in network.attention else 1 for side in sides]


@arguments.register
def _(network: stylegan2.StyleGAN2Generator, wanted) -> dict:
    del network
    return {"channels": list(wanted), "const_channels": None}


@arguments.register
def _(network: biggan.BigGANGenerator, wanted) -> dict:
    del network
    return {"channels": list(wanted), "hidden_channels": None}
