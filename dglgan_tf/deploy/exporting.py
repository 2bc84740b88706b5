"""One generator into several files, each loaded back and compared before it counts.

Everything is written into a temporary folder beside the target, which takes the
target's place only when all comparisons passed:

    saved_model/  model-float32.tflite  model-float16.tflite  model-dynamic.tflite
    model.onnx  export_report.json  README.md
"""

import dataclasses
import hashlib
import json
import os
from pathlib import Path

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.cost import latency, macs
from dglgan_tf.deploy import (
    card,
    exported,
    onnx_file,
    parts,
    quality,
    saved_model,
    tflite,
)
from dglgan_tf.foundation import atomic, batches, run_directory, seeding
from dglgan_tf.networks import files as weight_files
from dglgan_tf.sampling import sampler

FORMATS = ("saved_model", "tflite", "onnx")
REPORT = exported.REPORT
# Weights of 11 bits and of 8 bits change pixels: these bounds on the mean difference
# catch files that are broken, the report shows how far they are.
_MEAN = {"float16": 0.01, "dynamic": 0.1}


@dataclasses.dataclass(frozen=True)
class Request:
    """What to export and how to check it.

    Attributes:
      network: name as `run_directory.find_weights` takes it.
      outdir: folder to write; new, empty, or an earlier export.
      formats: of `FORMATS`.
      noise: 'const' or 'none'.
      seeds: images that are compared.
      tolerance: largest difference of a float32 file; uint8 may differ by one level.
      rounds: timed calls for each file; 0 leaves out the timing.
      batch: images of a timed call; the fixed batch size of TFLite files.
      static: fix it in ONNX files too.
      separate: write mapping and synthesis of a StyleGAN2 as TFLite and ONNX files of
        their own too; a SavedModel has them as signatures.
      judge: measures the distance of source and files to real images; None = not.
    """

    network: str
    outdir: str
    formats: tuple[str, ...] = ("saved_model",)
    noise: str = "const"
    seeds: tuple[int, ...] = tuple(range(8))
    tolerance: float = 1e-4
    rounds: int = 20
    batch: int = 1
    static: bool = False
    separate: bool = False
    judge: quality.Distance | None = None


def run(request: Request) -> dict:
    """Exports, compares, times and publishes.

    Returns:
      the report; `passed` is False where a difference is above its tolerance, and then
      nothing is left at the target.

    Raises:
      ValueError: the request, a missing package, or a target that holds other things.
    """
    _check(request)
    path = run_directory.find_weights(request.network)
    network, info = weight_files.load_generator(path)
    facts = sampler.generator_facts(network, request.noise, info)
    sampler.prepare(network)
    source = {"file": info["file"], "role": info["role"], "sha256": _hash(info["file"])}
    target = Path(os.path.realpath(request.outdir))
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic.scratch(target.parent, target.name) as temporary:
        report = _fill(temporary, network, facts, source, request)
        if report["passed"]:
            _publish(temporary, target)
        return report


def _check(request):
    unknown = [name for name in request.formats if name not in FORMATS]
    if unknown or not request.formats:
        raise ValueError(
            f"formats={','.join(request.formats)!r} must be one or more of {FORMATS}"
        )
    if request.noise not in ("const", "none"):
        raise ValueError(
            f"noise_mode={request.noise!r} must be const or none: an exported "
            "generator is a function of its inputs"
        )
    for name, value, least in (
        ("seeds", len(request.seeds), 1),
        ("batch", request.batch, 1),
        ("rounds", request.rounds, 0),
    ):
        if value < least:
            raise ValueError(f"{name}={value} must be {least} or more")
    if "onnx" in request.formats:
        for package in ("tf2onnx", "onnxruntime"):
            onnx_file.require(package)
    target = Path(request.outdir)
    if target.exists() and not target.is_dir():
        raise ValueError(f"outdir {target} is a file: name a folder")
    if target.is_dir() and any(target.iterdir()) and not (target / REPORT).is_file():
        raise ValueError(
            f"outdir {target} is not empty and holds no export (no {REPORT}): name a "
            "new folder"
        )


