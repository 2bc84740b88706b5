"""Gathers what the runs left into results.csv, results.md and plots.

Everything here is read from the run folders, so it can be made again at any time:
`python -m experiments.collect --suite=fashion_biggan --outdir=runs/experiments`.
"""

import csv
import io
import json
from pathlib import Path

import numpy as np
from scipy import stats

from dglgan_tf.foundation import atomic
from dglgan_tf.metrics import scores

TEACHER = "teacher"
COSTS = ("hours", "cpu_hours", "params_k", "mmacs", "speedup")  # columns, no scores


def rows(suite, root: Path) -> list[dict]:
    """Returns one row for each network that was judged, the teacher first.

    Args:
      suite: `arms.Suite`.
      root: its results.
    """
    found = [_row(suite, root / TEACHER, TEACHER, None)]
    for folder in sorted(root.glob("seed*")):
        seed = int(folder.name.removeprefix("seed"))
        for name in suite.arms:
            if (folder / name / "DONE").is_file():
                found.append(_row(suite, folder / name, name, seed))
    return [row for row in found if row is not None]


def _row(suite, folder, name, seed):
    lines = scores.read(folder)
    if not lines:
        return None
    row = {"arm": name, "seed": seed, "images": lines[-1]["images"]}
    for line in lines:
        if isinstance(line["values"], dict) and "precision" in line["values"]:
            row["precision"] = line["values"]["precision"]
            row["recall"] = line["values"]["recall"]
        else:
            row[line["metric"]] = line["value"]
            row[f"floor {line['metric']}"] = line["floor"]
    known = folder / "recognised.json"
    if known.is_file():
        row["recognised"] = json.loads(known.read_text())["recognised"]
    row |= _cost(folder)
    ticks = _ticks(folder)
    if ticks:
        row["hours"] = ticks[-1]["timing/total_sec"] / 3600
    if ticks and all("timing/cpu_sec_per_tick" in tick for tick in ticks):
        used = sum(tick["timing/cpu_sec_per_tick"] for tick in ticks)
        row["cpu_hours"] = used / 3600
    return row


def _cost(folder: Path) -> dict:
    """Returns what `dglgan_tf.profile` counted and timed beside the teacher."""
    path = folder / "cost.json"
    if not path.is_file():
        return {}
    both = json.loads(path.read_text())
    cost = both["network"]
    return {
        "params_k": cost["parameters"] / 1e3,
        "mmacs": cost["executed"] / 1e6,
        "speedup": both["teacher"]["latency"]["p50_ms"] / cost["latency"]["p50_ms"],
    }


def _ticks(folder: Path) -> list[dict]:
    path = folder / "stats.jsonl"
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def paired(found: list[dict], left: str, right: str, column: str) -> dict | None:
    """Returns the mean difference left - right over the seeds that have both.

    Args:
      found: of `rows`.
      left, right: arms.
      column: of the rows.

    Returns:
      {'mean', 'std', 'low', 'high', 'p', 'seeds'}: the 95 % interval and the p value
      are those of the paired t test; None where fewer than two seeds have both.
    """
    values = {(row["arm"], row["seed"]): row[column] for row in found if column in row}
    seeds = sorted({seed for arm, seed in values if arm in (left, right)} - {None})
    both = [s for s in seeds if (left, s) in values and (right, s) in values]
    if len(both) < 2:
        return None
    gaps = np.array([values[left, s] - values[right, s] for s in both])
    mean, spread = gaps.mean(), gaps.std(ddof=1)
    half = stats.t.ppf(0.975, len(gaps) - 1) * spread / np.sqrt(len(gaps))
    p = stats.ttest_1samp(gaps, 0.0).pvalue if spread else float(mean == 0)
    return {
        "mean": float(mean),
        "std": float(spread),
        "low": float(mean - half),
        "high": float(mean + half),
        "p": float(p),
        "seeds": len(gaps),
    }


