"""The text beside an export: what it is, how to call it, how exact and fast it is."""

from pathlib import Path

from dglgan_tf.cost import tables


def differences_table(report: dict) -> str:
    """Returns the comparison with the source as a plain-text table."""
    body = []
    for name, entry in report["files"].items():
        for row in entry["differences"]:
            body.append(
                [
                    name,
                    row["signature"],
                    f"{row['truncation']:g}",
                    str(row["images"]),
                    f"{row['max']:.2e}",
                    f"{row['mean']:.2e}",
                    "ok" if entry["passed"] else "ABOVE TOLERANCE",
                ]
            )
    head = "file signature truncation images max mean verdict".split()
    return tables.render(head, body)


def files_table(report: dict) -> str:
    """Returns sizes, times and distances to real images as a plain-text table."""
    body = []
    judged = report.get("distance") or {}
    for name, entry in report["files"].items():
        size = f"{entry['bytes'] / 2**20:.2f}"
        timing = entry.get("timing") or [None]
        for row in timing:
            cells = ["-"] * 4
            if row is not None:
                numbers = (row["p50_ms"], row["p95_ms"], row["images_per_second"])
                cells = [str(row["threads"]), *(f"{n:.4g}" for n in numbers)]
            body.append([name, size, *cells, *_distance(judged, name)])
    head = ["file", "MiB", "threads", "p50 ms", "p95 ms", "images/s"]
    if judged:
        head.append(judged["metric"])
        body.append(["(source)", *["-"] * 5, *_distance(judged, "source")])
    return tables.render(head, body)


def _distance(judged, name) -> list[str]:
    """Returns the cell of a file's distance; no cell where none was asked for."""
    if not judged:
        return []
    value = judged["values"].get(name)
    return ["-" if value is None else f"{value:.5g}"]


def distance_text(report: dict) -> str:
    """Returns what the distances mean, in a sentence or two; '' without any."""
    judged = report.get("distance")
    if not judged:
        return ""
    text = ""
    if judged["protocol"]:
        real = judged["protocol"].get("real") or {}
        text = (
            f"{judged['metric']}: distance to real images"
            f"{_of(real)}, smaller is better, every file through its own runtime on "
            "the same latents as the source."
        )
        floor = judged["floor"]
        floor = floor.get("value") if isinstance(floor, dict) else floor
        if floor is not None:
            text += f" Real against real: {floor:.2g}."
    for name, reason in judged["left_out"].items():
        text += f" Not measured for {name}: {reason}."
    return text.strip()


def _of(real) -> str:
    name = real.get("data") or real.get("file") or real.get("statistics")
    return f" ({name})" if name else ""


def model_card(report: dict) -> str:
    """Returns the README.md of an export folder."""
    facts = report["facts"]
    shape = "x".join(str(facts[k]) for k in ("resolution", "resolution"))
    classes = facts["num_classes"]
    labels = f"`labels` [N] int32, 0 to {classes - 1}; " if classes else ""
    space = {
        "w": "`truncation_psi` [] float32 pulls style vectors to their mean (1 = none)",
        "z": "`truncation_psi` [] float32 confines latents to that threshold "
        f"({facts['untruncated']:g} and more = none)",
    }[facts["truncation"]]
    names = ", ".join(facts["class_names"])
    return _CARD.format(
        kind=report["network"]["class"],
        shape=shape,
        channels=facts["num_channels"],
        front=_front(report),
        source=f"{Path(report['source']['file']).name} ({report['source']['role']})",
        sha=report["source"]["sha256"],
        parameters=tables.scaled(report["parameters"]),
        macs=tables.scaled(report["macs"]),
        z_dim=facts["z_dim"],
        labels=labels,
        space=space,
        names=f"Classes: {names}.\n" if names else "",
        calls="\n".join(_calls(report["files"], facts)),
        files=files_table(report),
        distance=f"{distance_text(report)}\n\n" if report.get("distance") else "",
        differences=differences_table(report),
        seeds=len(report["seeds"]),
    )


def _front(report) -> str:
    """Returns the front matter that a model hub reads (YAML between dashes)."""
    tags = ["gan", "image-generation", "dglgan_tf", report["network"]["class"]]
    lines = ["library_name: tf-keras", "pipeline_tag: unconditional-image-generation"]
    return "\n".join(["---", *lines, "tags:", *(f"- {t}" for t in tags), "---"])


def _calls(files, facts):
    """Yields how each kind of file that is there is called, in its own language."""
    known = {entry["path"]: name for name, entry in files.items()}
    classes = facts["num_classes"]
    values = {
        "z_dim": facts["z_dim"],
        "untruncated": facts["untruncated"],
        "tensors": ", labels=tf.constant([0] * 4)" if classes else "",
        "arrays": ', "labels": np.zeros(4, np.int32)' if classes else "",
        "one": ", labels=np.zeros(1, np.int32)" if classes else "",
        "script": ", labels: new ort.Tensor('int32', new Int32Array(1), [1])"
        if classes
        else "",
    }
    for ending, text in (
        ("saved_model", _SAVED_MODEL), (".onnx", _ONNX), (".tflite", _LITERT),
    ):  # fmt: skip
        paths = [path for path in known if path.endswith(ending)]
        if paths:
            yield text.format(path=paths[0], **values)


_SAVED_MODEL = """\
```python
import tensorflow as tf

model = tf.saved_model.load("{path}")
z = tf.random.normal([4, {z_dim}])
images = model.signatures["generate"](
    z=z, truncation_psi=tf.constant({untruncated}){tensors})["images"]
images = model.call(z)  # float32, with defaults for the rest
```
"""
_ONNX = """\
```python
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("{path}")
z = np.random.randn(4, {z_dim}).astype(np.float32)
images = session.run(None, {{"z": z{arrays}}})[0]  # truncation_psi may be left out
```

```js
const ort = require('onnxruntime-web');  // or onnxruntime-node

const session = await ort.InferenceSession.create('{path}');
const z = new ort.Tensor('float32', normal({z_dim}), [1, {z_dim}]);  // normal: yours
const {{ images }} = await session.run({{ z{script} }});
```
"""
_LITERT = """\
```python
import numpy as np
from ai_edge_litert.interpreter import Interpreter

run = Interpreter("{path}").get_signature_runner()
z = np.random.randn(1, {z_dim}).astype(np.float32)
images = run(z=z, truncation_psi=np.float32({untruncated}){one})["images"]
```
"""
_CARD = """\
{front}

# {kind}, {shape}, {channels} channels

Source: `{source}`, sha256 `{sha}`.
{parameters} parameters, {macs} multiply-accumulates for an image.

Inputs: `z` [N, {z_dim}] float32, standard normal; {labels}{space}.
Output: `images` [N, {shape}, {channels}]: uint8 from the signature `generate`,
float32 nominally in [-1, 1] from `generate_float` and from TFLite and ONNX files.
{names}
{calls}
Sizes and times (batch 1, on the machine that exported):

```
{files}
```

{distance}Differences from the source on {seeds} seeds (uint8 levels for `generate`):

```
{differences}
```
"""
