"""What becomes a file: a whole generator, or its mapping and its synthesis."""

import dataclasses
from collections.abc import Callable

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.deploy import saved_model
from dglgan_tf.foundation import batches
from dglgan_tf.sampling import sampler


@dataclasses.dataclass(frozen=True)
class Part:
    """A function of named inputs with one output.

    Attributes:
      name: 'generator', 'mapping' or 'synthesis'.
      signature: of the SavedModel's signatures, the one that does the same.
      output: name of the output.
      function: of tensors as `specs` says.
      specs: batch size or None (open) -> list of `tf.TensorSpec`.
      given: (z, labels, truncation) -> {input: array} of the same images.
    """

    name: str
    signature: str
    output: str
    function: Callable
    specs: Callable
    given: Callable

    def expected(self, given: dict) -> np.ndarray:
        """Returns what the source gives for named inputs."""
        ordered = [tf.constant(given[spec.name]) for spec in self.specs(None)]
        return self.function(*ordered).numpy()


def generator(network, facts: sampler.Facts) -> Part:
    """Returns latents to images."""
    return Part(
        "generator",
        "generate_float",
        "images",
        saved_model.generator_function(network, facts),
        lambda batch: saved_model.specs(facts, batch),
        latents_by_name,
    )


def separate(network, facts: sampler.Facts) -> list[Part]:
    """Returns mapping (latents to style vectors) and synthesis (those to images).

    Raises:
      ValueError: a generator without style vectors.
    """
    if not sampler.has_styles(network):
        raise ValueError(
            f"a {type(network).__name__} has no mapping network: separate files are "
            "for StyleGAN2"
        )

    def styles(z, labels, psi):
        return sampler.styles(network, z, labels, psi)

    shape = [network.num_ws, network.w_dim]
    return [
        Part(
            "mapping",
            "map",
            "ws",
            saved_model.generator_function(network, facts, styles),
            lambda batch: saved_model.specs(facts, batch),
            latents_by_name,
        ),
        Part(
            "synthesis",
            "synthesize",
            "images",
            lambda ws: network.synthesize(ws, noise=facts.noise),
            lambda batch: [tf.TensorSpec([batch, *shape], tf.float32, "ws")],
            lambda z, labels, psi: {"ws": styles(z, labels, psi).numpy()},
        ),
    ]


def latents_by_name(z, labels, truncation) -> dict:
    """Returns the inputs of a whole generator by their names."""
    given = {"z": z, "truncation_psi": np.float32(truncation)}
    return given if labels is None else {**given, "labels": labels}


def in_batches(run: Callable, given: dict, batch: int | None) -> np.ndarray:
    """Calls a function of a fixed batch size on any number of rows.

    Args:
      run: {name: array} -> array.
      given: arrays [N, ...], and scalars.
      batch: rows of a call, the last one filled up; None = any number at once.
    """
    if batch is None:
        return run(given)
    count = max(len(value) for value in given.values() if np.ndim(value))
    made = []
    for rows in batches.filled(count, batch):
        made.append(run({k: v[rows] if np.ndim(v) else v for k, v in given.items()}))
    return np.concatenate(made)[:count]
