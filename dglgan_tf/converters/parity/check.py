"""Compares loaded networks with reference outputs: the proof behind a conversion.

A reference is an `.npz` with inputs `in_*`, expected outputs `out_*` in PyTorch layout
(NCHW), and optionally the same in double precision, `f64_*`, which are preferred.
"""

import dataclasses

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.containers.errors import CheckpointError, shown
from dglgan_tf.converters.parity import biggan, stylegan2

TOLERANCE = 1e-4
IMAGE_TOLERANCE = {"stylegan2": 1e-4, "biggan": 2e-5, "biggan_deep": 2e-5}
GRADIENT_TOLERANCE = 1e-3
JIT_TOLERANCE = 5e-4
_GRADIENTS = ("pl_grad", "r1_grad", "r1_penalty_mean_grad_conv0_top")
_OUTPUTS = {
    "stylegan2": stylegan2.outputs,
    "biggan": biggan.outputs,
    "biggan_deep": biggan.deep_outputs,
}


@dataclasses.dataclass(frozen=True)
class Row:
    """One compared array.

    Attributes:
      name: without the prefix `out_`.
      error: largest absolute difference over the largest absolute expected value.
      tolerance: what passes.
    """

    name: str
    error: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the error is within the tolerance; a NaN is not."""
        return self.error <= self.tolerance

    def __str__(self):
        verdict = "ok" if self.passed else "FAILED"
        return f"{self.name:36} {self.error:9.2e}  <= {self.tolerance:.0e}  {verdict}"


def load_reference(path) -> dict[str, np.ndarray]:
    """Reads a reference file.

    Raises:
      CheckpointError: no such file, or no `.npz` of plain arrays with outputs.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, AttributeError, EOFError) as error:
        raise CheckpointError(
            f"{path} is no readable .npz of plain arrays: {shown(str(error), 100)}"
        ) from error
    if not any(name.startswith("out_") for name in arrays):
        raise CheckpointError(
            f"{path} holds no reference outputs: their names start with out_"
        )
    return arrays


def check(loaded, reference: dict, jit_compile: bool = False):
    """Computes all reference outputs that the networks can and compares them.

    Args:
      loaded: `result.Loaded`.
      reference: arrays of `load_reference`.
      jit_compile: computes under XLA (tolerance 5e-4) instead of in graph mode.

    Returns:
      rows: list of `Row`.
      left_out: names of outputs in the reference that were not compared.

    Raises:
      CheckpointError: the reference's inputs do not suit the networks.
    """

    def wrap(function):
        return tf.function(function, jit_compile=jit_compile, autograph=False)

    try:
        found = _OUTPUTS[loaded.family](loaded, reference, wrap)
    except (ValueError, KeyError, tf.errors.InvalidArgumentError) as error:
        raise CheckpointError(
            "the reference does not suit these networks: "
            f"{shown(str(error).splitlines()[0], 200)}"
        ) from error
    names = [n[len("out_") :] for n in reference if n.startswith("out_")]
    rows = [
        compare(
            name, found[name], reference, _tolerance(name, loaded.family, jit_compile)
        )
        for name in names
        if name in found
    ]
    return rows, [name for name in names if name not in found]


def _tolerance(name: str, family: str, jit: bool) -> float:
    if name in _GRADIENTS:
        return GRADIENT_TOLERANCE
    if jit:
        return JIT_TOLERANCE
    if "img" in name or name.startswith(("gfeat", "train_after")):
        return IMAGE_TOLERANCE[family]
    return TOLERANCE


def compare(name: str, found, reference: dict, tolerance: float) -> Row:
    """Compares one output; a reference may hold fewer samples or channels of it."""
    expected = np.asarray(reference.get(f"f64_{name}", reference[f"out_{name}"]))
    found = np.asarray(found, np.float64)
    if expected.ndim == found.ndim + 1 and expected.shape[-1] == 1:
        expected = expected[..., 0]
    if expected.ndim != found.ndim:
        return Row(name, float("inf"), tolerance)
    found = found[tuple(slice(0, size) for size in expected.shape)]
    if expected.shape != found.shape:
        return Row(name, float("inf"), tolerance)
    scale = float(np.abs(expected).max()) if expected.size else 1.0
    difference = float(np.abs(found - expected).max()) if expected.size else 0.0
    error = difference / scale if scale else difference
    return Row(name, error if np.isfinite(error) else float("inf"), tolerance)