def _hash(path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _fill(folder, network, facts, source, request) -> dict:
    cost = macs.count(network)
    files, calls = _write(folder, network, facts, source, request)
    for name, entry in files.items():
        entry["bytes"] = _size(folder / entry["path"])
        if "differences" not in entry:
            entry["differences"] = _compare(calls[name], facts, request)
        entry["passed"] = _passes(entry, request.tolerance)
    if request.rounds:
        _time(files, calls, facts, request.rounds, request.batch)
    passed = all(entry["passed"] for entry in files.values())
    judged = _judge(calls, network, facts, request.judge) if passed else None
    report = {
        "format": 1,
        "source": source,
        "network": {"class": type(network).__name__, "config": network.get_config()},
        "facts": dataclasses.asdict(facts),
        "parameters": cost.parameters,
        "macs": cost.macs,
        "macs_output": cost.macs_output,
        "executed": cost.executed,
        "tolerance": request.tolerance,
        "seeds": list(request.seeds),
        "tensorflow": tf.__version__,
        "files": files,
        "distance": judged,
        "passed": passed,
    }
    (folder / REPORT).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(card.model_card(report), encoding="utf-8")
    return report


def _write(folder, network, facts, source, request):
    """Writes the files; returns {name: entry} and {name: (part, threads -> runner)}."""
    files, calls = {}, {}
    if "saved_model" in request.formats:
        path = folder / "saved_model"
        saved_model.write(path, network, facts, {"source": source})
        rows = saved_model.differences(path, network, facts, request.seeds)
        entry = {"path": path.name, "precision": "float32", "differences": rows}
        files["saved_model"] = entry
        whole = parts.generator(network, facts)
        calls["saved_model"] = whole, lambda threads, path=path: _saved_model(path)
    made = [parts.generator(network, facts)]
    made += parts.separate(network, facts) if request.separate else []
    for part in made:
        for kind, path, precision, content, opener in _contents(
            network, facts, request, part
        ):
            name = kind if part.name == "generator" else f"{kind}-{part.name}"
            (folder / path).write_bytes(content)
            files[name] = {"path": path, "precision": precision}
            calls[name] = part, lambda n, c=content, o=opener: o(c, n)
    return files, calls


def _contents(network, facts, request, part):
    """Yields (name, path, precision, bytes, opener) of one part's files."""
    stem = "model" if part.name == "generator" else part.name
    for precision in tflite.PRECISIONS if "tflite" in request.formats else ():
        content = tflite.convert(network, facts, precision, request.batch, part)
        path = f"{stem}-{precision}.tflite"
        yield f"tflite-{precision}", path, precision, content, tflite.open_file
    if "onnx" in request.formats:
        batch = request.batch if request.static else None
        content = onnx_file.convert(network, facts, batch, part)
        yield "onnx", f"{stem}.onnx", "float32", content, onnx_file.open_file


def _saved_model(path):
    loaded = exported.from_saved_model(path, trust=True)  # written just now

    def run(given):
        labels = given.get("labels")
        labels = None if labels is None else tf.constant(labels)
        psi = given["truncation_psi"]
        return loaded.generate(tf.constant(given["z"]), labels, psi, None).numpy()

    return run


def _compare(call, facts, request) -> list[dict]:
    """Compares a file's output with the network's, untruncated and truncated."""
    part, make = call
    runner = make(1)
    z = seeding.latents(request.seeds, facts.z_dim)
    labels = None
    if facts.num_classes:
        labels = seeding.random_labels(request.seeds, facts.num_classes)
    size, rows = batches.drawable(len(z), facts.resolution), []
    for psi in (facts.untruncated, 0.7):
        found = []
        for start in range(0, len(z), size):
            few = slice(start, start + size)
            given = part.given(z[few], None if labels is None else labels[few], psi)
            found.append(
                saved_model.difference(runner(given), part.expected(given), psi)
            )
        rows.append({"signature": part.signature, **_joined(found)})
    return rows


def _joined(found) -> dict:
    """Returns the differences of all images from those of a few at a time."""
    images = sum(row["images"] for row in found)
    mean = sum(row["images"] * row["mean"] for row in found) / images
    most = max(row["max"] for row in found)
    return {**found[0], "images": images, "max": most, "mean": mean}


def _passes(entry, tolerance) -> bool:
    """Whether each difference of a file is within what its precision allows."""
    bound = _MEAN.get(entry["precision"])
    if bound is not None:
        return all(row["mean"] <= bound for row in entry["differences"])
    return all(
        row["max"] <= (1 if row["signature"] == "generate" else tolerance)
        for row in entry["differences"]
    )


def _time(files, calls, facts, rounds, batch) -> None:
    """Adds 'timing' to the entries: a batch, interleaved, for 1..N threads."""
    z = seeding.latents(range(batch), facts.z_dim)
    labels = np.zeros([batch], np.int32) if facts.num_classes else None
    given = {
        name: part.given(z, labels, facts.untruncated)
        for name, (part, _) in calls.items()
    }
    cores = os.cpu_count() or 1
    counts = sorted({1, *(n for n in (2, 4, 8) if n <= cores), cores})
    pool = tf.config.threading.get_intra_op_parallelism_threads() or cores
    for threads in counts:
        runners = {name: make(threads) for name, (_, make) in calls.items()}
        if threads != pool:
            runners.pop("saved_model", None)  # TensorFlow's pool is as large as it is
        bound = {
            name: lambda run=run, given=given[name]: run(given)
            for name, run in runners.items()
        }
        if not bound:
            continue
        for name, found in latency.measure(bound, batch, rounds).items():
            row = {"threads": threads, **dataclasses.asdict(found)}
            files[name].setdefault("timing", []).append(row)


def _judge(calls, network, facts, judge) -> dict | None:
    """Returns the distances of the source and of each file to real images."""
    if judge is None:
        return None
    traced = tf.function(
        lambda z, labels: sampler.generate(network, z, labels, None, facts.noise),
        reduce_retracing=True,
    )

    def source(z, labels, truncation):
        del truncation
        labels = None if labels is None else tf.constant(labels)
        return traced(tf.constant(z), labels).numpy()

    cores = os.cpu_count() or 1
    runners = {"source": source}
    for name, (part, make) in calls.items():
        if part.name == "generator":
            runners[name] = _by_position(make(cores))
    return judge.measure(runners, facts)


def _by_position(run):
    return lambda z, labels, psi: run(parts.latents_by_name(z, labels, psi))


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _publish(temporary: Path, target: Path) -> None:
    """Puts the finished folder in the target's place; an earlier export goes last."""
    if not target.exists():
        os.replace(temporary, target)
        return
    with atomic.scratch(target.parent, f"{target.name}.old") as old:
        os.replace(target, old / "export")
        try:
            os.replace(temporary, target)
        except OSError:
            os.replace(old / "export", target)
            raise
