"""Evaluates once whatever in a function does not depend on its inputs.

Spectral normalisation, equalized-learning-rate scales, kernels folded with resampling,
moments of BatchNorm: in a generator whose weights are final they are constants. Each
exported file holds the results instead of the weights and the work. The same
operations give them, so the numbers stay the same up to rounding.
"""

import dataclasses

import numpy as np

from dglgan_tf.compat import tf

# Smaller results are written into the graph as constants.
_LARGE = 64


@dataclasses.dataclass(frozen=True)
class Program:
    """A graph of what depends on the inputs.

    Attributes:
      graph_def: its operations; inputs and large values are placeholders.
      inputs: names of the inputs' placeholders, in the order of the signature.
      values: {placeholder: float array}, the precomputed results.
      outputs: names of the outputs' tensors.
      structure: the outputs' nested structure.
    """

    graph_def: tf.compat.v1.GraphDef
    inputs: tuple[str, ...]
    values: dict[str, np.ndarray]
    outputs: tuple[str, ...]
    structure: object


def evaluate(function, specs) -> Program:
    """Traces a function and computes what does not depend on its inputs.

    Args:
      function: called with one tensor for each spec; may use variables and other
        functions; must not assign variables.
      specs: `tf.TensorSpec`s with names; unknown batch sizes are fine.
    """
    from tensorflow.python.framework import convert_to_constants

    traced = tf.function(function, autograph=False).get_concrete_function(*specs)
    frozen = convert_to_constants.convert_variables_to_constants_v2(
        traced, lower_control_flow=False, aggressive_inlining=True
    )
    inputs = _arguments(frozen)
    moving = _dependent(frozen.graph, inputs)
    borders = _borders(frozen, moving)
    found = frozen.prune([], borders)() if borders else []
    results = {b.name: np.asarray(v) for b, v in zip(borders, found, strict=True)}
    renamed, nodes, values = _stored(results)
    for node in frozen.graph.as_graph_def().node:
        if node.name in moving:
            nodes += _plain(_rewired(node, renamed, moving))
    definition = tf.compat.v1.GraphDef(node=nodes)
    definition.versions.CopyFrom(frozen.graph.as_graph_def().versions)
    definition.library.CopyFrom(frozen.graph.as_graph_def().library)
    outputs = [renamed.get(t.name, t.name) for t in frozen.outputs]
    return Program(
        definition,
        tuple(tensor.op.name for tensor in inputs),
        values,
        tuple(name if ":" in name else f"{name}:0" for name in outputs),
        traced.structured_outputs,
    )


def _arguments(frozen):
    """Returns the arguments' placeholders, without those of captured variables."""
    captured = {id(tensor) for tensor in frozen.graph.internal_captures}
    return [
        t for t in frozen.inputs if id(t) not in captured and t.dtype != tf.resource
    ]


def _dependent(graph, inputs) -> set[str]:
    """Returns the names of operations that depend on the inputs."""
    moving = {tensor.op.name for tensor in inputs}
    for operation in graph.get_operations():
        if any(tensor.op.name in moving for tensor in operation.inputs):
            moving.add(operation.name)
    return moving


def _borders(frozen, moving):
    """Returns the tensors that dependent operations take from the others."""
    wanted = {}
    for operation in frozen.graph.get_operations():
        if operation.name in moving:
            for tensor in operation.inputs:
                if tensor.op.name not in moving:
                    wanted[tensor.name] = tensor
    for tensor in frozen.outputs:
        if tensor.op.name not in moving:
            wanted[tensor.name] = tensor
    return list(wanted.values())


def _stored(results):
    """Returns {tensor: new node}, the new nodes, and the values of placeholders."""
    renamed, nodes, values = {}, [], {}
    for number, (name, array) in enumerate(results.items()):
        new = f"folded/{number}"
        renamed[name] = new
        kind = tf.as_dtype(array.dtype).as_datatype_enum
        node = tf.compat.v1.NodeDef(name=new)
        node.attr["dtype"].type = kind
        if array.size > _LARGE and array.dtype == np.float32:
            node.op = "Placeholder"
            node.attr["shape"].shape.CopyFrom(tf.TensorShape(array.shape).as_proto())
            values[new] = array
        else:
            node.op = "Const"
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(array))
        nodes.append(node)
    return renamed, nodes, values


def _rewired(node, renamed, moving):
    """Returns a copy of a node that takes precomputed results where there are some."""
    copy = tf.compat.v1.NodeDef()
    copy.CopyFrom(node)
    copy.attr.pop("_gradient_op_type", None)  # nobody differentiates an export
    del copy.input[:]
    for name in node.input:
        if name.startswith("^"):
            if name[1:] in moving:
                copy.input.append(name)
            continue
        full = name if ":" in name else f"{name}:0"
        copy.input.append(renamed.get(full, name))
    return copy


def _plain(node) -> list:
    """Returns a node in operations that strangers' runtimes have.

    TensorFlow.js does not know EnsureShape; a Reshape says the same of a shape with one
    open dimension.
    """
    if node.op != "EnsureShape":
        return [node]
    sizes = [dim.size for dim in node.attr["shape"].shape.dim]
    if sizes.count(-1) > 1:
        node.op = "Identity"
        node.attr.pop("shape")
        return [node]
    shape = tf.compat.v1.NodeDef(name=f"{node.name}/sizes", op="Const")
    shape.attr["dtype"].type = tf.int32.as_datatype_enum
    shape.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(sizes, tf.int32))
    node.op = "Reshape"
    node.attr.pop("shape")
    node.attr["Tshape"].type = tf.int32.as_datatype_enum
    node.input.insert(1, shape.name)  # before control inputs
    return [shape, node]


class Weights:
    """The values of several programs as variables, equal ones held once."""

    def __init__(self):
        """Starts with none."""
        self._by_content: dict[tuple, tf.Variable] = {}

    def variables(self) -> list[tf.Variable]:
        """Returns all variables in order of first use."""
        return list(self._by_content.values())

    def hold(self, array: np.ndarray) -> tf.Variable:
        """Returns the variable with this content."""
        key = (array.shape, array.tobytes())
        if key not in self._by_content:
            name = f"weight_{len(self._by_content)}"
            self._by_content[key] = tf.Variable(array, trainable=False, name=name)
        return self._by_content[key]


def callable_of(program: Program, weights: Weights | None = None, constant=None):
    """Returns a function of the program's inputs, for use inside a `tf.function`.

    Args:
      program: from `evaluate`.
      weights: where its values are held as variables; None = constants in the graph.
      constant: (array, inputs) -> tensor, what stands for a value then; None =
        `tf.constant` of the array.
    """
    constant = constant or (lambda array, inputs: tf.constant(array))
    held = None
    if weights is not None:
        held = {name: weights.hold(value) for name, value in program.values.items()}

    def run(*inputs):
        feed = dict(zip(program.inputs, inputs, strict=True))
        if held is None:
            feed |= {n: constant(v, inputs) for n, v in program.values.items()}
        else:
            feed |= {name: tf.convert_to_tensor(v) for name, v in held.items()}
        # An input that nothing uses has no consumer to be connected to.
        used = {name.split(":")[0] for n in program.graph_def.node for name in n.input}
        used |= {name.split(":")[0] for name in program.outputs}
        feed = {f"{name}:0": v for name, v in feed.items() if name in used}
        flat = tf.graph_util.import_graph_def(
            program.graph_def,
            input_map=feed,
            return_elements=list(program.outputs),
            name="generator",
        )
        return tf.nest.pack_sequence_as(program.structure, flat)

    return run
