"""TFLite (LiteRT) files of a generator: float32, float16 and dynamic-range int8.

A fixed batch size, builtin operations only. Inputs and output carry the names of the
SavedModel's signature `generate_float`.
"""

import warnings

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.deploy import parts
from dglgan_tf.sampling import constants

PRECISIONS = ("float32", "float16", "dynamic")


def convert(network, facts, precision: str, batch: int = 1, part=None) -> bytes:
    """Returns the bytes of a TFLite file.

    Args:
      network: a prepared generator (see `sampler.prepare`).
      facts: its facts; noise must not be 'random'.
      precision: 'float32', 'float16' (weights stored so) or 'dynamic' (weights as
        int8, activations quantized as they come).
      batch: images of one call.
      part: of `parts`; None = the whole generator.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision={precision!r} must be one of {PRECISIONS}")
    part = part or parts.generator(network, facts)
    inputs = part.specs(batch)
    program = constants.evaluate(part.function, inputs)
    run = constants.callable_of(program, constant=_held_apart)
    module = tf.Module()
    module.generate = tf.function(
        lambda **given: {part.output: run(*(given[spec.name] for spec in inputs))},
        autograph=False,
    )
    concrete = module.generate.get_concrete_function(**{s.name: s for s in inputs})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
        if precision != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision == "float16":
            converter.target_spec.supported_types = [tf.float16]
        return converter.convert()


def _held_apart(array, inputs):
    """Returns a constant; one map for all channels gets a factor of one at run time.

    The converter would add noise [1, H, W, 1] and the bias [C] after it into one
    constant [1, H, W, C], which at 64 px doubles a file and is never quantized.
    """
    held = tf.constant(array)
    if array.ndim != 4 or array.shape[-1] != 1 or array.shape[1] == 1:
        return held
    moving = tf.reshape(inputs[-1], [-1])[0]
    return held * tf.minimum(tf.maximum(moving, 1.0), 1.0)


def open_file(content: bytes, threads: int = 1):
    """Returns {input: array} -> float32 array [N, ...] of `parts.Part.output`.

    Args:
      content: bytes of a file of `convert`.
      threads: of the interpreter.

    Returns:
      a function that takes any number of rows; the last call is filled up to the
      file's batch size.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a coming move to another package
        interpreter = tf.lite.Interpreter(model_content=content, num_threads=threads)
    runner = interpreter.get_signature_runner()
    shapes = [found["shape"] for found in runner.get_input_details().values()]
    batch = next(int(shape[0]) for shape in shapes if len(shape))

    def call(given):
        (found,) = runner(**given).values()
        return np.array(found)

    return lambda given: parts.in_batches(call, given, batch)


def operations(content: bytes) -> set[str]:
    """Returns the names of the operations of a TFLite file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        interpreter = tf.lite.Interpreter(
            model_content=content,
            experimental_op_resolver_type=(
                tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
            ),
        )
    return {detail["op_name"] for detail in interpreter._get_ops_details()}