def table(suite, found: list[dict]) -> str:
    """Returns the results as Markdown: mean and standard deviation of each arm."""
    columns = _columns(found)
    head = ["arm", "what", "seeds", *columns]
    text = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for name in (TEACHER, *suite.arms):
        own = [row for row in found if row["arm"] == name]
        what = "guides" if name == TEACHER else suite.arms[name].meaning
        if not own:
            text.append(f"| {name} | {what} | not run |{' |' * len(columns)}")
            continue
        seeds = "1" if name == TEACHER else str(len(own))
        cells = [_mean_and_deviation(own, column) for column in columns]
        text.append(f"| {name} | {what} | {seeds} | {' | '.join(cells)} |")
    return "\n".join(text)


def _columns(found):
    names = {name: None for row in found for name in row}
    left_out = ("arm", "seed", "images")
    return [n for n in names if n not in left_out and not n.startswith("floor ")]


def _mean_and_deviation(own, column) -> str:
    values = [row[column] for row in own if row.get(column) is not None]
    if not values:
        return ""
    if len(values) == 1:
        return f"{values[0]:.4g}"
    return f"{np.mean(values):.4g} ± {np.std(values, ddof=1):.2g}"


def comparison(found: list[dict], arms, control: str = "b") -> str:
    """Returns the paired differences of arms from the control as Markdown.

    Args:
      found: of `rows`.
      arms: names; those that share fewer than two seeds with the control are left out.
      control: name of the arm that is subtracted.
    """
    text = [
        "| arm - control | score | mean | 95 % interval | p | seeds |",
        "|---|---|---|---|---|---|",
    ]
    columns = [column for column in _columns(found) if column not in COSTS]
    for left in arms:
        for column in columns:
            gap = paired(found, left, control, column)
            if left != control and gap is not None:
                text.append(
                    f"| {left} - {control} | {column} | {gap['mean']:+.4g} | "
                    f"{gap['low']:+.4g} to {gap['high']:+.4g} | {gap['p']:.2g} | "
                    f"{gap['seeds']} |"
                )
    return "\n".join(text)


