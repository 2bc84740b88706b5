"""Cost of several networks side by side: plain text, CSV and JSON.

The first network is the reference: percentages of the others are of its totals.
"""

import csv
import dataclasses
import io
import json

from dglgan_tf.cost import macs
from dglgan_tf.networks import base

_TOTALS = (
    ("parameters", "parameters"),
    ("MACs, up-conv at input size", "macs"),
    ("MACs, up-conv at output size", "macs_output"),
    ("MACs executed", "executed"),
    ("activations, all (bytes)", "activation_bytes"),
    ("activations, peak (bytes)", "peak_bytes"),
)
_FIELDS = ("parameters", "macs", "macs_output", "executed", "output_bytes")


def count_all(networks: dict) -> dict[str, macs.Cost]:
    """Returns {name: Cost} of {name: network or Cost}."""
    if not networks:
        raise ValueError("networks={} is empty: give at least one network to count")
    return {
        name: macs.count(item) if isinstance(item, base.Network) else item
        for name, item in networks.items()
    }


def compare(
    networks: dict,
    layers: bool = True,
    latency: dict | None = None,
    layer_ms: dict | None = None,
) -> str:
    """Returns a plain-text table of networks side by side.

    Args:
      networks: {'teacher': network or Cost, 'student': ...}.
      layers: False leaves out the rows per layer.
      latency: {name: latency.Latency} measured, added to the totals.
      layer_ms: {name: {path: milliseconds}} of `latency.per_layer`, a column more.

    Returns:
      lines of text: totals with percentages of the first network, then one line per
      layer with its share of each network's total MACs.
    """
    costs = count_all(networks)
    text = render(*totals(costs, latency or {}))
    if layers:
        text += "\n\n" + render(*per_layer(costs, layer_ms or {}))
    return text


def totals(costs: dict, latency: dict) -> tuple[list[str], list[list[str]]]:
    """Returns head and rows of the totals; arguments as of `compare`, all counted."""
    names = list(costs)
    head = ["total"]
    for name in names:
        head += [name, f"% of {names[0]}"] if name != names[0] else [name]
    body = [_line(title, field, costs) for title, field in _TOTALS]
    for title, field in (("latency p50 (ms)", "p50_ms"), ("latency p95", "p95_ms")):
        if set(latency) >= set(names):
            body.append(_line(title, field, latency))
    return head, body


def _line(title, field, items):
    values = [getattr(item, field) for item in items.values()]
    cells = [title, scaled(values[0])]
    for value in values[1:]:
        cells += [scaled(value), _percent(value, values[0])]
    return cells


def per_layer(costs: dict, layer_ms: dict) -> tuple[list[str], list[list[str]]]:
    """Returns head and rows of the layers; arguments as of `compare`, all counted."""
    head = ["layer"]
    for name in costs:
        timed = ["ms"] if name in layer_ms else []
        head += [f"{name} output", "params", "MACs", "%", *timed]
    tables = {n: {row.path: row for row in cost.rows} for n, cost in costs.items()}
    body = []
    for path in _paths(costs.values()):
        cells = [path]
        for name, cost in costs.items():
            cells += _cells(tables[name].get(path), cost)
            if name in layer_ms:
                spent = layer_ms[name].get(path)
                cells.append("-" if spent is None else f"{spent:.3g}")
        body.append(cells)
    return head, body


def _cells(row, cost):
    if row is None:
        return ["-"] * 4
    shape = "x".join(str(size) for size in row.output_shape) or "-"
    share = _percent(row.macs, cost.macs)
    return [shape, scaled(row.parameters), scaled(row.macs), share]


def _paths(costs) -> list[str]:
    """Returns all layers' paths: the first network's order, then what others add."""
    return list(dict.fromkeys(row.path for cost in costs for row in cost.rows))


def render(head: list[str], body: list[list[str]]) -> str:
    """Returns an aligned table: first column left, the others right."""
    widths = [max(len(line[i]) for line in [head, *body]) for i in range(len(head))]

    def line(cells):
        rest = [cell.rjust(w) for cell, w in zip(cells[1:], widths[1:], strict=True)]
        return "  ".join([cells[0].ljust(widths[0]), *rest]).rstrip()

    return "\n".join([line(head), line(["-" * w for w in widths]), *map(line, body)])


def scaled(value: float) -> str:
    """Returns a number with four digits and k, M, G or T."""
    for factor, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 0.99995 * factor:
            return f"{value / factor:.4g} {unit}"
    return f"{value:.4g}"


def _percent(value, whole) -> str:
    return f"{100 * value / whole:.1f}" if whole else "-"


def compare_csv(
    networks: dict, latency: dict | None = None, layer_ms: dict | None = None
) -> str:
    """Returns the rows of all networks as CSV, exact integers, totals last.

    Args:
      networks, latency, layer_ms: as for `compare`; the column `ms` is empty where
        nothing was measured, and the median of a whole call in the line of totals.
    """
    costs = count_all(networks)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["network", "layer", "kind", "output_shape", *_FIELDS, "ms"])
    for name, cost in costs.items():
        spent = (layer_ms or {}).get(name, {})
        for row in cost.rows:
            shape = "x".join(map(str, row.output_shape))
            numbers = [getattr(row, field) for field in _FIELDS]
            milliseconds = spent.get(row.path, "")
            writer.writerow([name, row.path, row.kind, shape, *numbers, milliseconds])
        totals = [sum(getattr(row, field) for row in cost.rows) for field in _FIELDS]
        whole = latency[name].p50_ms if name in (latency or {}) else ""
        writer.writerow([name, "total", "", "", *totals, whole])
    return text.getvalue()


def compare_json(
    networks: dict, latency: dict | None = None, layer_ms: dict | None = None
) -> str:
    """Returns {network: every field of its `macs.Cost`, 'latency', 'layer_ms'} as JSON.

    Args:
      networks, latency, layer_ms: as for `compare`; None where nothing was measured.
    """
    found = {}
    for name, cost in count_all(networks).items():
        timed = (latency or {}).get(name)
        found[name] = dataclasses.asdict(cost) | {
            "latency": timed and dataclasses.asdict(timed),
            "layer_ms": (layer_ms or {}).get(name),
        }
    return json.dumps(found, indent=2)


def speedups(costs: dict, times: dict) -> list[str]:
    """Returns a line for each network after the first: how much faster it is, and why.

    Args:
      costs: {name: macs.Cost}, the reference first.
      times: {name: latency.Latency} measured in turn; empty gives no lines.

    Returns:
      measured speed-up beside the ratio of executed MACs, with a warning where it is
      less than half of that.
    """
    names = [name for name in costs if name in times]
    lines = []
    for name in names[1:]:
        ratio = costs[names[0]].executed / max(costs[name].executed, 1)
        faster = times[names[0]].p50_ms / times[name].p50_ms
        line = (
            f"{name}: {faster:.2f} times as fast as {names[0]} (p50, batch "
            f"{times[name].batch}), executed MACs {ratio:.2f} times fewer"
        )
        if faster < ratio / 2:
            line += (
                "; WARNING: far below the MACs: at this size memory traffic and fixed "
                "costs of each operation dominate, try a larger batch"
            )
        lines.append(line)
    return lines
