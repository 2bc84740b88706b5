"""Mappings of layers under torch.nn.utils.spectral_norm: weight_orig, _u, _v."""

import numpy as np

from dglgan_tf.containers.errors import CheckpointError
from dglgan_tf.converters import mapping as m


def convolution(source, target, inputs: int, size: int, bias: bool = True) -> list:
    """Returns the mapping of a convolution of `inputs` channels, size 1 or 3."""
    theirs, ours = (inputs, size, size), (size, size, inputs)
    order = m.Transform(
        lambda a: _as(a, theirs).transpose(1, 2, 0).reshape(-1),
        lambda a: _as(a, ours).transpose(2, 0, 1).reshape(-1),
    )
    return spectral(source, target, m.OIHW, right=order, bias=bias)


def spectral(
    source, target, kernel, left=m.IDENTITY, right=m.IDENTITY, bias: bool = True
) -> list:
    """Returns the mapping of any such layer.

    Args:
      source: the layer's name in the file.
      target: its attribute path here.
      kernel: transform of the raw weight.
      left: transform of the outputs' vector (and of the bias).
      right: transform of the inputs' vector.
      bias: whether the layer has one.
    """
    entries = [m.Entry(f"{source}.bias", f"{target}/bias", left)] if bias else []
    return entries + [
        m.Entry(f"{source}.weight_orig", f"{target}/kernel", kernel),
        m.Entry(f"{source}.weight_u", f"{target}/u", left),
        m.Entry(f"{source}.weight_v", f"{target}/v", right),
    ]


def shape(arrays: dict, name: str, rank: int) -> tuple:
    """Returns the shape of a named array.

    Raises:
      CheckpointError: no such array, or one of another rank.
    """
    if name not in arrays or arrays[name].ndim != rank:
        raise CheckpointError(f"no array {name} of rank {rank}")
    return arrays[name].shape


def _as(array, expected):
    if array.size != np.prod(expected):
        raise CheckpointError(f"{array.size} elements instead of {np.prod(expected)}")
    return array.reshape(expected)