def diagnosis(suite, root: Path) -> str:
    """Returns what the logs of the guided arms say of the teacher, as Markdown."""
    names = {
        "scores/teacher_real": "teacher D on reals",
        "scores/teacher_fake": "teacher D on student fakes",
        "guidance/ratio": "gradient norm, teacher term over student term",
        "guidance/cosine": "cosine of the two gradients",
        "guidance/balancing_weight": "weight that would balance them",
    }
    text = [f"| run | {' | '.join(names.values())} |", f"|{'---|' * (len(names) + 1)}"]
    for folder in sorted(root.glob("seed*/*")):
        ticks = [t for t in _ticks(folder) if "guidance/ratio" in t]
        if not ticks:
            continue
        half = ticks[len(ticks) // 2 :]
        cells = [
            f"{np.mean([t[name] for t in half if name in t]):.3g}" for name in names
        ]
        run = f"{folder.parent.name}/{folder.name}"
        text.append(f"| {run} | {' | '.join(cells)} |")
    return "\n".join(text) if len(text) > 2 else "No guided arm has run."


def write(suite, root: Path) -> list[Path]:
    """Writes results.csv, results.md and results.png; returns their paths."""
    found = rows(suite, root)
    stream = io.StringIO()
    names = list({name: None for row in found for name in row})
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    atomic.write(root / "results.csv", stream.getvalue())
    floors = {k: v for row in found for k, v in row.items() if k.startswith("floor ")}
    parts = [
        f"# {suite.name}",
        table(suite, found),
        "Real against real: "
        + "; ".join(
            f"{k.removeprefix('floor ')} {_number(v)}" for k, v in floors.items()
        ),
        comparison(found, suite.arms),
        "Means over the second half of each guided run:",
        diagnosis(suite, root),
    ]
    atomic.write(root / "results.md", "\n\n".join(parts) + "\n")
    written = [root / "results.csv", root / "results.md"]
    return written + draw(suite, found, root)


def _number(value) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {_number(v)}" for k, v in value.items())
    return "none" if value is None else f"{value:.3g}"


CURVES = {
    "d/loss": "loss of the student's D",
    "d/score_real": "student's D on reals",
    "g/score_fake": "student's D on fakes",
    "guidance/ratio": "gradient norms, teacher over student",
    "guidance/cosine": "cosine of the two gradients",
}


def draw(suite, found: list[dict], root: Path) -> list[Path]:
    """Draws results.png, curves.png and samples.png; needs matplotlib."""
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError:
        print("no plots: pip install matplotlib")
        return []
    names = [n for n in (TEACHER, *suite.arms) if any(r["arm"] == n for r in found)]
    written = []
    for name, drawing in (
        ("results", scores_of(found, names, pyplot)),
        ("curves", curves_of(root, names, pyplot)),
        ("samples", samples_of(root, names, pyplot)),
    ):
        if drawing is None:
            continue
        written.append(root / f"{name}.png")
        drawing.tight_layout()
        drawing.savefig(written[-1], dpi=120)
        pyplot.close(drawing)
    return written


def scores_of(found: list[dict], names, pyplot):
    """Returns a figure of every score of every seed, and the arms' means."""
    columns = [c for c in _columns(found) if c not in COSTS]
    if not columns:
        return None
    figure, axes = pyplot.subplots(1, len(columns), figsize=(3.4 * len(columns), 3.4))
    for axis, column in zip(np.atleast_1d(axes), columns, strict=True):
        for place, name in enumerate(names):
            own = [r[column] for r in found if r["arm"] == name and column in r]
            axis.plot([place] * len(own), own, "o", alpha=0.7)
            if own:
                axis.plot(place, np.mean(own), "_k", markersize=18)
        axis.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
        axis.set_title(column, fontsize=8)
    return figure


def curves_of(root: Path, names, pyplot):
    """Returns a figure of what the logs hold, the mean of an arm's seeds as a line."""
    found = {n: [_ticks(folder) for folder in root.glob(f"seed*/{n}")] for n in names}
    found = {n: [ticks for ticks in runs if ticks] for n, runs in found.items()}
    if not any(found.values()):
        return None
    figure, axes = pyplot.subplots(1, len(CURVES), figsize=(3.4 * len(CURVES), 3))
    for axis, (key, title) in zip(axes, CURVES.items(), strict=True):
        for number, (name, runs) in enumerate(found.items()):
            lines = [[(t["images"], t[key]) for t in run if key in t] for run in runs]
            lines = [np.array(line) for line in lines if line]
            if not lines:
                continue
            length = min(len(line) for line in lines)
            mean = np.mean([line[:length] for line in lines], axis=0)
            axis.plot(*mean.T, color=f"C{number % 10}", label=name)
        axis.set_title(title, fontsize=8)
        axis.set_xlabel("images of the stage", fontsize=7)
        axis.tick_params(labelsize=6)
        if axis.get_legend_handles_labels()[0]:
            axis.legend(fontsize=6)
    return figure


def samples_of(root: Path, names, pyplot):
    """Returns a figure of each arm's sheet for the same latents, first seed."""
    sheets = {
        name: found[0]
        for name in names
        if (found := sorted([*root.glob(f"{name}/grid.png"),
                             *root.glob(f"seed*/{name}/grid.png")]))
    }  # fmt: skip
    if not sheets:
        return None
    rows = -(-len(sheets) // 4)
    figure, axes = pyplot.subplots(
        rows, 4, figsize=(12, 3.8 * rows), squeeze=False, layout=None
    )
    for axis in axes.flat:
        axis.axis("off")
    for axis, (name, path) in zip(axes.flat, sheets.items(), strict=False):
        axis.imshow(pyplot.imread(path), cmap="gray")
        axis.set_title(name, fontsize=9)
    return figure


def main(argv) -> int:
    """Collects what a suite's folder holds."""
    del argv
    from absl import flags

    from experiments import arms

    suite = arms.SUITES[flags.FLAGS.suite]
    for path in write(suite, Path(flags.FLAGS.outdir) / suite.name):
        print(path)
    return 0


if __name__ == "__main__":
    from dglgan_tf.cli import entry as command_line
    from experiments import run  # noqa: F401  defines the flags

    command_line.run_entry(main)
