"""A generator's image as a function of one code per layer.

StyleGAN2: the style vectors, [N, num_ws, w_dim]. BigGAN: the pieces of the latent that
its first layer and its blocks take, [N, pieces, z_dim / pieces]; one piece without
`hierarchical`. Truncation is applied on the way from z to codes where it acts on
styles.
"""

import functools

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.networks import base, biggan, stylegan2


@functools.singledispatch
def encode(network: base.Generator, z, labels=None) -> tf.Tensor:
    """Returns the codes of latents.

    Args:
      network: the generator.
      z: [N, z_dim] float32.
      labels: [N] int or [N, num_classes] float; None when num_classes = 0.

    Returns:
      [N, L, D], see `count`.
    """
    del labels
    z = tf.convert_to_tensor(z)
    return tf.reshape(z, [-1, _pieces(network), z.shape[1] // _pieces(network)])


@functools.singledispatch
def decode(network: base.Generator, codes, labels=None) -> tf.Tensor:
    """Returns the images of codes, in inference mode.

    Args:
      network: the generator.
      codes: [N, L, D] float32, see `count`.
      labels: [N] int or [N, num_classes] float; None when num_classes = 0.

    Returns:
      [N, resolution, resolution, num_channels] float32.
    """
    z = tf.reshape(codes, [-1, codes.shape[1] * codes.shape[2]])
    return network(z, labels, training=False)


@functools.singledispatch
def directions_of(network: base.Generator) -> list[list[np.ndarray]]:
    """Returns, for each code, the matrices [D, outputs] that it is multiplied with.

    Raises:
      ValueError: a network whose first maps are not described here.
    """
    raise ValueError(
        f"the maps behind the codes of a {type(network).__name__} are not described: "
        "StyleGAN2 and BigGAN have directions here"
    )


def count(network: base.Generator) -> tuple[int, int]:
    """Returns (L, D): how many codes an image has, and their length."""
    if isinstance(network, stylegan2.StyleGAN2Generator):
        return network.num_ws, network.w_dim
    pieces = _pieces(network)
    return pieces, network.z_dim // pieces


def _pieces(network) -> int:
    return getattr(network, "z_pieces", 1)


@encode.register
def _(network: stylegan2.StyleGAN2Generator, z, labels=None) -> tf.Tensor:
    return network.map(z, labels)


@decode.register
def _(network: stylegan2.StyleGAN2Generator, codes, labels=None) -> tf.Tensor:
    del labels  # inside the styles
    return network.synthesize(codes, noise="const")


@directions_of.register
def _(network: stylegan2.StyleGAN2Generator) -> list[list[np.ndarray]]:
    found: list[list] = [[] for _ in range(network.num_ws)]
    for index, block in enumerate(network.blocks.values()):
        first = max(2 * index - 1, 0)
        for offset, conv in enumerate(c for c in (block.conv0, block.conv1) if c):
            found[first + offset].append(conv.affine.kernel.numpy())
        if block.to_rgb is not None:
            found[2 * index + 1].append(block.to_rgb.affine.kernel.numpy())
    return found


@directions_of.register
def _(network: biggan.BigGANGenerator) -> list[list[np.ndarray]]:
    pieces, length = count(network)
    found: list[list] = [[] for _ in range(pieces)]
    found[0].append(_normalised(network.linear))
    for index, block in enumerate(network.blocks if pieces > 1 else ()):
        for norm in (block.norm1, block.norm2):
            for layer in (norm.gain, norm.bias):
                found[index + 1].append(_normalised(layer)[-length:])
    return found


def _normalised(layer) -> np.ndarray:
    return layer.kernel.numpy() / float(layer.sigma(training=False))
