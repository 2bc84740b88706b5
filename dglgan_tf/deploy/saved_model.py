"""SavedModel with named signatures, free of this package and of Keras.

Signatures (inputs by name; `labels` only where there are classes):
  generate(z, labels, truncation_psi) -> images: uint8 [N, H, W, C]
  generate_float(z, labels, truncation_psi) -> images: float32, nominally [-1, 1]
and, where the generator has style vectors,
  map(z, labels, truncation_psi) -> ws: float32 [N, num_ws, w_dim]
  synthesize(ws) -> images: float32 [N, H, W, C]

The attribute `call` is a function of positional tensors and returns plain ones, for
`keras.layers.TFSMLayer` of Keras 3 and for `loaded.call(z)`:
  call(z, labels=None, truncation_psi=None) -> images: float32 [N, H, W, C]
Without labels image i is of class i, counted round.
"""

import dataclasses
import json
from pathlib import Path

from dglgan_tf.compat import tf
from dglgan_tf.foundation import batches, seeding
from dglgan_tf.sampling import constants, sampler

FACTS_FILE = Path("assets.extra") / "dglgan_tf.json"


def to_uint8(images) -> tf.Tensor:
    """The rule of `foundation.pictures.to_uint8` as operations of a graph."""
    return tf.cast(tf.clip_by_value(images * 127.5 + 128, 0.0, 255.0), tf.uint8)


def specs(facts: sampler.Facts, batch: int | None = None) -> list[tf.TensorSpec]:
    """Returns the inputs of `generate`; batch=None leaves the batch size open."""
    found = [tf.TensorSpec([batch, facts.z_dim], tf.float32, "z")]
    if facts.num_classes:
        found.append(tf.TensorSpec([batch], tf.int32, "labels"))
    return [*found, tf.TensorSpec([], tf.float32, "truncation_psi")]


def generator_function(network, facts: sampler.Facts, work=None):
    """Returns the function of `specs` that makes float images.

    Args:
      network: a prepared generator (see `sampler.prepare`).
      facts: its facts; noise must not be 'random'.
      work: what is applied to (z, labels, truncation); None = the whole generator.
    """
    work = work or (
        lambda z, labels, psi: sampler.generate(network, z, labels, psi, facts.noise)
    )
    if facts.num_classes:
        return work
    return lambda z, psi: work(z, None, psi)


def write(folder, network, facts: sampler.Facts, info: dict) -> None:
    """Writes the SavedModel of a prepared generator.

    Args:
      folder: new folder.
      network: its weights are final.
      facts: of `sampler.generator_facts`; noise must not be 'random'.
      info: JSON-able facts, kept beside the facts in assets.extra/dglgan_tf.json.
    """
    weights = constants.Weights()
    module = tf.Module(name="generator")
    functions = {}
    generate = _signature(generator_function(network, facts), specs(facts), weights)
    functions["generate_float"] = lambda **inputs: {"images": generate(inputs)}
    functions["generate"] = lambda **inputs: {"images": to_uint8(generate(inputs))}
    inputs = {"generate_float": specs(facts), "generate": specs(facts)}
    if sampler.has_styles(network):
        styled = generator_function(
            network,
            facts,
            lambda z, labels, psi: sampler.styles(network, z, labels, psi),
        )
        mapped = _signature(styled, specs(facts), weights)
        functions["map"] = lambda **given: {"ws": mapped(given)}
        inputs["map"] = specs(facts)
        shape = [None, network.num_ws, network.w_dim]
        inputs["synthesize"] = [tf.TensorSpec(shape, tf.float32, "ws")]
        made = _signature(
            lambda ws: network.synthesize(ws, noise=facts.noise),
            inputs["synthesize"],
            weights,
        )
        functions["synthesize"] = lambda **given: {"images": made(given)}
    module.weights = weights.variables()
    module.call = _endpoint(generate, facts)
    signatures = {
        name: tf.function(function, autograph=False).get_concrete_function(
            **{spec.name: spec for spec in inputs[name]}
        )
        for name, function in functions.items()
    }
    signatures["serving_default"] = signatures["generate"]
    tf.saved_model.save(module, str(folder), signatures)
    path = Path(folder) / FACTS_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"facts": dataclasses.asdict(facts), "info": info}, indent=2)
    path.write_text(text + "\n", encoding="utf-8")


