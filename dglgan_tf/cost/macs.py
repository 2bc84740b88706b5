"""Parameters, multiply-accumulates and activations per layer, without running anything.

A network is rebuilt from its configuration without weights and traced once: the layers
write their products into `dglgan_tf.ops.ledger`, the graph tells the sizes of the
tensors. A 1024-pixel network is counted in seconds and in no memory.

Conventions of the totals, per image; "MACs" alone means the first:
  macs: StyleGAN2's up-convolution counts as a transposed convolution, at its input
    resolution; BigGAN's convolution after a nearest upsampling at the upsampled one.
  macs_output: StyleGAN2's up-convolution counts at its output resolution.
  executed: what runs after exact rewrites, for instance a 1x1 convolution moved to the
    smaller side of a resampling, and the FIR filters, which the first two leave out
    as the literature does.
Attention products are counted; biases, normalisations and activations are not.
"""

import dataclasses

import numpy as np

from dglgan_tf.compat import keras, tf
from dglgan_tf.networks import base, weightless
from dglgan_tf.ops import ledger

# Operations whose result is their input under another name or shape.
_ALIASES = frozenset(
    "Identity IdentityN Reshape ExpandDims Squeeze StopGradient PreventGradient".split()
)


@dataclasses.dataclass(frozen=True)
class Row:
    """One layer's share, for one image.

    Attributes:
      path: attribute path from the network, for instance 'blocks/0/conv1'.
      kind: see `ledger.Entry`; 'weights' for variables of a layer without products.
      output_shape: without the batch; () where there is none.
      parameters: trainable scalars that the layer owns.
      macs, macs_output, executed: see the head of this module.
      output_bytes: size of the layer's counted results.
    """

    path: str
    kind: str
    output_shape: tuple
    parameters: int
    macs: int
    macs_output: int
    executed: int
    output_bytes: int


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a network costs, for one image.

    Attributes:
      network: the class name.
      rows: layers in order of execution.
      parameters, macs, macs_output, executed: totals over `rows`.
      activation_bytes: all tensors that one forward call computes from its inputs, the
        upper bound of what a training step keeps for its backward pass.
      peak_bytes: the most that is alive at one moment of a forward call without
        training, weights not included.
    """

    network: str
    rows: tuple[Row, ...]
    parameters: int
    macs: int
    macs_output: int
    executed: int
    activation_bytes: int
    peak_bytes: int


def count(network: base.Network) -> Cost:
    """Returns the cost of a generator or a discriminator.

    Args:
      network: only its class and configuration are used; it may itself be
        `weightless`.
    """
    with weightless.weightless():
        copy = type(network).from_config(network.get_config())
    with ledger.open_ledger() as entries:
        graph, inputs, output = _trace(copy)
    rows = _rows(copy, entries)
    kept, peak = activations(graph.get_operations(), inputs, output)
    totals = {
        name: sum(getattr(row, name) for row in rows)
        for name in ("parameters", "macs", "macs_output", "executed")
    }
    return Cost(
        type(network).__name__, rows, activation_bytes=kept, peak_bytes=peak, **totals
    )


def specs_of(network, images: int) -> list[tf.TensorSpec]:
    """Returns the inputs of a call on so many images."""
    if isinstance(network, base.Generator):
        specs = [tf.TensorSpec([images, network.z_dim], tf.float32)]
    else:
        size = network.resolution
        specs = [tf.TensorSpec([images, size, size, network.num_channels], tf.float32)]
    if network.num_classes:
        specs.append(tf.TensorSpec([images], tf.int32))
    return specs


def _trace(network):
    """Traces a call on one image; returns the graph, its inputs and its output."""
    specs = specs_of(network, 1)

    def call(first, labels=None):
        return network(first, labels, training=False)

    function = tf.function(call, autograph=False).get_concrete_function(*specs)
    return function.graph, function.inputs[: len(specs)], function.outputs[0]


def layer_paths(network: base.Network) -> dict[int, str]:
    """Returns {id(layer): attribute path}; the network itself has the path ''."""
    paths: dict[int, str] = {}
    _walk(network, "", paths)
    return paths


def _walk(node, path, paths):
    if isinstance(node, keras.layers.Layer):
        if id(node) in paths:
            return
        paths[id(node)] = path
        items = [(k, v) for k, v in vars(node).items() if not k.startswith("_")]
    elif isinstance(node, (list, tuple)):
        items = [(str(i), v) for i, v in enumerate(node)]
    elif isinstance(node, dict):
        items = [(str(k), v) for k, v in node.items()]
    else:
        return
    for key, value in sorted(items):
        _walk(value, f"{path}/{key}" if path else key, paths)


def _rows(network, entries) -> tuple[Row, ...]:
    paths = layer_paths(network)
    merged: dict[str, list] = {}
    for entry in entries:
        merged.setdefault(paths.get(id(entry.owner), ""), []).append(entry)
    parameters = _parameters_by_owner(network, set(merged))
    if "" in merged:  # the network's own filter passes, between its layers
        merged[""] = merged.pop("")
    rows = [
        _row(path, group, parameters.pop(path, 0)) for path, group in merged.items()
    ]
    for path, size in parameters.items():
        row = Row(path, "weights", (), size, 0, 0, 0, 0)
        rows.insert(_place(rows, path), row)
    return tuple(rows)


def _row(path, entries, parameters) -> Row:
    products = [entry for entry in entries if entry.kind != "filter"]
    return Row(
        path or "(network)",
        "+".join(dict.fromkeys(entry.kind for entry in entries)),
        (products or entries)[-1].output_shape[1:],
        parameters,
        sum(entry.macs for entry in products),
        sum(entry.macs_output for entry in products),
        sum(entry.executed for entry in entries),
        sum(4 * int(np.prod(entry.output_shape)) for entry in products or entries),
    )


def _parameters_by_owner(network, owners) -> dict[str, int]:
    """Returns {path: trainable scalars}, by the nearest counted layer above each."""
    trainable = {id(variable) for variable in network.trainable_variables}
    totals: dict[str, int] = {}
    for name, variable in base.named_variables(network).items():
        if id(variable) not in trainable:
            continue
        parts = name.split("/")
        above = ["/".join(parts[:end]) for end in range(len(parts) - 1, 0, -1)]
        default = above[0] if above else name
        owner = next((path for path in above if path in owners), default)
        totals[owner] = totals.get(owner, 0) + int(np.prod(variable.shape))
    return totals


def _place(rows, path) -> int:
    """Returns where a row without products goes: after its nearest relative."""
    parts = path.split("/")

    def shared(row):
        pairs = zip(parts, row.path.split("/"), strict=False)
        return next((i for i, (a, b) in enumerate(pairs) if a != b), len(parts))

    best = max((shared(row) for row in rows), default=0)
    if best == 0:
        return 0
    return 1 + max(i for i, row in enumerate(rows) if shared(row) == best)


def activations(operations, inputs, output) -> tuple[int, int]:
    """Returns (bytes of all results, bytes of the most alive at once)."""
    root = {tensor.ref(): tensor.ref() for tensor in inputs}
    born: dict = {tensor.ref(): (0, tensor) for tensor in inputs}
    dies: dict = {}
    for time, operation in enumerate(operations):
        sources = [root[t.ref()] for t in operation.inputs if t.ref() in root]
        for source in sources:
            dies[source] = time
        if not sources:
            continue
        for tensor in operation.outputs:
            if operation.type in _ALIASES:
                root[tensor.ref()] = sources[0]
            elif tensor.dtype.is_floating and tensor.shape.is_fully_defined():
                root[tensor.ref()] = tensor.ref()
                born[tensor.ref()] = (time, tensor)
    dies[root[output.ref()]] = len(operations)
    change = np.zeros(len(operations) + 2, np.int64)
    for key, (time, tensor) in born.items():
        change[time] += _bytes(tensor)
        change[dies.get(key, time) + 1] -= _bytes(tensor)
    total = sum(_bytes(tensor) for _, tensor in born.values())
    return total, int(np.cumsum(change).max())


def _bytes(tensor) -> int:
    return int(np.prod(tensor.shape.as_list())) * tensor.dtype.size
