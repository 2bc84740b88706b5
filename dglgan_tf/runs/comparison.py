"""What a recipe ends with: teacher, student and control side by side.

A picture of the same seeds, a table of costs and distances, and a SavedModel of the
student. The distance to real images names its feature network (`metrics`).
"""

import contextlib
import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import gin
import numpy as np
from absl import logging

from dglgan_tf.compat import tf
from dglgan_tf.cost import latency, macs, tables
from dglgan_tf.deploy import card, exporting, quality
from dglgan_tf.evaluation import judge, snapshots
from dglgan_tf.foundation import (
    atomic,
    batches,
    pictures,
    run_directory,
    seeding,
    telling,
)
from dglgan_tf.metrics import scores
from dglgan_tf.networks import files

BATCH = 32  # of the throughput; latency is that of one image


@gin.configurable
@dataclasses.dataclass
class Comparison:
    """What to compare, and how.

    Attributes:
      networks: {name: weights}, the reference first: a stage of the recipe, a file, a
        run directory, or 'bundled/NAME'.
      export: the name among `networks` that is exported, to `export/`, or several, each
        to `export/NAME`; None exports nothing.
      formats: of what is exported, see `deploy.exporting`.
      source: makes the real images.
      metrics: names of `dglgan_tf.metrics.names`; empty measures no distance.
      repeats: sets of samples that each distance is the mean of; from 2 on the standard
        deviation stands beside it.
      cache: folder that keeps what is known of the real images; None = not kept.
      rows: seeds shown, for conditional networks one of each class in turn.
      latency_rounds: timed calls of each network, in turn.
    """

    networks: dict[str, str] = gin.REQUIRED
    export: str | Sequence[str] | None = None
    formats: Sequence[str] = ("saved_model",)
    source: Callable = gin.REQUIRED
    metrics: Sequence[str] = ("kid2k[efficientnet_lite0]",)
    repeats: int = 1
    cache: str | None = None
    rows: int = 10
    latency_rounds: int = 50


