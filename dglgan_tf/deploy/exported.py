"""Exported generators loaded back: SavedModel, TFLite and ONNX, by seed like any other.

What is measured on an exported file, quantized or not, is measured on its own images.
"""

import math
from pathlib import Path

from dglgan_tf.compat import tf
from dglgan_tf.deploy import graph_scan, onnx_file, parts, saved_model, tflite
from dglgan_tf.foundation import json_files
from dglgan_tf.sampling import sampler

REPORT = "export_report.json"
_RUNTIMES = {".tflite": tflite.open_file, ".onnx": onnx_file.open_file}


def is_export(name) -> bool:
    """Whether a name means a SavedModel, an export's folder or a file of one."""
    return saved_model_folder(name) is not None or Path(name).suffix in _RUNTIMES


def load(name, trust: bool = False) -> sampler.Sampler:
    """Returns a `Sampler` of an export; see `is_export`.

    Args:
      name: of the export.
      trust: load a SavedModel whatever operations it contains (`graph_scan`).

    Raises:
      ValueError: nothing there, a file without its export's report, a missing
        runtime, or a SavedModel that could do more than compute.
    """
    folder = saved_model_folder(name)
    if folder is not None:
        return from_saved_model(folder, trust)
    return from_file(name)


def saved_model_folder(name) -> Path | None:
    """Returns the SavedModel that a name means: the folder, or one inside an export."""
    for folder in (Path(name), Path(name) / "saved_model"):
        if (folder / "saved_model.pb").is_file():
            return folder
    return None


def _facts(path: Path) -> sampler.Facts:
    """Returns the facts that an export keeps, after checking their form."""
    stored = json_files.read(path).get("facts")
    try:
        names, size = tuple(stored["class_names"]), stored.get("stretched")
        size = None if size is None else tuple(size)
        facts = sampler.Facts(**{**stored, "class_names": names, "stretched": size})
        numbers = facts.z_dim, facts.resolution, facts.num_channels, facts.num_classes
        sound = (
            all(type(n) is int and 0 <= n < 2**20 for n in numbers)
            and all(numbers[:3])
            and type(facts.untruncated) in (int, float)
            and math.isfinite(facts.untruncated)
            and facts.truncation in ("w", "z")
            and facts.noise in sampler.NOISE_MODES
            and all(isinstance(name, str) for name in names)
            and (size is None or len(size) == 2 and all(type(n) is int for n in size))
        )
    except (TypeError, KeyError, AttributeError):
        sound = False
    if not sound:
        raise ValueError(f"{path} does not hold the facts of an export: export again")
    return facts


def from_saved_model(folder, trust: bool = False) -> sampler.Sampler:
    """Returns a `Sampler` of a SavedModel that `dglgan_tf.export` wrote.

    Args:
      folder: holds saved_model.pb.
      trust: load it whatever operations it contains.

    Raises:
      ValueError: not such a folder, damaged files, or operations that `graph_scan`
        does not allow.
    """
    folder = Path(folder)
    if not (folder / saved_model.FACTS_FILE).is_file():
        raise ValueError(
            f"{folder} is a SavedModel without {saved_model.FACTS_FILE}: only those "
            "that dglgan_tf.export wrote can be sampled by seed"
        )
    facts = _facts(folder / saved_model.FACTS_FILE)
    if not trust:
        graph_scan.check(folder)
    module, signature = _loaded(folder, facts)
    if not trust:
        graph_scan.check_sizes(signature)

    def call(z, labels, value, seed):
        del seed
        value = facts.untruncated if value is None else value
        inputs = {"z": z, "truncation_psi": tf.constant(value, tf.float32)}
        if labels is not None:
            inputs["labels"] = labels
        try:
            return signature(**inputs)["images"]
        except tf.errors.OpError as error:  # of a graph of somebody else's
            said = " ".join(str(error.message).split())
            raise ValueError(
                f"SavedModel {folder} fails when it draws ({said[:200]})"
            ) from error

    call.module = module  # signatures do not keep their variables alive
    return sampler.Sampler(facts, call, str(folder))


def _loaded(folder, facts):
    """Returns a SavedModel's module and its signature `generate_float`."""
    try:
        module = tf.saved_model.load(str(folder))
        signature = module.signatures["generate_float"]
        taken = signature.structured_input_signature[1]
        given = signature.structured_outputs["images"].shape
    except Exception as error:  # whatever a stranger's graph makes TensorFlow say
        said = f"{type(error).__name__}: {error}".split("\n")[0][:200]
        raise ValueError(f"SavedModel {folder} cannot be loaded ({said})") from error
    wanted = {"z", "truncation_psi", *(["labels"] if facts.num_classes else [])}
    size = [None, facts.resolution, facts.resolution, facts.num_channels]
    if taken.keys() != wanted or not given.is_compatible_with(size):
        raise ValueError(
            f"SavedModel {folder} takes {sorted(taken)} and gives images {given}: its "
            f"{saved_model.FACTS_FILE} says {sorted(wanted)} and {size}"
        )
    return module, signature


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
    try:
        run = _RUNTIMES[path.suffix](path.read_bytes(), threads)
    except Exception as error:  # of its runtime
        said = str(error).split("\n")[0][:200]
        raise ValueError(f"{path} cannot be read by its runtime ({said})") from error

    def call(z, labels, value, seed):
        del seed
        value = facts.untruncated if value is None else float(value)
        labels = None if labels is None else labels.numpy()
        try:
            return tf.constant(run(parts.latents_by_name(z.numpy(), labels, value)))
        except Exception as error:  # of its runtime, or of a file that lies
            said = " ".join(str(error).split())[:200]
            raise ValueError(f"{path} fails when it draws ({said})") from error

    return sampler.Sampler(facts, call, str(path))
