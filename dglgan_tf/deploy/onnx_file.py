"""ONNX files of a generator; needs the extra `export` (tf2onnx and onnxruntime).

Inputs and output carry the names of the SavedModel's signature `generate_float`; the
batch size is open unless one is given.
"""

import importlib
import logging
import warnings

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.deploy import partial, saved_model

OPSET = 18


def require(package: str):
    """Returns a package of the extra `export`.

    Raises:
      ValueError: it is not installed; says what to install.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(package)
    except ImportError as error:
        raise ValueError(
            f"ONNX needs {package}, which is not available here ({error}): install "
            "the extra with `pip install 'dglgan_tf[export]'`, or leave onnx out of "
            "--formats"
        ) from error


def convert(network, facts, batch: int | None = None) -> bytes:
    """Returns the bytes of an ONNX file in float32.

    Args:
      network: a prepared generator (see `sampler.prepare`).
      facts: its facts; noise must not be 'random'.
      batch: images of one call; None = any number.
    """
    tf2onnx = require("tf2onnx")
    inputs = saved_model.specs(facts, batch)
    program = partial.evaluate(saved_model.generator_function(network, facts), inputs)
    run = partial.callable_of(program)

    def generate(*given):
        return tf.identity(run(*given), name="images")

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
    _rename(model, {spec.name for spec in inputs})
    return model.SerializeToString()


def _rename(model, inputs) -> None:
    """Takes the ':0' off the names of inputs, and calls the output 'images'."""
    graph = model.graph
    names = {i.name: i.name.split(":")[0] for i in graph.input}
    unknown = set(names.values()) - inputs
    if unknown or len(graph.output) != 1:
        raise RuntimeError(f"tf2onnx made inputs {sorted(names)} of {sorted(inputs)}")
    names[graph.output[0].name] = "images"
    for item in (*graph.input, *graph.output):
        item.name = names[item.name]
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]


def open_file(content: bytes, threads: int = 1):
    """Returns (z, labels, truncation) -> float32 images [N, H, W, C].

    Args:
      content: bytes of a file of `convert` with an open batch size.
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
    wanted = {item.name for item in session.get_inputs()}

    def run(z, labels, truncation):
        given = {"z": z, "labels": labels}
        given["truncation_psi"] = np.asarray(truncation, np.float32)
        given = {name: value for name, value in given.items() if name in wanted}
        return session.run(["images"], given)[0]

    return run