def _endpoint(generate, facts):
    """Returns call(z, labels=None, truncation_psi=None), traced for each way to call.

    Args:
      generate: {input name: tensor} -> images.
      facts: of the generator.
    """

    def call(z, labels=None, truncation_psi=None):
        psi = facts.untruncated if truncation_psi is None else truncation_psi
        given = {"z": z, "truncation_psi": tf.cast(psi, tf.float32)}
        if facts.num_classes:
            rows = tf.range(tf.shape(z)[0]) if labels is None else labels
            given["labels"] = tf.cast(rows, tf.int32) % facts.num_classes
        return generate(given)

    z, *labels, psi = specs(facts)
    call = tf.function(call, autograph=False)
    for known in (None, *labels):
        for truncation in (None, psi):
            call.get_concrete_function(z, known, truncation)
    return call


def _signature(function, inputs, weights):
    """Returns {input name: tensor} -> result, with everything constant precomputed."""
    run = constants.callable_of(constants.evaluate(function, inputs), weights)
    return lambda given: run(*(given[spec.name] for spec in inputs))


def differences(folder, network, facts, seeds, batch: int = 8) -> list[dict]:
    """Loads a SavedModel and compares every signature with the network.

    Args:
      folder: of `write`.
      network: the source, not precomputed.
      facts: its facts.
      seeds: which images.
      batch: images of one call, at most.

    Returns:
      a row for each signature and truncation: {'signature', 'truncation', 'images',
      'max', 'mean'}; differences of floats, or of uint8 levels for `generate`.
    """
    module = tf.saved_model.load(str(folder))
    batch = batches.drawable(batch, facts.resolution)
    z = tf.constant(seeding.latents(seeds, facts.z_dim))
    labels = None
    if facts.num_classes:
        labels = tf.constant(seeding.random_labels(seeds, facts.num_classes))
    rows = []
    for psi in (facts.untruncated, 0.7):
        reference = _in_batches(
            lambda z, labels, psi=psi: _reference(network, facts, z, labels, psi),
            batch, z, labels,
        )  # fmt: skip
        for name, expected in reference.items():
            signature = module.signatures[name]

            def call(z, labels, signature=signature, name=name, psi=psi):
                if name == "synthesize":
                    ws = sampler.styles(network, z, labels, psi)
                    return signature(ws=ws)
                given = {"z": z, "truncation_psi": tf.constant(psi, tf.float32)}
                if labels is not None:
                    given["labels"] = labels
                return signature(**given)

            (found,) = _in_batches(call, batch, z, labels).values()
            rows.append({"signature": name, **difference(found, expected, psi)})
    return rows


def difference(found, expected, truncation) -> dict:
    """Returns {'truncation', 'images', 'max', 'mean'} of two arrays."""
    import numpy as np

    apart = np.abs(np.asarray(found, np.float64) - np.asarray(expected, np.float64))
    return {
        "truncation": truncation,
        "images": len(apart),
        "max": float(apart.max()),
        "mean": float(apart.mean()),
    }


def _reference(network, facts, z, labels, psi):
    images = sampler.generate(network, z, labels, psi, facts.noise)
    found = {"generate_float": images, "generate": to_uint8(images)}
    if sampler.has_styles(network):
        found["map"] = sampler.styles(network, z, labels, psi)
        found["synthesize"] = network.synthesize(found["map"], noise=facts.noise)
    return found


def _in_batches(function, batch, z, labels):
    """Calls a function on batches; returns {name: array} of all of them."""
    import numpy as np

    parts: dict[str, list] = {}
    for start in range(0, len(z), batch):
        rows = slice(start, start + batch)
        own = None if labels is None else labels[rows]
        for name, value in function(z[rows], own).items():
            parts.setdefault(name, []).append(value.numpy())
    return {name: np.concatenate(values) for name, values in parts.items()}
