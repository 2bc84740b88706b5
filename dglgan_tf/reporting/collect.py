"""Reads what a finished or half-finished recipe left on the disk.

Nothing here fails on a missing part: the report says what is missing. Broken files are
errors that name the file.
"""

import csv
import hashlib
from pathlib import Path

from dglgan_tf.foundation import json_files, run_directory

COSTS = (
    "parameters",
    "macs",
    "weights_bytes",
    "latency_p50_ms",
    "latency_p95_ms",
    "images_per_second",
)
_POINTS = 200
# The forms of what is read, as far as the report needs them (`json_files.check`).
_NUMBER = json_files.NUMBER
_TICK = {"images?": _NUMBER, "timestamp?": _NUMBER, "timing/total_sec?": _NUMBER}
_OPTIONS = {"class_names?": [str], "objective?": dict, "parameters?": {str: _NUMBER}}
_PROTOCOL = {"real?": dict, "num_generated?": _NUMBER, "num_real?": _NUMBER}
_COMPARED = {
    "networks": {str: str},
    "class_names?": [str],
    "protocols?": {str: {"protocol?": _PROTOCOL}},
}
_TIMING = {"threads?": _NUMBER, "p50_ms?": _NUMBER, "p95_ms?": _NUMBER}
_FILE = {
    "bytes": _NUMBER,
    "differences": [{"signature": str, "max": _NUMBER}],
    "timing?": [_TIMING],
}
_DISTANCE = {
    "metric": str,
    "values": {str: _NUMBER},
    "floor?": {"value?": _NUMBER},
    "protocol?": _PROTOCOL,
    "left_out?": dict,
}
_EXPORT = {"files": {str: _FILE}, "distance?": _DISTANCE, "tolerance?": _NUMBER}
# Title, unit, and {label: key of stats.jsonl}; a chart is drawn where a key exists.
CHARTS = (
    ("Generator loss", {"own discriminator": "g/adversarial", "total": "g/loss"}),
    ("Discriminator loss", {"loss": "d/loss"}),
    (
        "Scores of the student's discriminator",
        {"real images": "scores/student_real", "generated": "scores/student_fake"},
    ),
    (
        "Scores of the teacher's discriminator",
        {"real images": "scores/teacher_real", "generated": "scores/teacher_fake"},
    ),
    ("Guidance: its gradient's length over the own one's", {"ratio": "guidance/ratio"}),
    ("Guidance: cosine of the two gradients", {"cosine": "guidance/cosine"}),
)


def recipe(root) -> dict:
    """Returns everything known of one recipe or run directory.

    Args:
      root: folder with stages below it, or one run directory.

    Returns:
      {'name', 'root', 'scores', 'metrics', 'protocols', 'stages', 'networks',
      'class_names', 'export', 'missing'}; see the functions below.

    Raises:
      ValueError: no such folder, nothing of ours in it, or a broken file.
    """
    root = Path(root)
    if not root.is_dir():
        raise ValueError(f"no folder {root}: name a recipe's or a run's folder")
    missing: list[str] = []
    folders = [root, *sorted(p for p in root.iterdir() if p.is_dir())]
    stages = [_stage(f) for f in folders if (f / run_directory.MARKER).is_file()]
    if not stages:
        raise ValueError(
            f"{root} holds no run (no {run_directory.MARKER} in it nor below it): name "
            "the folder that dglgan_tf.compress or dglgan_tf.train wrote"
        )
    stages.sort(key=lambda stage: stage["started"])
    missing += [f"stage {s['name']} is not finished" for s in stages if not s["done"]]
    scores = read_scores(root / "scores.csv")
    if not scores:
        missing.append("no scores.csv: costs and distances were not compared yet")
    compared = _json(root / "comparison.json", _COMPARED)
    networks, names = _networks(root, stages, compared)
    export = _json(root / "export" / "export_report.json", _EXPORT)
    if export is None:
        missing.append("no export: run `python -m dglgan_tf.export`")
    return {
        "name": root.resolve().name,
        "root": str(root),
        "scores": scores,
        "metrics": [key for key in (scores[0] if scores else {}) if is_metric(key)],
        "protocols": (compared or {}).get("protocols") or {},
        "stages": stages,
        "networks": networks,
        "class_names": names,
        "export": export,
        "missing": missing,
    }


