"""ONNX files of a generator; needs the extra `export` (tf2onnx and onnxruntime).

Inputs and output carry the names of the SavedModel's signature `generate_float`; the
batch size is open unless one is given, and `truncation_psi` may be left out.
"""

import logging
import warnings

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.deploy import description, parts
from dglgan_tf.foundation import optional_packages
from dglgan_tf.sampling import constants

OPSET = 18
_FLOAT = 1  # TensorProto.FLOAT


def require(package: str):
    """Returns a package of the extra `export`.

    Raises:
      ValueError: it is not installed; says what to install.
    """
    return optional_packages.require(
        package, "ONNX", "export", ", or leave onnx out of --formats"
    )


def convert(network, facts, batch: int | None = None, part=None) -> bytes:
    """Returns the bytes of an ONNX file in float32.

    Args:
      network: a prepared generator (see `sampler.prepare`).
      facts: its facts; noise must not be 'random'.
      batch: images of one call; None = any number.
      part: of `parts`; None = the whole generator.
    """
    tf2onnx = require("tf2onnx")
    part = part or parts.generator(network, facts)
    inputs = part.specs(batch)
    program = constants.evaluate(part.function, inputs)
    run = constants.callable_of(program)

    def generate(*given):
        return tf.identity(run(*given), name=part.output)

    noisy = logging.getLogger("tf2onnx")
    level, noisy.disabled = noisy.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model, _ = tf2onnx.convert.from_function(
                tf.function(generate, autograph=False, input_signature=inputs),
                input_signature=inputs,
                opset=OPSET,
            )
    finally:
        noisy.disabled = level
    _rename(model, {spec.name for spec in inputs}, part.output)
    _describe(model, facts, part)
    _default(model, facts.untruncated)
    return model.SerializeToString()


def _rename(model, inputs, output) -> None:
    """Takes the ':0' off the names of inputs, and names the output."""
    graph = model.graph
    names = {i.name: i.name.split(":")[0] for i in graph.input}
    unknown = set(names.values()) - inputs
    if unknown or len(graph.output) != 1:
        raise RuntimeError(f"tf2onnx made inputs {sorted(names)} of {sorted(inputs)}")
    names[graph.output[0].name] = output
    for item in (*graph.input, *graph.output):
        item.name = names[item.name]
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]


def _describe(model, facts, part) -> None:
    """Names the open dimension, says what the file is, drops unused operator sets."""
    for item in (*model.graph.input, *model.graph.output):
        dims = item.type.tensor_type.shape.dim
        if len(dims) and not dims[0].HasField("dim_value"):
            dims[0].dim_param = "batch"
    used = {node.domain for node in model.graph.node}
    kept = [s for s in model.opset_import if s.domain in ("", *used)]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    model.producer_name = "dglgan_tf"
    model.graph.name = part.name
    entries = description.entries(facts)
    for name, text in entries.items():
        model.metadata_props.add(key=name, value=text)


def _default(model, untruncated) -> None:
    """Lets callers leave out `truncation_psi`: an initializer of an input's name."""
    names = {item.name for item in model.graph.input}
    if "truncation_psi" in names:
        value = model.graph.initializer.add(name="truncation_psi", data_type=_FLOAT)
        value.float_data.append(untruncated)


def open_file(content: bytes, threads: int = 1):
    """Returns {input: array} -> float32 array [N, ...] of `parts.Part.output`.

    Args:
      content: bytes of a file of `convert`.
      threads: of the runtime.
    """
    onnxruntime = require("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        content, options, providers=["CPUExecutionProvider"]
    )
    inputs = [*session.get_inputs(), *session.get_overridable_initializers()]
    sizes = {item.name: item.shape for item in inputs}
    first = next(shape[0] for shape in sizes.values() if shape)
    batch = first if isinstance(first, int) else None
    (output,) = (item.name for item in session.get_outputs())

    def call(given):
        named = {name: np.asarray(given[name]) for name in sizes}
        return session.run([output], named)[0]

    return lambda given: parts.in_batches(call, given, batch)
