"""Multiply-accumulates that a traced function executes, read from its graph.

Counts what the outputs and the assignments need, so a gradient that nobody uses is not
counted (TensorFlow prunes it too). FIR filters (depthwise convolutions) are counted
apart: their cost is memory traffic, not arithmetic.
"""

import numpy as np

from dglgan_tf.native import convolutions


def count(concrete) -> dict[str, int]:
    """Returns {'macs', 'filter_macs'} of one call of a concrete function.

    Args:
      concrete: `tf.function(...).get_concrete_function(...)`, static shapes.
    """
    totals = {"macs": 0, "filter_macs": 0}
    _add(concrete.graph, totals)
    return totals


def _add(graph, totals):
    for operation in _needed(graph):
        macs = _macs(operation)
        if operation.type.startswith("Depthwise"):
            totals["filter_macs"] += macs
        else:
            totals["macs"] += macs
        if "PartitionedCall" in operation.type:
            name = operation.get_attr("f").name
            _add(graph._get_function(name).graph, totals)


def _needed(graph):
    """Returns the operations that outputs and side effects depend on."""
    ends = [tensor.op for tensor in graph.outputs] + list(graph.control_outputs)
    ends += [op for op in graph.get_operations() if "Assign" in op.type]
    seen, stack = set(), list(ends)
    while stack:
        operation = stack.pop()
        if operation in seen:
            continue
        seen.add(operation)
        stack += [tensor.op for tensor in operation.inputs]
        stack += operation.control_inputs
    return seen


def _macs(operation) -> int:
    kind = operation.type
    if kind == "Conv2D":
        return _size(operation.outputs[0]) * _taps(operation.inputs[1].shape)
    if kind == "Conv2DBackpropInput":
        return _size(operation.inputs[2]) * _taps(operation.inputs[1].shape)
    if kind == "Conv2DBackpropFilter":
        return _size(operation.inputs[2]) * _taps(operation.outputs[0].shape)
    if kind == "DepthwiseConv2dNative":
        return _size(operation.outputs[0]) * int(np.prod(operation.inputs[1].shape[:2]))
    if kind == "DepthwiseConv2dNativeBackpropInput":
        return _size(operation.inputs[2]) * int(np.prod(operation.inputs[1].shape[:2]))
    if kind == "DepthwiseConv2dNativeBackpropFilter":
        return _size(operation.inputs[2]) * int(np.prod(operation.outputs[0].shape[:2]))
    if kind in ("DglganConvolution", "DglganKernelGradient"):
        return _products(operation)
    if kind in ("MatMul", "BatchMatMulV2", "BatchMatMul"):
        left = operation.inputs[0].shape
        name = "transpose_a" if kind == "MatMul" else "adj_x"
        inner = left[-2] if operation.get_attr(name) else left[-1]
        return _size(operation.outputs[0]) * int(inner)
    return 0


def _products(operation) -> int:
    """Multiplications of an operation of `native.convolutions`."""
    x, other = operation.inputs
    way = convolutions.WAYS[operation.get_attr("way")]
    turned = "Gradient" not in operation.type and operation.get_attr("turned")
    outputs = other.shape[2 if turned else 3]
    return convolutions.products(x, int(outputs), way)


def _size(tensor) -> int:
    return int(np.prod([side or 1 for side in tensor.shape]))


def _taps(kernel_shape) -> int:
    """Multiplications for each element of the smaller side: height x width x inputs."""
    return int(np.prod(kernel_shape[:3]))
