"""Finds a student for a budget: `dglgan_tf.design --gin_file=G --max_macs=20%`.

Solves for the widths of the generator that `train.generator` names, relative to the
teacher's, and writes a gin file that includes the given one. MACs and parameters are
counted, latency is measured on this machine.
"""

from pathlib import Path

from absl import flags

from dglgan_tf.cli import entry as command_line
from dglgan_tf.cli import gin_flags
from dglgan_tf.config import gin_files
from dglgan_tf.foundation import sentences

gin_flags.define_flags()
_LIMITS = {
    "macs": flags.DEFINE_string(
        "max_macs", None, "Multiply-accumulates of an image: 20% of the teacher, 5.2G."
    ),
    "params": flags.DEFINE_string(
        "max_params", None, "Trainable parameters: 25% of the teacher's, 300k."
    ),
    "latency_ms": flags.DEFINE_string(
        "max_latency_ms", None, "Median time of a call: 50% of the teacher's, 4.5."
    ),
}
_KEEP = flags.DEFINE_list(
    "keep", [], "Places whose width stays the teacher's; 0 is the smallest image."
)
_MAPPING = flags.DEFINE_integer(
    "mapping_layers", None, "Depth of a StyleGAN2's mapping network.", 1
)
_BATCH = flags.DEFINE_integer("batch", 1, "Images of a timed call.", 1)
_ROUNDS = flags.DEFINE_integer("rounds", 20, "Timed calls of each candidate.", 1)
_OUT = flags.DEFINE_string(
    "out", None, "Gin file to write. Default: <gin file>_<measure>.gin, here."
)


def main(argv) -> int:
    """Solves, writes the gin file, prints the table."""
    del argv
    given = {name: f.value for name, f in _LIMITS.items() if f.value is not None}
    if len(given) != 1:
        raise ValueError(
            "give one of --max_macs, --max_params and --max_latency_ms "
            f"(given: {len(given)})"
        )
    if not all(place.strip().isdigit() for place in _KEEP.value):
        raise ValueError(f"keep={','.join(_KEEP.value)} must be numbers from 0")
    configuration = gin_flags.read()
    from dglgan_tf.narrowing import budget
    from dglgan_tf.runs import registry

    registry.register()
    gin_files.bind(configuration)
    ((measure, limit),) = given.items()
    request = budget.Request(
        measure,
        limit,
        tuple(int(place) for place in _KEEP.value),
        _MAPPING.value,
        batch=_BATCH.value,
        rounds=_ROUNDS.value,
    )
    values = flags.FLAGS
    out = _OUT.value or f"{Path(values.gin_file[-1]).stem}_{measure}.gin"
    budget.check_target(out)
    design = budget.solve(request)
    bindings = [*values.gin_param, *values.gin_bindings]
    print(budget.write(out, design, request, values.gin_file, bindings))
    print(f"{budget.sentence(design, request)}\n{out}")
    again = ("python", "-m", "dglgan_tf.compress", f"--gin_file={out}", "--dry_run")
    print(f"next: {sentences.command(*again)}")
    return 0


def entry() -> None:
    """Console script."""
    command_line.run_entry(main)


if __name__ == "__main__":
    entry()
