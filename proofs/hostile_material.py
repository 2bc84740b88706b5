"""Sound files of every kind that people hand on, from which hostile ones are made."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

NAMES = ["cat", "dog", "owl"]
COSTS = "parameters,macs,weights_bytes,latency_p50_ms,latency_p95_ms,images_per_second"
SCORES = (
    f"network,images,{COSTS},kid64[efficientnet_lite0]\n"
    "teacher,,3000,4000,12000,2.0,3.0,100.0,0.01\n"
    "student,16,1000,2000,4000,1.0,2.0,200.0,0.02\n"
)
GIN = """
import_free = 3
include 'families/biggan.gin'
train.source = @synthetic
train.generator = @BigGANGenerator
train.discriminator = @BigGANDiscriminator
synthetic.num_classes = %import_free
BigGANGenerator.ch = 2
Trainer.batch_size = 4
Schedule.total_images = 16
"""


def image(seed: int = 0, side: int = 8) -> bytes:
    """Returns a PNG."""
    random = np.random.RandomState(seed)
    out = io.BytesIO()
    Image.fromarray(random.randint(0, 256, [side, side, 3], np.uint8)).save(out, "png")
    return out.getvalue()


def networks(path) -> None:
    """Writes a file of small networks."""
    from dglgan_tf.networks import biggan, files

    made = biggan.BigGANGenerator(
        resolution=32, num_classes=3, ch=2, z_dim=8, shared_dim=4
    )
    files.save_networks(path, {"generator_ema": made}, {"class_names": NAMES})


def dataset(folder: Path) -> None:
    """Writes six images and dataset.json."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(6):
        (folder / f"{number}.png").write_bytes(image(number))
    labels = [[f"{number}.png", number % 3] for number in range(6)]
    text = json.dumps({"labels": labels, "class_names": NAMES})
    (folder / "dataset.json").write_text(text)


def archive(path: Path) -> None:
    """Writes them as a zip."""
    labels = [[f"{number}.png", number % 3] for number in range(6)]
    with zipfile.ZipFile(path, "w") as file:
        for number in range(6):
            file.writestr(f"{number}.png", image(number))
        file.writestr("dataset.json", json.dumps({"labels": labels}))


