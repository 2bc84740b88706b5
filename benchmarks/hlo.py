"""What XLA makes of a training phase: operations that only move data.

    python -m benchmarks.hlo [--family=stylegan2] [--phase=d]

Prints one JSON line: how often each operation stands in the optimized HLO of the loss
and gradient of one microbatch, and the bytes of the largest copies and transposes.
"""

import collections
import json
import re

from absl import flags

from dglgan_tf.cli import entry as command_line

_FAMILY = flags.DEFINE_enum("family", "biggan", ["biggan", "stylegan2"], "Networks.")
_PHASE = flags.DEFINE_enum("phase", "d", ["g", "d"], "Which player's step.")
_MOVES = ("copy", "transpose", "bitcast", "pad", "slice", "concatenate")
_SMALL = {
    "biggan": dict(resolution=32, ch=8, dim_z=40, shared_dim=16, classes=4),
    "stylegan2": dict(resolution=16, channel_base=256, channel_max=16, latent=16),
}
_LINE = re.compile(r"= (\w+)\[([\d,]*)\]\S* ([\w-]+)\(")


def main(argv) -> int:
    """Compiles one phase of a small network and reads the HLO."""
    del argv
    family = _FAMILY.value
    text = compiled({"family": family, "batch": 8, **_SMALL[family]}, _PHASE.value)
    counts, largest = collections.Counter(), collections.Counter()
    for kind, shape, operation in _LINE.findall(text):
        counts[operation] += 1
        if operation in _MOVES and kind == "f32":
            size = 4
            for side in filter(None, shape.split(",")):
                size *= int(side)
            largest[operation] = max(largest[operation], size)
    facts = {"family": family, "phase": _PHASE.value}
    print(json.dumps({**facts, "operations": counts.most_common(25)}))
    print(json.dumps({**facts, "largest_moved_bytes": largest}))
    return 0


def compiled(config: dict, phase: str) -> str:
    """Returns the optimized HLO of a phase's loss and gradient."""
    from benchmarks import ours
    from dglgan_tf.compat import tf
    from dglgan_tf.layers import updates
    from dglgan_tf.ops import resample
    from dglgan_tf.training import draws, game, state

    generator, discriminator, _ = (make() for make in ours.networks(config))
    networks = state.Networks(generator, discriminator, generator)
    goal = ours.goal(config)
    size, side = config["batch"], config["resolution"]
    latents = draws.Latents(generator.z_dim, generator.num_classes)
    seed = tf.constant([1, 2])
    batch = draws.fakes(latents, seed, size, 0, size)
    batch |= {"seed": seed, "images": tf.random.uniform([size, side, side, 3], -1, 1)}
    if generator.num_classes:
        batch["labels"] = batch["fake_labels"]
    losses = {"g": game.generator_loss, "d": game.discriminator_loss}
    variables = {"g": generator, "d": discriminator}[phase].trainable_variables

    @tf.function(jit_compile=True, autograph=False)
    def gradient(batch):
        with resample.use_form("slices"), updates.collect(), tf.GradientTape() as tape:
            loss, _ = losses[phase](goal, networks, batch)
        return tape.gradient(loss, variables, unconnected_gradients="zero")

    return gradient.experimental_get_compiler_ir(batch)(stage="optimized_hlo")


if __name__ == "__main__":
    command_line.run_entry(main)
