"""Kinds of hostile inputs, each with what a user would do with it.

`KINDS[name]` is (sound material, what changes it, what uses it): the material is made
once, copied for each input, changed by a random generator, and used as a command would.
"""

import contextlib
import io
import json
import shutil
import struct

import hostile_changes as changes
import hostile_material as material
import numpy as np


def _weights(path, random, canary):
    """A header whose checksums are right, as a stranger would write it; or bytes."""
    import safetensors.numpy

    from dglgan_tf.networks import file_headers, files

    if random.randrange(4) == 0:
        content = path.read_bytes()
        (length,) = struct.unpack("<Q", content[:8])
        at = random.randrange(8 + min(length, 4000))
        new = bytes([random.randrange(256)])
        path.write_bytes(content[:at] + new + content[at + 1 :])
        return
    header, tensors = files.read_header(path), files.read_tensors(path)
    text = json.dumps(changes.tree(header, random, canary))
    if random.randrange(4) == 0:
        name = random.choice(sorted(tensors))
        bad = random.choice((np.nan, np.inf, 1e38))
        tensors[name] = np.full(tensors[name].shape, bad, tensors[name].dtype)
    sums = file_headers.checksums(tensors, text)
    made = safetensors.numpy.save(tensors, {"dglgan_tf": text, "crc32": sums})
    path.write_bytes(made)


def _sample(path):
    from dglgan_tf.compat import tf
    from dglgan_tf.deploy import opening

    made = opening.load(str(path))
    z = np.zeros([1, made.facts.z_dim], np.float32)
    labels = tf.zeros([1], tf.int32) if made.facts.num_classes else None
    made.generate(tf.constant(z), labels, None, tf.zeros([2], tf.int32))


def _sample_onnx(folder):
    _sample(folder / "model.onnx")


def _sample_tflite(folder):
    _sample(folder / "model.tflite")


def _one_of(*names):
    def change(folder, random, canary):
        path = folder / random.choice(names)
        if random.randrange(12) == 0:
            changes.instead(path, random, canary)
        elif path.suffix == ".csv":
            changes.table(path, random, canary)
        elif path.suffix == ".gin":
            changes.gin_file(path, random, canary)
        elif path.suffix == ".safetensors":
            _weights(path, random, canary)
        elif path.suffix in (".json", ".jsonl"):
            changes.json_file(path, random, canary)
        else:
            path.write_bytes(changes.data(path.read_bytes() or b"x", random))

    return change


def _judge_run(folder):
    """What `evaluate --run` and `sample` read of a run before they compute."""
    from dglgan_tf.evaluation import reals, snapshots
    from dglgan_tf.foundation import run_directory
    from dglgan_tf.metrics import scores

    run_directory.RunDirectory(folder).is_done_for(16)
    for path in snapshots.chosen(folder, "all", None):
        snapshots.images_seen(path)
    lines = scores.read(folder)
    if lines:
        scores.best(lines, "kid64", True)
        scores.write_csv(folder, lines, True)
    next(iter(reals.stored_images(reals.of_run(folder)).batches()))
    _sample(folder)


def _report(folder):
    from dglgan_tf.reporting import report

    report.write([str(folder)], folder / "report.html", False)


def _prepare(source):
    from dglgan_tf.data import check, prepare, sources

    found = sources.find(str(source))
    check.check(found, True)
    prepare.prepare(found, source.with_name("out.zip"), "zip", workers=1)


def _train_data(source):
    from dglgan_tf.data import pipeline, sources

    opened = sources.open_source(str(source))
    for pixels, _ in pipeline.image_batches(opened, 4):
        assert pixels.dtype == np.uint8


def _both(source):
    _prepare(source)
    _train_data(source)


def _bind(path):
    import gin

    from dglgan_tf.config import gin_files
    from dglgan_tf.runs import plan, registry

    registry.register()
    try:
        gin_files.parse([str(path)], [])
        plan.Plan()
    finally:
        gin.clear_config()


def _graph(folder, random, canary):
    """A graph that reads, writes or calls; changed bytes; changed facts."""
    from dglgan_tf.compat import tf

    kind = random.randrange(8)
    if kind == 0:
        changes.json_file(folder / "assets.extra" / "dglgan_tf.json", random, canary)
        return
    if kind < 5:
        names = ("saved_model.pb", "variables/variables.index", "fingerprint.pb")
        path = folder / random.choice(names)
        path.write_bytes(changes.data(path.read_bytes(), random))
        return
    shutil.rmtree(folder)

    def write(z):
        tf.io.write_file(str(canary), "x")
        return z

    def call(z):
        return tf.reshape(tf.py_function(canary.touch, [], tf.float32), [-1, 4]) + z

    def large(z):
        return z + tf.reduce_sum(tf.ones([random.choice((2**34, 2**40))]))

    def endless(z):
        return tf.while_loop(lambda x: True, lambda x: (x + 0,), (z,))[0]

    def read(z):
        return z + tf.cast(tf.strings.length(tf.io.read_file("/etc/passwd")), z.dtype)

    material.saved_model(folder, random.choice((write, call, large, endless, read)))


