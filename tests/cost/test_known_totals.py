"""Totals against published or independently computed numbers, and the graph itself."""

import numpy as np
import pytest

from dglgan_tf.compat import tf
from dglgan_tf.cost import macs
from dglgan_tf.networks import biggan, stylegan2, weightless


def _unbuilt(network_class, **config):
    with weightless.weightless():
        return network_class(**config)


def _slow_after(rows, count):
    """Marks all but the first rows as slow."""
    slow = [pytest.param(row, marks=pytest.mark.slow) for row in rows[count:]]
    return [*rows[:count], *slow]


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


@pytest.mark.parametrize("row", _slow_after(STYLEGAN2, 2))
def test_stylegan2_totals(row):
    resolution, fraction, g_parameters, g_input, g_output, d_parameters, d_macs = row
    config = {"resolution": resolution, "channels_fraction": fraction}
    g = macs.count(_unbuilt(stylegan2.StyleGAN2Generator, **config))
    assert g.parameters == _printed(g_parameters)
    assert g.macs / 1e9 == pytest.approx(g_input, abs=0.006)
    assert g.macs_output / 1e9 == pytest.approx(g_output, abs=0.051)
    d = macs.count(_unbuilt(stylegan2.StyleGAN2Discriminator, **config))
    assert d.parameters == _printed(d_parameters)
    assert d.macs / 1e9 == pytest.approx(d_macs, abs=0.051)


def _printed(parameters):
    """Exact where all digits are known, else to the thousands that were printed."""
    exact = isinstance(parameters, int)
    return parameters if exact else pytest.approx(parameters, abs=501)


# ch, G parameters, G GMACs, D parameters, D GMACs; ImageNet at 128 pixels
BIGGAN128 = [
    (96, 70_433_988, 21.12, 87_982_370, 10.84),
    (64, 31.979e6, 9.51, 39.448e6, 4.88),
    (48, 18.383e6, 5.42, 22.384e6, 2.78),
    (32, 8.543e6, 2.47, 10.121e6, 1.27),
    (24, 5.031e6, 1.42, 5.790e6, 0.73),
]
BIGGAN_CIFAR = [
    (96, 9.258e6, 3.78, 9.457e6, 2.43),
    (64, 4.304e6, 1.68, 4.207e6, 1.08),
    (48, 2.528e6, 0.95, 2.369e6, 0.61),
    (32, 1.218e6, 0.42, 1.055e6, 0.27),
    (24, 0.739e6, 0.24, 0.595e6, 0.15),
]
CIFAR_G = {
    "resolution": 32,
    "num_classes": 10,
    "z_dim": 128,
    "hierarchical": False,
    "shared_embedding": False,
}


@pytest.mark.slow
@pytest.mark.parametrize("row", _slow_after(BIGGAN128, 1))
def test_biggan128_totals(row):
    config = {"ch": row[0], "attention": (64,)}
    _check_biggan(row, config, config)


@pytest.mark.parametrize("row", _slow_after(BIGGAN_CIFAR, 1))
def test_biggan_cifar_totals(row):
    d_config = {"resolution": 32, "num_classes": 10, "ch": row[0]}
    _check_biggan(row, {**CIFAR_G, "ch": row[0]}, d_config)


def _check_biggan(row, g_config, d_config):
    _, g_parameters, g_macs, d_parameters, d_macs = row
    g = macs.count(_unbuilt(biggan.BigGANGenerator, **g_config))
    assert g.parameters == _printed(g_parameters)
    assert g.macs / 1e9 == pytest.approx(g_macs, abs=0.006)
    assert g.executed < 0.75 * g.macs
    d = macs.count(_unbuilt(biggan.BigGANDiscriminator, **d_config))
    assert d.parameters == _printed(d_parameters)
    assert d.macs / 1e9 == pytest.approx(d_macs, abs=0.006)
    assert d.executed < d.macs


def _graph_macs(network) -> dict[str, int]:
    """Multiply-accumulates by operation type, read off the operations' shapes.

    Only what depends on the input: not the power steps on the weights.
    """
    found: dict[str, int] = {}
    size = network.resolution
    shape = [1, size, size, network.num_channels]
    if hasattr(network, "z_dim"):
        shape = [1, network.z_dim]
    specs = [tf.TensorSpec(shape)]
    if network.num_classes:
        specs.append(tf.TensorSpec([1], tf.int32))
    traced = tf.function(lambda *inputs: network(*inputs, training=False))
    traced = traced.get_concrete_function(*specs)
    live = {tensor.ref() for tensor in traced.inputs[: len(specs)]}
    for operation in traced.graph.get_operations():
        if any(tensor.ref() in live for tensor in operation.inputs):
            live.update(tensor.ref() for tensor in operation.outputs)
            count = found.get(operation.type, 0) + _operation(operation)
            found[operation.type] = count
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
    # to_rgb is a product with matrices of each sample's own
    to_rgb = sum(row.macs for row in cost.rows if row.path.endswith("to_rgb"))
    assert graph["BatchMatMulV2"] == to_rgb > 0
    assert graph["Conv2D"] == flat - to_rgb
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


@pytest.mark.slow
@pytest.mark.parametrize("conditional", [True, False])
def test_biggan_executes_what_the_graph_holds(conditional):
    config = {"resolution": 64, "ch": 8, "num_classes": 5 if conditional else 0}
    network = _unbuilt(biggan.BigGANGenerator, **config, attention=(32,))
    cost = macs.count(network)
    products = _graph_macs(network)
    embedding = 5 * 128 if conditional else 0
    assert sum(products.values()) == cost.executed + embedding

    network = _unbuilt(biggan.BigGANDiscriminator, **config, attention=(32,))
    cost = macs.count(network)
    products = _graph_macs(network)
    embedding = 5 * 16 * 8 if conditional else 0
    assert sum(products.values()) == cost.executed + embedding