def run(folder: Path) -> None:
    """Writes what a training leaves."""
    folder.mkdir(parents=True)
    networks(folder / "network-snapshot-000000.safetensors")
    options = {
        "version": "0.1.0", "seed": 0, "teachers": [], "initialize_from": {},
        "data": "f97200d5113105f8", "class_names": NAMES, "stretched": None,
        "source": {"source": "synthetic", "arguments": {
            "num_examples": 64, "resolution": 32, "num_channels": 3,
            "num_classes": 3, "seed": 0,
        }},
        "parameters": {"generator": 1000, "generator_ema": 1000},
        "objective": {"d_loss": "d_hinge", "g_loss": "g_hinge", "r1_gamma": 0.0},
    }  # fmt: skip
    lines = [
        {"images": n, "step": n // 4, "timestamp": 1e9 + n, "d/loss": 1.9,
         "g/loss": 0.1, "timing/total_sec": 2.0 * n}
        for n in (8, 16)
    ]  # fmt: skip
    score = {
        "results": {"kid64": 0.1}, "metric": "kid64", "snapshot":
        "network-snapshot-000000.safetensors", "images": 16, "timestamp": 1e9,
        "total_time": 1.0, "num_gpus": 1, "values": {}, "floor": {"value": 0.0},
        "protocol": {"extractor": "efficientnet_lite0", "num_real": 64, "seed": 0},
    }  # fmt: skip
    (folder / "training_options.json").write_text(json.dumps(options, indent=2))
    (folder / "stats.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
    (folder / "metric-kid64.jsonl").write_text(json.dumps(score) + "\n")
    (folder / "config.gin").write_text(GIN)
    (folder / "operative_config.gin").write_text(GIN)
    (folder / "DONE").write_text("16 images\n")


def recipe(folder: Path) -> None:
    """Writes what `compress` leaves: one stage, the comparison and an export."""
    run(folder / "student")
    path = "student/network-snapshot-000000.safetensors"
    compared = {
        "networks": {"student": path}, "class_names": NAMES,
        "protocols": {"kid64[efficientnet_lite0]": {
            "floor": {"value": 0.0, "images": 64},
            "protocol": {"extractor": "efficientnet_lite0", "num_real": 64},
        }},
    }  # fmt: skip
    timing = {"threads": 1, "batch": 1, "calls": 2, "p50_ms": 6.0, "p95_ms": 7.0,
              "images_per_second": 9.0}  # fmt: skip
    exported = {
        "format": 1, "parameters": 1000, "macs": 2000, "tolerance": 1e-4,
        "seeds": [0, 1], "passed": True, "facts": FACTS, "executed": 5,
        "source": {"file": path, "role": "generator_ema", "sha256": "00"},
        "files": {"saved_model": {
            "path": "saved_model", "precision": "float32", "bytes": 10, "passed": True,
            "timing": [timing], "differences": [{
                "signature": "generate", "truncation": 1.0, "images": 8, "max": 0.0,
                "mean": 0.0,
            }],
        }},
        "distance": {"metric": "kid64", "values": {"source": 0.1, "saved_model": 0.1},
                     "floor": {"value": 0.0, "images": 64}, "protocol": {},
                     "left_out": {}},
    }  # fmt: skip
    (folder / "comparison.json").write_text(json.dumps(compared))
    (folder / "scores.csv").write_text(SCORES)
    (folder / "export").mkdir()
    (folder / "export" / "export_report.json").write_text(json.dumps(exported))


FACTS = {"z_dim": 4, "resolution": 8, "num_channels": 1, "num_classes": 0,
         "truncation": "z", "untruncated": 1.0, "noise": "none", "class_names": [],
         "stretched": None}  # fmt: skip


def saved_model(folder: Path, compute=None) -> None:
    """Writes a SavedModel as an export would be, of any function of latents."""
    from dglgan_tf.compat import tf

    module = tf.Module()
    module.weights = tf.Variable(np.ones([4, 4], np.float32))

    def generate(z, truncation_psi):
        z = z @ module.weights if compute is None else compute(z)
        images = tf.tile(tf.reshape(z, [-1, 2, 2, 1]), [1, 4, 4, 1])
        return {"images": images + 0 * truncation_psi}

    made = tf.function(generate, autograph=False).get_concrete_function(
        z=tf.TensorSpec([None, 4], tf.float32, "z"),
        truncation_psi=tf.TensorSpec([], tf.float32, "truncation_psi"),
    )
    tf.saved_model.save(module, str(folder), {"generate_float": made})
    path = folder / "assets.extra" / "dglgan_tf.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"facts": FACTS, "info": {}}))


def onnx(folder: Path) -> None:
    """Writes an ONNX file as an export would be, with the report beside it."""
    from onnx import TensorProto, helper

    number, shape = TensorProto.FLOAT, [None, 8, 8, 1]
    repeats = helper.make_tensor("repeats", TensorProto.INT64, [4], [1, 4, 4, 1])
    sides = helper.make_tensor("sides", TensorProto.INT64, [4], [-1, 2, 2, 1])
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["z", "truncation_psi"], ["scaled"]),
            helper.make_node("Reshape", ["scaled", "sides"], ["small"]),
            helper.make_node("Tile", ["small", "repeats"], ["images"]),
        ],
        "generator",
        [helper.make_tensor_value_info("z", number, [None, 4]),
         helper.make_tensor_value_info("truncation_psi", number, [])],
        [helper.make_tensor_value_info("images", number, shape)],
        [repeats, sides],
    )  # fmt: skip
    opset = helper.make_opsetid("", 18)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=9)
    _beside_a_report(folder / "model.onnx", model.SerializeToString())


def tflite(folder: Path) -> None:
    """Writes a TFLite file as an export would be, with the report beside it."""
    from dglgan_tf.compat import tf

    def generate(z, truncation_psi):
        images = tf.tile(tf.reshape(z * truncation_psi, [1, 2, 2, 1]), [1, 4, 4, 1])
        return {"images": images}

    module = tf.Module()
    module.generate = tf.function(generate, autograph=False)
    made = module.generate.get_concrete_function(
        z=tf.TensorSpec([1, 4], tf.float32, "z"),
        truncation_psi=tf.TensorSpec([], tf.float32, "truncation_psi"),
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions([made], module)
    _beside_a_report(folder / "model.tflite", converter.convert())


def _beside_a_report(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    text = json.dumps({"facts": FACTS, "info": {}})
    (path.parent / "export_report.json").write_text(text)
