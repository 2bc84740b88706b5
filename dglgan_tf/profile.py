"""Counts and times networks: `python -m dglgan_tf.profile --network=RUN --network=RUN`.

The first network is the reference; percentages of the others are of its totals.
"""

from pathlib import Path

from absl import flags

from dglgan_tf.cli import entry as command_line

_NETWORK = flags.DEFINE_multi_string(
    "network",
    [],
    "[NAME=]run directory, .safetensors file or bundled/NAME; repeat to compare, the "
    "teacher first.",
)
_ROLE = flags.DEFINE_enum(
    "role", "generator", ["generator", "discriminator"], "Which network of a file."
)
_LAYERS = flags.DEFINE_bool("layers", True, "One line for each layer.")
_ROUNDS = flags.DEFINE_integer(
    "rounds", 20, "Timed calls of each network, interleaved; 0 = count only."
)
_BATCH = flags.DEFINE_integer("batch", 1, "Images of a timed call.", lower_bound=1)
_CSV = flags.DEFINE_string("csv", None, "File for all rows and times as CSV.")
_JSON = flags.DEFINE_string(
    "json", None, "File for everything counted and timed as JSON."
)


def main(argv) -> int:
    """Prints the tables; writes the files that were asked for."""
    del argv
    if not _NETWORK.value:
        raise ValueError("no --network given: name a run directory or a file")
    from dglgan_tf.cost import latency, tables
    from dglgan_tf.foundation import atomic

    networks = _load()
    costs = tables.count_all(networks)
    times, layer_ms = {}, {}
    if _ROUNDS.value:
        batch = _BATCH.value
        calls = {n: latency.network_call(item, batch) for n, item in networks.items()}
        times = latency.measure(calls, batch, _ROUNDS.value)
        if _LAYERS.value:
            layer_ms = {n: latency.per_layer(i, batch) for n, i in networks.items()}
    print(tables.compare(costs, _LAYERS.value, times, layer_ms))
    for line in tables.speedups(costs, times):
        print(line)
    if _CSV.value:
        atomic.write(_CSV.value, tables.compare_csv(costs, times, layer_ms))
    if _JSON.value:
        atomic.write(_JSON.value, tables.compare_json(costs, times, layer_ms))
    print(
        "next: python -m dglgan_tf.design --gin_file=... --max_macs=20% finds widths "
        "for a budget; python -m dglgan_tf.export writes files to time on a device"
    )
    return 0


def _load():
    """Returns {name: network} of the flags."""
    from dglgan_tf.foundation import run_directory
    from dglgan_tf.networks import files
    from dglgan_tf.sampling import sampler

    found = {}
    for text in _NETWORK.value:
        name, _, path = text.rpartition("=")
        name = name or Path(path).stem
        if name in found:
            raise ValueError(f"two networks are called {name!r}: write NAME=PATH")
        if _ROLE.value == "generator":
            file = run_directory.find_weights(path)
            found[name] = files.load_generator(file)[0]
            sampler.prepare(found[name])
        else:
            file = run_directory.find_weights(path)
            found[name] = files.load_networks(file, ["discriminator"])["discriminator"]
    return found


def entry() -> None:
    """Console script."""
    command_line.run_entry(main)


if __name__ == "__main__":
    entry()
