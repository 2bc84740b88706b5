"""Collected facts and pictures into one HTML file that needs nothing else."""

from pathlib import Path

import dglgan_tf
from dglgan_tf.deploy import card
from dglgan_tf.foundation import sentences
from dglgan_tf.reporting import charts, claims, collect, costs

LARGEST_BYTES = 5_000_000
_LABELS = {
    "images": "trained on",
    "parameters": "parameters",
    "macs": "MACs",
    "weights_bytes": "float32 size",
    "latency_p50_ms": "p50 ms",
    "latency_p95_ms": "p95 ms",
    "images_per_second": "img/s",
}


def require_jinja2():
    """Returns the jinja2 module.

    Raises:
      ValueError: it is not installed; says what to install.
    """
    try:
        import jinja2
    except ImportError as error:
        raise ValueError(
            f"the report needs jinja2, which is not available here ({error}): install "
            "it with `pip install jinja2`"
        ) from error
    return jinja2


def render(recipes: list[dict], pictures: dict, counted: dict) -> str:
    """Returns the page.

    Args:
      recipes: of `collect.recipe`, the first one is what the report is about.
      pictures: of `pictures.draw`, or {} for none.
      counted: of `costs.count`, or {} for none.
    """
    jinja2 = require_jinja2()
    main = recipes[0]
    sheets = pictures.get("sheets", {})
    names = list(sheets)
    second = names[min(1, len(names) - 1)] if names else None
    guided = [name for name in names[1:] if "guided" in name]
    second = guided[0] if guided else second
    head, rows = _scores(main)
    export_head, export_rows = _export(main["export"])
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    source = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    text = environment.from_string(source).render(
        title=f"Compression report: {main['name']}",
        claim=claims.claim(main),
        version=dglgan_tf.__version__,
        metrics=main["metrics"],
        missing=_missing(recipes),
        pictures=pictures,
        truncations=list(sheets[names[0]]) if names else [],
        second=names.index(second) + 1 if names else 0,
        tiles=claims.tiles(main),
        protocols=claims.protocols(main),
        left_name=names[0] if names else "",
        right_name=second or "",
        left_sheet=sheets[names[0]]["none"] if names else "",
        right_sheet=sheets[second]["none"] if names else "",
        width=_width(pictures),
        class_columns=_class_columns(pictures),
        scores=main["scores"],
        score_head=head,
        score_rows=rows,
        notes=claims.slower_than_macs(main["scores"]),
        cost_tables=costs.shown(counted),
        pareto=_pareto(recipes),
        stages=_stages(recipes),
        export_head=export_head,
        export_rows=export_rows,
        export_distance=card.distance_text(main["export"] or {}),
        commands=_commands(recipes),
    )
    if len(text.encode()) > LARGEST_BYTES:
        raise ValueError(
            f"the report has {len(text.encode()) / 1e6:.1f} MB, more than "
            f"{LARGEST_BYTES / 1e6:.0f}: name fewer runs"
        )
    return text


def _missing(recipes) -> list[str]:
    several = len(recipes) > 1
    return [
        f"{found['name']}: {line}" if several else line
        for found in recipes
        for line in found["missing"]
    ]


def _width(pictures) -> int:
    """Width of the sheets in pixels: small images are shown at least 96 px wide."""
    size = pictures.get("size", 0)
    return pictures.get("columns", 0) * max(96, size)


def _class_columns(pictures) -> list[str]:
    rows = pictures.get("per_class") or [{}]
    return [name for name in rows[0] if name != "class"]


def _scores(found):
    """Returns head and rows of the table of scores.csv, percentages added."""
    rows = found["scores"]
    if not rows:
        return [], []
    shown = {"network", *(f"{metric} sd" for metric in found["metrics"])}
    columns = [key for key in rows[0] if key not in shown]
    columns.sort(key=lambda key: key in collect.COSTS)  # what matters most first
    head, body = ["network"], [[row["network"]] for row in rows]
    for column in columns:
        head.append(_LABELS.get(column, column))
        if column in ("parameters", "macs"):
            head.append("%")
        for cells, row in zip(body, rows, strict=True):
            if column in found["metrics"] and row[column] is not None:
                cells.append(claims.score(row, column, 4))
            else:
                cells.append(claims.cell(column, row[column]))
            if column in ("parameters", "macs"):
                whole = rows[0][column]
                known = row[column] is not None and whole
                cells.append(f"{100 * row[column] / whole:.1f}" if known else "-")
    return head, body


def _pareto(recipes) -> list[dict]:
    """Returns charts of the first distance against cost, over all runs."""
    metrics = recipes[0]["metrics"][:1]
    if not metrics:
        return []
    several = len(recipes) > 1
    found = []
    for column in ("macs", "weights_bytes", "latency_p50_ms"):
        points = [
            {
                "label": f"{r['name']}: {row['network']}"
                if several
                else row["network"],
                "x": row.get(column),
                "y": row.get(metrics[0]),
            }
            for r in recipes
            for row in r["scores"]
        ]
        title = f"{metrics[0]} against {_LABELS[column]}"
        svg = charts.scatter(title, points, _LABELS[column])
        if svg:
            found.append({"title": title, "svg": svg})
    return found


def _stages(recipes) -> list[dict]:
    several = len(recipes) > 1
    return [
        {
            **stage,
            "took": _duration(stage["seconds"]),
            "recipe": f"{found['name']}/" if several else "",
            "charts": [
                {"title": c["title"], "svg": charts.lines(c["title"], c["lines"])}
                for c in stage["charts"]
            ],
        }
        for found in recipes
        for stage in found["stages"]
    ]


def _duration(seconds) -> str:
    """Returns a time as one reads it; '' for None."""
    if not seconds:
        return ""
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return (
        f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} h"
    )


def _export(report):
    """Returns head and rows of the table of an export report."""
    if report is None:
        return [], []
    head = ["file", "bytes", "largest difference", "threads", "p50 ms", "p95 ms"]
    judged = report.get("distance") or {"values": {}}
    if judged["values"]:
        head.append(judged["metric"])
    body = []
    for name, entry in report["files"].items():
        floats = [
            d["max"] for d in entry["differences"] if d["signature"] != "generate"
        ]
        timing = entry.get("timing") or [{}]
        for row in timing:
            times = [row.get(key) for key in ("p50_ms", "p95_ms")]
            body.append(
                [
                    name,
                    f"{entry['bytes']:,}",
                    f"{max(floats):.1e}" if floats else "-",
                    str(row.get("threads", "-")),
                    *("-" if t is None else f"{t:.4g}" for t in times),
                    *_judged(judged["values"], name),
                ]
            )
    if "source" in judged["values"]:
        source = ["(source)", *["-"] * 5, *_judged(judged["values"], "source")]
        body.append(source)
    return head, body


def _judged(values, name) -> list[str]:
    """Returns the cell of a file's distance to real images; no cell without any."""
    if not values:
        return []
    return [f"{values[name]:.4g}" if name in values else "-"]


def _commands(recipes) -> str:
    lines = []
    for found in recipes:
        last = found["stages"][-1]
        lines += [
            f"# {found['name']}: the same stages again, from their configurations",
            *(
                _ours("train", f"--gin_file={s}/config.gin", f"--run_dir={s}")
                for s in (stage["folder"] for stage in found["stages"])
            ),
            _ours("sample", f"--network={last['folder']}", "--grid"),
            _ours("export", f"--network={last['folder']}"),
        ]
    return "\n".join(lines)


def _ours(name, *flags) -> str:
    return sentences.command("python", "-m", f"dglgan_tf.{name}", *flags)
