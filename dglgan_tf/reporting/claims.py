"""What the report says of its numbers: the claim, the tiles, the warnings."""

import math

from dglgan_tf.cost import tables
from dglgan_tf.metrics import scores as metrics_scores


def claim(found: dict) -> str:
    """Returns the report's first sentences: the verdict, what was saved, the cost."""
    scores = found["scores"]
    if len(scores) < 2:
        return f"{found['name']}: no comparison of teacher and student yet."
    if not any(row.get("parameters") for row in scores):
        return _of_snapshots(found)
    teacher = scores[0]
    student = student_of(scores)
    text = (
        f"{student['network']} keeps {_share(student, teacher, 'parameters')} of the "
        f"parameters and {_share(student, teacher, 'macs')} of the "
        f"multiply-accumulates of {teacher['network']}"
    )
    times = [row.get("latency_p50_ms") for row in (student, teacher)]
    if all(times):
        text += f", and takes {times[0]:.3g} ms for an image instead of {times[1]:.3g}"
    for metric in found["metrics"][:1]:
        values = [
            f"{row['network']} {score(row, metric)}"
            for row in scores
            if row.get(metric) is not None
        ]
        text += f"; {metric}: {', '.join(values)}"
    return " ".join([*verdicts(found), f"{text[0].upper()}{text[1:]}."])


def verdicts(found: dict) -> list[str]:
    """Returns a sentence for each guided student whose unguided twin was judged too."""
    said = []
    for metric in found["metrics"][:1]:
        rows = {
            row["network"]: row
            for row in found["scores"]
            if row.get(metric) is not None
        }
        for name, row in rows.items():
            twin = name.replace("guided", "control")
            twin = rows.get(twin) or rows.get(twin.removesuffix(" student"))
            if twin is not None and twin is not row:
                said.append(_verdict(row, twin, metric))
    return said


def _verdict(row, twin, metric) -> str:
    better = (twin[metric] - row[metric]) * (
        -1 if metrics_scores.higher_is_better(metric) else 1
    )
    spread = math.hypot(row.get(f"{metric} sd") or 0, twin.get(f"{metric} sd") or 0)
    values = (
        f"{row['network']} has {metric} {score(row, metric)}, its unguided control "
        f"{score(twin, metric)}"
    )
    if abs(better) <= 2 * spread:
        return f"No difference beyond the repeats' spread: {values}."
    if better > 0:
        return f"Guidance helps: {values}."
    return (
        f"Guidance does not help here: {values}; try another guidance weight, or "
        "longer stages."
    )


def _of_snapshots(found) -> str:
    """Returns the first sentence about snapshots that `evaluate` judged."""
    text = f"{found['name']}: {len(found['scores'])} networks were judged"
    for metric in found["metrics"][:1]:
        known = [row for row in found["scores"] if row.get(metric) is not None]
        if known:
            text += f"; {metric} of {known[-1]['network']}: {score(known[-1], metric)}"
    return f"{text}."


def student_of(scores: list[dict]) -> dict:
    """Returns the row that the report is about: the guided one, else the second."""
    return next((row for row in scores[1:] if "guided" in row["network"]), scores[1])


def _share(row, reference, key) -> str:
    if not row.get(key) or not reference.get(key):
        return "an unknown share"
    return f"{100 * row[key] / reference[key]:.1f} %"


def score(row: dict, metric: str, digits: int = 3) -> str:
    """Returns a row's score, with its standard deviation over seeds where known."""
    text, deviation = f"{row[metric]:.{digits}g}", row.get(f"{metric} sd")
    return text if deviation is None else f"{text} ± {deviation:.2g}"


def cell(column: str, value: float | None) -> str:
    """Returns a number of scores.csv as the tables show it; '-' for None."""
    if value is None:
        return "-"
    if column in ("parameters", "images"):
        return f"{value:,.0f}"
    if column == "weights_bytes":
        return f"{tables.scaled(value)}B"
    if column == "macs":
        return tables.scaled(value)
    return f"{value:.4g}"


def tiles(found) -> list[dict]:
    """Returns the page's first numbers: {'value', 'label', 'detail'} each."""
    rows = found["scores"]
    if len(rows) < 2 or not any(row.get("parameters") for row in rows):
        return []
    teacher, student = rows[0], student_of(rows)
    shown = []
    for column, label in (("parameters", "of the parameters"), ("macs", "of the MACs")):
        if teacher.get(column) and student.get(column) is not None:
            cells = [cell(column, row[column]) for row in (student, teacher)]
            share = f"{100 * student[column] / teacher[column]:.1f} %"
            detail = f"{cells[0]} of {cells[1]}"
            shown.append({"value": share, "label": label, "detail": detail})
    times = [row.get("latency_p50_ms") for row in (student, teacher)]
    if all(times):
        shown.append(
            {
                "value": f"{times[1] / times[0]:.2f}×",
                "label": "as fast, one image",
                "detail": f"{times[0]:.3g} ms instead of {times[1]:.3g} ms",
            }
        )
    for metric in found["metrics"][:1]:
        others = [r for r in rows if r is not student and r.get(metric) is not None]
        if student.get(metric) is not None:
            text = ", ".join(f"{r['network']} {score(r, metric)}" for r in others)
            value, _, deviation = score(student, metric).partition(" ± ")
            label = f"± {deviation} {metric}" if deviation else metric
            label = label.replace("[", "\u200b[")  # where a line may break
            shown.append({"value": value, "label": label, "detail": text})
    return shown


def protocols(found) -> list[str]:
    """Returns a sentence for each metric: how it was measured."""
    lines = []
    for metric, known in found["protocols"].items():
        protocol, floor = known.get("protocol") or {}, known.get("floor")
        parts = [
            f"{protocol[key]:,} {text}"
            for key, text in (("num_generated", "generated"), ("num_real", "real"))
            if isinstance(protocol.get(key), int)
        ]
        data = (protocol.get("real") or {}).get("data")
        parts += [f"data {data}"] if data else []
        for key in ("extractor", "resize", "subsets", "seed", "repeats"):
            value = known.get(key, protocol.get(key))
            if value is not None:
                parts.append(f"{key} {value}")
        floor = floor.get("value") if isinstance(floor, dict) else floor
        if isinstance(floor, (int, float)):
            parts.append(f"real against real {floor:.2g}")
        lines.append(f"{metric}: {', '.join(parts)}.")
    return lines


def slower_than_macs(rows) -> list[str]:
    """Returns a sentence about networks whose speed-up is far below their MACs."""
    found = []
    for row in rows[1:]:
        numbers = [r.get(k) for r in (rows[0], row) for k in ("macs", "latency_p50_ms")]
        if not all(numbers):
            continue
        fewer, faster = numbers[0] / numbers[2], numbers[1] / numbers[3]
        if faster < fewer / 2:
            found.append(
                f"{row['network']} ({fewer:.1f} times fewer MACs, {faster:.1f} times "
                "as fast)"
            )
    if not found:
        return []
    return [
        f"On one image the speed-up over {rows[0]['network']} is far below the ratio "
        f"of MACs: {', '.join(found)}. Fixed costs of each operation and memory "
        "traffic dominate at this size."
    ]