def _report_of_files(folder, random, canary):
    """What the report beside a runtime's file says of it."""
    path = folder / "export_report.json"
    if random.randrange(12) == 0:
        changes.instead(path, random, canary)
    else:
        changes.json_file(path, random, canary)


def _graph_file(name):
    """The report, changed bytes, or other names, sizes and operations in the graph."""

    def change(folder, random, canary):
        import onnx

        kind, path = random.randrange(4), folder / name
        if kind == 0:
            _report_of_files(folder, random, canary)
            return
        if kind == 1:
            path.write_bytes(changes.data(path.read_bytes(), random))
            return
        model = onnx.load_model_from_string(path.read_bytes())
        if kind == 2:
            item = random.choice((*model.graph.input, *model.graph.output))
            item.name = random.choice((item.name, "x", "labels", "noise", ""))
            sizes = item.type.tensor_type.shape.dim
            sizes.add().dim_value = random.choice((-1, 0, 3, 2**40))
        else:
            many = random.choice(([1, 2**17, 2**17, 1], [-1, 4, 4, 1], [0, 0, 0, 0]))
            model.graph.initializer[0].int64_data[:] = many
            model.graph.node[0].op_type = random.choice(("Mul", "Loop", "Unknown"))
        path.write_bytes(model.SerializeToString())

    return change


def _arrays(path, random, canary):
    """Shapes that lie, pickles inside, other names and types."""
    kind = random.randrange(5)
    if kind == 0:
        path.write_bytes(changes.data(path.read_bytes(), random))
    elif kind == 1:
        held = np.array([_Writes(canary)], object)
        np.savez(path, images=held, mu=held, sigma=held)
    elif kind == 2:
        out = io.BytesIO()
        shape = [random.choice((-1, 2**20, 2**40, 0, 3)) for _ in range(4)]
        head = {"descr": random.choice(("|u1", "<f8", "|O", "<U9999999")),
                "fortran_order": False, "shape": tuple(shape)}  # fmt: skip
        with contextlib.suppress(ValueError, OverflowError):
            np.lib.format.write_array_header_1_0(out, head)
        import zipfile

        with zipfile.ZipFile(path, "w") as file:
            for name in ("images", "mu", "sigma"):
                file.writestr(f"{name}.npy", out.getvalue() + b"\0" * 64)
    else:
        side = random.choice((0, 1, 3))
        content = np.full([side, side], random.choice((np.nan, 1e300, -1)))
        named = dict.fromkeys(random.sample(("images", "mu", "sigma", "x"), 3), content)
        np.savez(path, **named)


class _Writes:
    """Touches a file where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        import os

        return os.system, (f"touch {self.path}",)


def _statistics(path):
    from dglgan_tf.evaluation import reals

    with contextlib.suppress(ValueError):
        reals.statistics(path)
    reals.image_file(path)


def _work_folder(folder, random, canary):
    """What another conversion, a kill or a stranger left beside the destination."""
    work = folder / "out.zip.partial"
    work.mkdir()
    content = changes.data(b'{"format": 1, "images": ["0.png"]}', random)
    if random.randrange(2):
        content = json.dumps(changes.value(random, canary)).encode()
    (work / "conversion.json").write_bytes(content)
    chunk = b"dglgan chunk 1\n\0" + bytes(random.randrange(256) for _ in range(100))
    (work / "chunk-000000").write_bytes(chunk)
    (work / "lock").write_bytes(changes.data(b'{"pid": 1}', random))


def _resume(folder):
    from dglgan_tf.data import prepare, sources

    found = sources.find(str(folder / "data"))
    prepare.prepare(found, folder / "out.zip", "zip", workers=1)


def _npz(path):
    np.savez(path, images=np.zeros([4, 8, 8, 3], np.uint8), mu=np.zeros(3))


def _conversion(folder):
    material.dataset(folder / "data")


_RUN = ("training_options.json", "stats.jsonl", "metric-kid64.jsonl", "config.gin",
        "DONE", "network-snapshot-000000.safetensors")  # fmt: skip
_RECIPE = (
    "comparison.json", "scores.csv", "export/export_report.json",
    *(f"student/{name}" for name in _RUN),
)  # fmt: skip
KINDS = {
    "weights": ("a.safetensors", material.networks, _weights, _sample),
    "run": ("run", material.run, _one_of(*_RUN), _judge_run),
    "report": ("recipe", material.recipe, _one_of(*_RECIPE), _report),
    "dataset.json": ("set", material.dataset, _one_of("dataset.json"), _both),
    "images": ("set", material.dataset, _one_of("0.png", "3.png"), _both),
    "zip": ("a.zip", material.archive, changes.members, _both),
    "gin": ("a.gin", lambda p: p.write_text(material.GIN), changes.gin_file, _bind),
    "SavedModel": ("model", material.saved_model, _graph, _sample),
    "ONNX": ("out", material.onnx, _graph_file("model.onnx"), _sample_onnx),
    "TFLite": ("out", material.tflite, _report_of_files, _sample_tflite),
    "npz": ("a.npz", _npz, _arrays, _statistics),
    "conversion": ("work", _conversion, _work_folder, _resume),
}