def run(root, wanted: Comparison) -> Path:
    """Writes comparison.png, comparison.txt, scores.csv and the SavedModel.

    Args:
      root: folder of the recipe.
      wanted: what to compare.

    Returns:
      the picture's path.

    Raises:
      ValueError: a network without generator, or other images than the source's.
    """
    root = Path(root)
    exported = _exported(root, wanted)
    source = wanted.source()
    paths = {n: run_directory.find_weights(w, root) for n, w in wanted.networks.items()}
    generators = {n: files.load_generator(path)[0] for n, path in paths.items()}
    picture = root / "comparison.png"
    pictures.save_png(picture, draw(generators, source.class_names, wanted.rows))
    costs = {name: macs.count(network) for name, network in generators.items()}
    calls = {n: latency.network_call(g) for n, g in generators.items()}
    speeds = latency.measure(calls, rounds=wanted.latency_rounds)
    size = batches.drawable(BATCH, next(iter(generators.values())).resolution)
    calls = {n: latency.network_call(g, size) for n, g in generators.items()}
    rates = latency.measure(calls, size, rounds=max(wanted.latency_rounds // 5, 1))
    rows = [
        {
            "network": name,
            "images": snapshots.images_seen(paths[name]),
            "parameters": costs[name].parameters,
            "macs": costs[name].macs,
            "weights_bytes": 4 * costs[name].parameters,
            "latency_p50_ms": round(speeds[name].p50_ms, 3),
            "latency_p95_ms": round(speeds[name].p95_ms, 3),
            "images_per_second": round(rates[name].images_per_second, 1),
        }
        for name in generators
    ]
    with contextlib.ExitStack() as stack:
        opened = _open_judge(source, wanted.metrics, wanted.cache)
        if opened is not None:
            stack.callback(opened.close)
        measured = _add_scores(root, rows, paths, opened, wanted.repeats)
        notes = tables.speedups(costs, speeds)
        _write(root, rows, measured, paths, source.class_names, notes)
        for name, folder in exported.items():
            _export(paths[name], folder, opened, wanted.formats)
    return picture


def _exported(root, wanted) -> dict[str, Path]:
    """Returns {name of a network: folder of its export}."""
    names = wanted.export or ()
    if isinstance(names, str):
        found = {names: root / "export"}
    else:
        found = {n: root / "export" / run_directory.plain_name(n) for n in names}
    for name in found:
        if name not in wanted.networks:
            raise ValueError(
                f"Comparison.export={wanted.export!r} must be one of "
                f"{list(wanted.networks)}"
            )
    return found


def _write(root, rows, measured, paths, class_names, notes):
    """Writes scores.csv, comparison.json and comparison.txt; logs the table."""
    scores.write_table(root / "scores.csv", rows)
    names = {name: _inside(root, path) for name, path in paths.items()}
    described = {"networks": names, "class_names": list(class_names)}
    described["protocols"] = measured
    floors = {metric: found["floor"] for metric, found in measured.items()}
    atomic.write(root / "comparison.json", json.dumps(described, indent=2) + "\n")
    text = "\n".join([_as_text(rows, floors), *notes])
    atomic.write(root / "comparison.txt", text + "\n")
    for line in text.splitlines():
        logging.info("%s", line)


def _inside(root, path) -> str:
    """Returns a path relative to the recipe's folder where it lies in it."""
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


def draw(generators: dict, class_names: Sequence[str], rows: int) -> np.ndarray:
    """Returns the picture: one row a seed, three seeds a network.

    Args:
      generators: {name: generator}; equal `z_dim` and class count give them the same
        latents and classes.
      class_names: captions of the rows of conditional networks.
      rows: how many.

    Returns:
      [height, width, 3] uint8.
    """
    columns, sets, captions = 4, {}, ()
    for name, generator in generators.items():
        labels = None
        if generator.num_classes:
            classes = np.arange(rows) % generator.num_classes
            labels = tf.constant(np.repeat(classes, columns), tf.int32)
            if class_names:
                captions = [class_names[c] for c in classes]
        z = seeding.latents(range(rows * columns), generator.z_dim)
        made = generator(tf.constant(z), labels, training=False)
        sets[name] = pictures.to_uint8(made.numpy())
    return pictures.panels(sets, columns, captions)


def _open_judge(source, metrics, cache):
    """Returns the judge of the metrics; None without any, or where it cannot be."""
    if not metrics:
        return None
    try:
        return judge.open_judge(source, metrics, cache=cache)
    except ValueError as error:
        logging.warning("no distance to real images is measured: %s", error)
        return None


def _add_scores(root, rows, paths, opened, repeats):
    """Adds each metric to the rows, and a line for each to the `metric-*.jsonl`.

    Returns:
      {metric: {'floor', 'protocol', 'repeats'}}, the protocol without the networks.
    """
    if repeats < 1:
        raise ValueError(f"Comparison.repeats={repeats} must be 1 or more")
    measured = {}
    for row in rows if opened is not None else ():
        path = paths[row["network"]]
        subject = opened.subject(path)
        told = telling.progress(f"judging {row['network']}")
        drawn = [opened.evaluate(subject, seed, told) for seed in range(repeats)]
        for repeated in zip(*drawn, strict=True):
            score = scores.of_repeats(list(repeated))
            scores.append(root, score, _inside(root, path), row.get("images"))
            row |= scores.cells(score)
            measured[score["metric"]] = {
                "floor": score["floor"],
                "protocol": _of_all(score["protocol"]),
                "repeats": repeats,
            }
    return measured


def _of_all(protocol) -> dict:
    """Returns a protocol without the name of the network that was judged by it."""
    generated = protocol.get("generated", {})
    named = {key: value for key, value in generated.items() if key != "network"}
    return {**protocol, "generated": named}


def _as_text(rows, floors) -> str:
    reference = rows[0]
    head = ["network", "parameters", "%", "MACs", "%", "float32 size"]
    head += ["latency p50", f"img/s at batch {BATCH}"]
    body = []
    names = [key for key in reference if key in floors]
    for row in rows:
        body.append(
            [
                row["network"],
                f"{row['parameters']:,}",
                f"{100 * row['parameters'] / reference['parameters']:.1f}",
                tables.scaled(row["macs"]),
                f"{100 * row['macs'] / reference['macs']:.1f}",
                f"{row['weights_bytes'] / 1e6:.2f} MB",
                f"{row['latency_p50_ms']:.2f} ms",
                f"{row['images_per_second']:.0f}",
                *(_score(row, name) for name in names),
            ]
        )
    text = tables.render(head + names, body)
    for name in names:
        if floors[name] is not None:
            text += f"\n{name}: real against real {_floor(floors[name])}"
    return text


def _score(row, name) -> str:
    deviation = row.get(f"{name} sd")
    text = f"{row[name]:.5g}"
    return text if deviation is None else f"{text} ± {deviation:.2g}"


def _floor(floor) -> str:
    if isinstance(floor, dict):
        return ", ".join(f"{key} {value:.5g}" for key, value in floor.items())
    return f"{floor:.5g}"


def _export(path, folder, opened, formats):
    measured = None if opened is None else quality.Distance(opened)
    report = exporting.run(
        exporting.Request(
            network=str(path),
            outdir=str(folder),
            formats=tuple(formats),
            judge=measured,
        )
    )
    for line in card.differences_table(report).splitlines():
        logging.info("%s", line)
    if not report["passed"]:
        raise ValueError(
            f"the export of {path} differs from its source by more than the tolerance: "
            "nothing was written"
        )
