"""Exported generators loaded back: SavedModel, TFLite and ONNX, by seed like any other.

What is measured on an exported file, quantized or not, is measured on its own images.
"""

import json
from pathlib import Path

from dglgan_tf.compat import tf
from dglgan_tf.deploy import onnx_file, parts, saved_model, tflite
from dglgan_tf.sampling import sampler

REPORT = "export_report.json"
_RUNTIMES = {".tflite": tflite.open_file, ".onnx": onnx_file.open_file}


def is_export(name) -> bool:
    """Whether a name means a SavedModel, an export's folder or a file of one."""
    return saved_model_folder(name) is not None or Path(name).suffix in _RUNTIMES


def load(name) -> sampler.Sampler:
    """Returns a `Sampler` of an export; see `is_export`.

    Raises:
      ValueError: nothing there, a file without its export's report, or a missing
        runtime.
    """
    folder = saved_model_folder(name)
    return from_saved_model(folder) if folder is not None else from_file(name)


def saved_model_folder(name) -> Path | None:
    """Returns the SavedModel that a name means: the folder, or one inside an export."""
    for folder in (Path(name), Path(name) / "saved_model"):
        if (folder / "saved_model.pb").is_file():
            return folder
    return None


def _facts(path: Path) -> sampler.Facts:
    stored = json.loads(path.read_text(encoding="utf-8"))["facts"]
    return sampler.Facts(**{**stored, "class_names": tuple(stored["class_names"])})


def from_saved_model(folder) -> sampler.Sampler:
    """Returns a `Sampler` of a SavedModel that `dglgan_tf.export` wrote."""
    folder = Path(folder)
    if not (folder / saved_model.FACTS_FILE).is_file():
        raise ValueError(
            f"{folder} is a SavedModel without {saved_model.FACTS_FILE}: only those "
            "that dglgan_tf.export wrote can be sampled by seed"
        )
    facts = _facts(folder / saved_model.FACTS_FILE)
    module = tf.saved_model.load(str(folder))
    signature = module.signatures["generate_float"]

    def call(z, labels, value, seed):
        del seed
        value = facts.untruncated if value is None else value
        inputs = {"z": z, "truncation_psi": tf.constant(value, tf.float32)}
        if labels is not None:
            inputs["labels"] = labels
        return signature(**inputs)["images"]

    call.module = module  # signatures do not keep their variables alive
    return sampler.Sampler(facts, call, str(folder))


def from_file(name, threads: int = 1) -> sampler.Sampler:
    """Returns a `Sampler` of a .tflite or .onnx file inside an export's folder.

    Args:
      name: the file; `export_report.json` beside it says what it takes.
      threads: of its runtime.
    """
    path = Path(name)
    if not path.is_file():
        raise ValueError(f"no file {path}: name a file that dglgan_tf.export wrote")
    if not (path.parent / REPORT).is_file():
        raise ValueError(
            f"{path} has no {REPORT} beside it, which says what it takes: keep the "
            "files of an export together"
        )
    facts = _facts(path.parent / REPORT)
    if path.stem.partition("-")[0] in ("mapping", "synthesis"):
        raise ValueError(
            f"{path} is a part of a generator: name the whole one, "
            f"{path.with_name(path.name.replace(path.stem.partition('-')[0], 'model'))}"
        )
    run = _RUNTIMES[path.suffix](path.read_bytes(), threads)

    def call(z, labels, value, seed):
        del seed
        value = facts.untruncated if value is None else float(value)
        labels = None if labels is None else labels.numpy()
        return tf.constant(run(parts.latents_by_name(z.numpy(), labels, value)))

    return sampler.Sampler(facts, call, str(path))
