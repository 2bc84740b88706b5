"""Totals against published or independently computed numbers, and the graph itself."""

import numpy as np
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.cost import macs
from dglgan_tf.networks import stylegan2


def _unbuilt(network_class, **config):
    """A network whose weights exist in a graph only: no memory, no time."""
    with tf.Graph().as_default():
        return network_class(**config)


# resolution, fraction, G parameters, G GMACs (input, output), D parameters, D GMACs
STYLEGAN2 = [
    (1024, 1, 30_370_060, 74.27, 141.9, 29_012_513, 76.7),
    (1024, 2, 11_064_988, 18.63, 35.5, 7.256e6, 19.2),
    (1024, 3, 6.958e6, 8.01, 15.3, 3.200e6, 8.2),
    (1024, 4, 5_392_036, 4.69, 8.9, 1.815e6, 4.8),
    (1024, 8, 3.550e6, 1.19, 2.25, 0.455e6, 1.2),
    (256, 1, 30_034_338, 45.12, 83.7, 28.864e6, 46.5),
    (256, 2, 10_931_682, 11.30, 21.0, 7.219e6, 11.6),
    (256, 4, 5_334_018, 2.84, 5.25, 1.806e6, 2.9),
    (256, 8, 3.524e6, 0.72, 1.3, 0.452e6, 0.7),
]


def _close(value, printed):
    """Equal as far as the printed digits go; exact for large whole numbers."""
    if isinstance(printed, int):
        return value == printed
    digits = len(f"{printed:g}".replace(".", "").lstrip("0"))
    return float(f"{value:.{digits}g}") == pytest.approx(printed, rel=1e-9)


@pytest.mark.parametrize("row", STYLEGAN2, ids=lambda row: f"{row[0]}-{row[1]}")
def test_stylegan2_totals(row):
    resolution, fraction, g_parameters, g_input, g_output, d_parameters, d_macs = row
    config = {"resolution": resolution, "channels_fraction": fraction}
    g = macs.count(_unbuilt(stylegan2.StyleGAN2Generator, **config))
    assert _close(g.parameters, g_parameters)
    assert _close(g.macs / 1e9, g_input)
    assert _close(g.macs_output / 1e9, g_output)
    d = macs.count(_unbuilt(stylegan2.StyleGAN2Discriminator, **config))
    assert d.parameters == pytest.approx(d_parameters, rel=5e-4)
    assert d.macs / 1e9 == pytest.approx(d_macs, abs=0.051)


def _graph_macs(network) -> dict[str, int]:
    """Multiply-accumulates by operation type, read off the operations' shapes."""
    found: dict[str, int] = {}
    with tf.Graph().as_default() as graph:
        copy = type(network).from_config(network.get_config())
        start = len(graph.get_operations())
        size = copy.resolution
        if hasattr(copy, "z_dim"):
            x = tf.compat.v1.placeholder(tf.float32, [1, copy.z_dim])
        else:
            x = tf.compat.v1.placeholder(tf.float32, [1, size, size, copy.num_channels])
        labels = tf.zeros([1], tf.int32) if copy.num_classes else None
        copy(x, labels, training=False)
        for operation in graph.get_operations()[start:]:
            found[operation.type] = found.get(operation.type, 0) + _operation(operation)
    return {name: count for name, count in found.items() if count}


def _operation(operation) -> int:
    shapes = [tensor.shape.as_list() for tensor in operation.inputs]
    if operation.type == "Conv2D":
        return int(np.prod(operation.outputs[0].shape) * np.prod(shapes[1][:3]))
    if operation.type == "Conv2DBackpropInput":
        return int(np.prod(shapes[2]) * np.prod(shapes[1][:3]))
    if operation.type == "DepthwiseConv2dNative":
        return int(np.prod(operation.outputs[0].shape) * np.prod(shapes[1][:2]))
    if operation.type in ("MatMul", "BatchMatMulV2"):
        inner = shapes[0][-2 if operation.get_attr(_transposed(operation)) else -1]
        return int(np.prod(operation.outputs[0].shape) * inner)
    return 0


def _transposed(operation):
    return "transpose_a" if operation.type == "MatMul" else "adj_x"


def test_stylegan2_agrees_with_the_graph_s_own_operations():
    config = {"resolution": 32, "channel_base": 512, "num_channels": 3, "w_dim": 64}
    network = _unbuilt(stylegan2.StyleGAN2Generator, **config)
    cost = macs.count(network)
    graph = _graph_macs(network)
    up = sum(row.macs for row in cost.rows if "up_conv" in row.kind)
    flat = sum(row.macs for row in cost.rows if row.kind == "conv")
    dense = sum(row.macs for row in cost.rows if row.kind == "dense")
    # the image's upsampling is a transposed 4x4 convolution from 3 to 3 channels
    rgb = sum(side**2 * 16 * 3 * 3 for side in (4, 8, 16))
    assert graph["Conv2DBackpropInput"] == up + rgb
    assert graph["Conv2D"] == flat
    filters = cost.executed - cost.macs
    assert graph["DepthwiseConv2dNative"] == filters - sum(
        (2 * side) ** 2 * 16 * 3 for side in (4, 8, 16)
    )
    # demodulation: squares of the styles times the energies of the kernels
    demodulation = sum(
        before * after
        for row, before, after in _modulated(network)
        if not row.endswith("to_rgb")
    )
    assert graph["MatMul"] == dense + demodulation


def _modulated(network):
    from dglgan_tf.networks import base

    for name, variable in base.named_variables(network).items():
        if name.startswith("blocks/") and len(variable.shape) == 4:
            yield name.removesuffix("/kernel"), *variable.shape[2:]


def test_stylegan2_discriminator_agrees_with_the_graph():
    network = _unbuilt(
        stylegan2.StyleGAN2Discriminator, resolution=32, channel_base=512
    )
    cost = macs.count(network)
    graph = _graph_macs(network)
    dense = sum(row.macs for row in cost.rows if row.kind == "dense")
    assert graph["MatMul"] == dense
    assert graph["Conv2D"] == cost.macs - dense
