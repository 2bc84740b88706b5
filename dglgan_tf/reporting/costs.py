"""The report's tables of costs: totals and layers of the networks that are shown."""

import json

from dglgan_tf.cost import macs, tables
from dglgan_tf.foundation import run_directory
from dglgan_tf.networks import files, weightless


def count(networks: dict[str, str]) -> dict[str, macs.Cost]:
    """Counts generators without reading their weights.

    Args:
      networks: {name: weights file}, the reference first.

    Returns:
      {name: Cost}; networks of one configuration are counted once, under all their
      names.
    """
    names: dict[str, list[str]] = {}
    for name, path in networks.items():
        file = run_directory.find_weights(str(path))
        held = files.read_header(file)["networks"]
        if not set(held) & set(files.GENERATORS):
            continue
        role = files.generator_role(held, file)
        names.setdefault(json.dumps(held[role], sort_keys=True), []).append(name)
    found = {}
    for description, alike in names.items():
        with weightless.weightless():
            network = files.build_network(json.loads(description))
        found[", ".join(alike)] = macs.count(network)
    return found


def shown(counted: dict[str, macs.Cost]) -> list[dict]:
    """Returns the tables: {'title', 'caption', 'head', 'rows'} each; [] of nothing."""
    if not counted:
        return []
    reference = next(iter(counted))
    head, rows = tables.totals(counted, {})
    layers = tables.per_layer(counted, {})
    return [
        {
            "title": "Totals",
            "caption": f"For one image; percentages are of {reference}. "
            "Up-convolutions count at their input or at their output resolution; "
            "executed is what runs after exact rewrites, filters included.",
            "head": head,
            "rows": rows,
        },
        {
            "title": "Layer by layer",
            "caption": "% is a layer's share of its own network's "
            "multiply-accumulates: width pays where it is large.",
            "head": layers[0],
            "rows": layers[1],
        },
    ]
