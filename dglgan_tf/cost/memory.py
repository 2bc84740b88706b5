"""Estimates of what a training needs in memory, before anything is built."""

import dataclasses

from dglgan_tf.cost import macs


@dataclasses.dataclass(frozen=True)
class Part:
    """One network's share of a training's memory.

    Attributes:
      name: 'student G', 'teacher D', ...
      cost: from `macs.count`.
      trained: it has gradients and an optimizer.
      ema: a copy with averaged weights is kept.
      kept: bytes that an image takes for a backward pass (`backward.kept_bytes`);
        None = unknown: all tensors of a forward call, an upper bound.
    """

    name: str
    cost: macs.Cost
    trained: bool = True
    ema: bool = False
    kept: int | None = None

    @property
    def image_bytes(self) -> int:
        """Bytes that each image of a step takes."""
        return self.cost.activation_bytes if self.kept is None else self.kept


def training_bytes(parts, microbatch: int, optimizer_slots: int = 2) -> dict[str, int]:
    """Estimates the bytes of one replica's training step.

    Weights, gradients and optimizer slots are exact (float32); the activations are what
    `Part.kept` says, or an upper bound: every tensor of the forward calls, at once, of
    networks that have gradients flowing through them, the frozen ones included.
    Not counted: workspaces of the convolution libraries, the second-order tensors of
    R1 and path length (which run on their own, about twice the activations of one
    network), input batches.

    Args:
      parts: `Part`s of the run.
      microbatch: images of one forward and backward pass on one replica.
      optimizer_slots: floats that the optimizer keeps per weight; 2 for Adam.

    Returns:
      {'weights', 'gradients', 'optimizer', 'ema', 'activations', 'total'} in bytes.
    """
    if microbatch < 1:
        raise ValueError(f"microbatch={microbatch} must be 1 or more")
    weights = sum(4 * part.cost.parameters for part in parts)
    trained = sum(4 * part.cost.parameters for part in parts if part.trained)
    found = {
        "weights": weights,
        "gradients": trained,
        "optimizer": optimizer_slots * trained,
        "ema": sum(4 * part.cost.parameters for part in parts if part.ema),
        "activations": microbatch * sum(p.image_bytes for p in parts),
    }
    return {**found, "total": sum(found.values())}
