"""Memory and work of each phase of a training, from the costs of its networks.

Not counted: workspaces of convolution libraries, batches of input, the process itself
(about 0.8 GiB with TensorFlow).
"""

import dataclasses

from dglgan_tf.cost import memory


@dataclasses.dataclass(frozen=True)
class Use:
    """What a phase does with the networks of one role.

    Attributes:
      kept: times that an image's tensors are held for a backward pass.
      passes: forward, input-gradient and weight-gradient passes over the layers, each
        of which multiplies as often as a forward pass.
    """

    kept: int
    passes: int


# A frozen network that a gradient passes through: 2 passes; a trained one: 3; a
# gradient of a gradient: the first two again with their two derivatives.
_USES = {
    "g": {"g": Use(1, 3), "d": Use(1, 2), "teacher": Use(1, 2)},
    "g_reg": {"g": Use(2, 9)},
    "d": {"g": Use(0, 1), "d": Use(2, 6)},
    "d_reg": {"d": Use(2, 9)},
    "teacher": {"g": Use(0, 1), "teacher": Use(2, 6)},
    "teacher_reg": {"teacher": Use(2, 9)},
    "diagnostics": {"g": Use(0, 1), "d": Use(1, 4), "teacher": Use(1, 4)},
    "drawing": {"g": Use(0, 1)},
}
DRAWING = ("grid", "evaluation")


def uses(phase: str) -> dict[str, Use]:
    """Returns {role: use} of a phase; 'teacher0_reg' is one of 'teacher_reg'."""
    name = "".join(letter for letter in phase if not letter.isdigit())
    if name in DRAWING:
        return _USES["drawing"]
    return _USES.get(name, _USES["g"])


def state_bytes(parts) -> int:
    """Returns what a training holds between its steps: weights, slots, average."""
    found = memory.training_bytes(parts, 1)
    return found["weights"] + found["optimizer"] + found["ema"]


def phase_bytes(parts, phase: str, images: int) -> int:
    """Returns the most bytes that one replica holds while a phase runs.

    Args:
      parts: `memory.Part`s, named by role: 'g', 'd' or 'teacher'.
      phase: as `training.phase.Phase.name`, 'diagnostics', 'grid', 'evaluation', or
        'snapshot', which copies the state to the host.
      images: computed at once.
    """
    state = state_bytes(parts)
    if phase == "snapshot":
        return 2 * state
    total, alive = state, 0
    for part in parts:
        use = uses(phase).get(part.name)
        if use is None:
            continue
        total += use.kept * images * part.image_bytes
        if not use.kept:
            alive = max(alive, images * part.cost.peak_bytes)
        if part.trained and use.passes % 3 == 0:
            total += 4 * part.cost.parameters  # gradients
    return total + alive


def phase_macs(parts, phase: str) -> int:
    """Returns multiply-accumulates of a phase for one image."""
    found = uses(phase)
    return sum(
        found[part.name].passes * part.cost.macs for part in parts if part.name in found
    )


def step_macs(parts, phases) -> float:
    """Returns multiply-accumulates of a mean step.

    Args:
      parts: see `phase_bytes`.
      phases: with `name`, `batch_size`, `interval` and `repeats`.
    """
    return sum(
        item.batch_size * item.repeats / item.interval * phase_macs(parts, item.name)
        for item in phases
    )
