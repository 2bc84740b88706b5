"""Scores on disk and in tables: `metric-*.jsonl`, `scores.csv`, repeats.

`metric-<name>.jsonl` has the fields of NVIDIA's tools (results, metric, total_time,
num_gpus, snapshot_pkl as `snapshot`, timestamp) and the protocol; a line is appended in
one write.
"""

import csv
import io
import json
import re
import time
from pathlib import Path

import numpy as np

from dglgan_tf.foundation import atomic, json_files
from dglgan_tf.metrics import protocol

_LINE = {
    "metric": str, "results": dict, "snapshot": str, "timestamp": json_files.NUMBER,
    "images?": json_files.NUMBER, "values": dict, "floor?": (dict, *json_files.NUMBER),
    "protocol": dict,
}  # fmt: skip
_PREFIX, _SUFFIX = "metric-", ".jsonl"


def mean_and_deviation(found: list[dict]) -> dict:
    """Returns one score from repeats of it with different seeds.

    Args:
      found: scores of one metric and protocol.

    Returns:
      the first score with 'value' the mean, and in 'values' mean, the sample standard
      deviation and the number of repeats.
    """
    values = np.array([score["value"] for score in found])
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    merged = dict(found[0], value=float(values.mean()))
    merged["values"] = {
        "mean": float(values.mean()),
        "std_of_repeats": spread,
        "repeats": len(values),
        "each": values.tolist(),
    }
    merged["seconds"] = sum(score.get("seconds", 0.0) for score in found)
    merged["protocol"] = dict(
        found[0]["protocol"], seed=[s["protocol"]["seed"] for s in found]
    )
    return merged


def of_repeats(found: list[dict]) -> dict:
    """Returns a score from its repeats: the only one, or `mean_and_deviation`."""
    return found[0] if len(found) == 1 else mean_and_deviation(found)


def append(folder, score: dict, snapshot: str, images: int | None, replicas: int = 1):
    """Adds a line to `metric-<name>.jsonl` of a folder; returns the line's dict.

    Args:
      folder: the run directory, or any.
      score: of `Evaluator.evaluate`.
      snapshot: file name of what was judged.
      images: training images it had seen; None = unknown.
      replicas: devices that made the images.
    """
    line = {
        "results": {score["metric"]: score["value"]},
        "metric": score["metric"],
        "total_time": score.get("seconds"),
        "num_gpus": replicas,
        "snapshot": snapshot,
        "images": images,
        "timestamp": time.time(),
        "values": score["values"],
        "floor": score["floor"],
        "protocol": score["protocol"],
    }
    path = Path(folder) / f"{_PREFIX}{score['metric']}{_SUFFIX}"
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    return line


def read(folder) -> list[dict]:
    """Returns all lines of a folder's `metric-*.jsonl`, oldest first.

    A line that is not whole (a process was stopped while writing) is left out. Each has
    'value' beside the fields of `append`.
    """
    found = []
    for path in sorted(Path(folder).glob(f"{_PREFIX}*{_SUFFIX}")):
        for text in path.read_text(encoding="utf-8").splitlines():
            try:
                line = json_files.parse(text, path)
                json_files.check(line, _LINE, path)
                value = line["results"][line["metric"]]
                json_files.check(value, json_files.NUMBER, path)
            except (ValueError, KeyError):
                continue
            found.append(line | {"value": value})
    return sorted(found, key=lambda line: line["timestamp"])


def higher_is_better(metric: str) -> bool:
    """Whether a larger score of this name is the better one."""
    return re.match(r"(is|pr|dc)\d", metric) is not None


def best(lines: list[dict], metric: str, force: bool = False) -> dict:
    """Returns the line with the best score of a metric.

    Raises:
      ValueError: none has that metric, or protocols differ (`force` overrides).
    """
    own = [line for line in lines if line["metric"] == metric]
    if not own:
        known = sorted({line["metric"] for line in lines})
        raise ValueError(
            f"no score of {metric} yet (there are {known or 'none'}): evaluate first "
            "with --checkpoints=all"
        )
    protocol.require_comparable(own, force)
    sign = -1 if higher_is_better(metric) else 1
    return min(own, key=lambda line: sign * line["value"])


def write_csv(folder, lines: list[dict], force: bool = False) -> Path:
    """Writes `scores.csv`: a row for each snapshot, the newest score of each metric.

    Raises:
      ValueError: scores of one metric have different protocols (`force` overrides).
    """
    protocol.require_comparable(lines, force)
    rows: dict[str, dict] = {}
    for line in sorted(lines, key=lambda line: line["metric"]):
        row = rows.setdefault(line["snapshot"], {"network": line["snapshot"]})
        row["images"] = line.get("images")
        row |= cells(line)
    return write_table(Path(folder) / "scores.csv", [rows[key] for key in sorted(rows)])


def cells(score: dict) -> dict[str, float | None]:
    """Returns a score's columns: the metric, and `<metric> sd` of repeats, else None.

    A score without repeats takes away the deviation of an earlier one.
    """
    metric, spread = score["metric"], score["values"].get("std_of_repeats")
    return {metric: score["value"], f"{metric} sd": spread}


def write_table(path, rows: list[dict]) -> Path:
    """Writes a table of networks, which `report` reads; see docs/evaluation.md.

    Args:
      path: `scores.csv`, of `evaluate` or of a recipe.
      rows: each with 'network' first, then 'images' (that it was trained on; None =
        unknown), costs where they were measured, and metrics. Columns without any
        value are left out.
    """
    head = dict.fromkeys(key for row in rows for key in row)
    used = [k for k in head if any(row.get(k) is not None for row in rows)]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, used, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    atomic.write(path, stream.getvalue())
    return Path(path)


def sentence(score: dict) -> str:
    """Returns a score on one line, with the floor of the same size beside it."""
    values = score["values"]
    text = f"{score['metric']} {score['value']:.6g}"
    if "std_of_repeats" in values:
        text += f" +- {values['std_of_repeats']:.3g} ({values['repeats']} repeats)"
    elif len(values) == 2:
        others = [f"{key} {value:.6g}" for key, value in values.items()]
        text += f" ({', '.join(others)})"
    floor = score["floor"]
    if floor is not None:
        text += (
            f"; real against real {floor['value']:.6g} with {floor['images']} images"
        )
    return text