def is_metric(column: str) -> bool:
    """Whether a column of scores.csv is a distance or score of images."""
    known = ("network", "images", *COSTS)
    return column not in known and not column.endswith(" sd")


def read_scores(path: Path) -> list[dict]:
    """Returns the rows of scores.csv, numbers as floats; [] where there is none."""
    if not path.is_file():
        return []
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is broken ({error}): compare again") from error
    # `evaluate` of version 56e1311 and before had another name for the first column.
    rows = [{"network": r.pop("snapshot"), **r} if "snapshot" in r else r for r in rows]
    if rows and "network" not in rows[0]:
        raise ValueError(f"{path} has no column 'network': delete it and compare again")
    if any(None in row or None in row.values() for row in rows):
        raise ValueError(f"{path} has rows of several lengths: compare again")
    if any(not row["network"] for row in rows):
        raise ValueError(f"{path} has a row without a network: compare again")
    try:
        return [
            {k: v if k == "network" else _number(v) for k, v in row.items()}
            for row in rows
        ]
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path} is broken ({error}): compare again") from error


def _number(text):
    return float(text) if text.strip() else None


def _json(path: Path, form):
    if not path.is_file():
        return None
    try:
        found = json_files.read(path)
        json_files.check(found, form, path)
        return found
    except ValueError as error:
        raise ValueError(f"{error}: delete it") from error


def _stage(folder: Path) -> dict:
    """Returns one run directory's facts, curves and configuration."""
    directory = run_directory.RunDirectory(folder)
    latest = directory.latest_snapshot()
    stats = _stats(folder / "stats.jsonl")
    config = folder / "operative_config.gin"
    return {
        "name": folder.name,
        "folder": str(folder),
        "done": directory.is_done,
        "started": stats[0].get("timestamp", 0) if stats else float("inf"),
        "images": stats[-1].get("images", 0) if stats else 0,
        "seconds": stats[-1].get("timing/total_sec") if stats else None,
        "options": _json(folder / run_directory.MARKER, _OPTIONS) or {},
        "charts": _charts(stats),
        "config": config.read_text(encoding="utf-8") if config.is_file() else "",
        "snapshot": str(latest) if latest else None,
        "sha256": _hash(latest) if latest else None,
    }


def _hash(path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _stats(path: Path) -> list[dict]:
    """Returns the lines of stats.jsonl; a half-written last one is left out."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    found = []
    for number, line in enumerate(lines):
        try:
            tick = json_files.parse(line, "it")
            json_files.check(tick, _TICK, "it")
            found.append(tick)
        except ValueError as error:
            if number == len(lines) - 1:
                break
            raise ValueError(f"{path}, line {number + 1}: {error}") from error
    return found


def _charts(stats) -> list[dict]:
    """Returns [{'title', 'lines': {label: [(images, value)]}}]."""
    charts = []
    for title, keys in CHARTS:
        lines = {}
        for label, key in keys.items():
            points = [
                (line["images"], line[key])
                for line in stats
                if isinstance(line.get(key), (int, float)) and "images" in line
            ]
            if len(points) > 1:
                lines[label] = points[:: max(1, -(-len(points) // _POINTS))]
        if lines:
            charts.append({"title": title, "lines": lines})
    return charts


def _networks(root: Path, stages, compared) -> tuple[dict[str, str], list[str]]:
    """Returns {name shown: weights file}, the reference first, and class names."""
    names: list[str] = []
    for stage in stages:
        names = stage["options"].get("class_names") or names
    if compared is not None:
        held = {n: _inside(root, p) for n, p in compared["networks"].items()}
        return held, compared.get("class_names") or names
    held = {s["name"]: s["snapshot"] for s in stages if s["snapshot"]}
    return held, names


def _inside(root: Path, path: str) -> str:
    """Returns a path that may be relative to the recipe's folder."""
    own = root / path
    return str(own) if own.is_file() else path
