"""Says what a checkpoint looks like that is none of ours to load."""

import numpy as np

from dglgan_tf.containers.errors import Record, shown
from dglgan_tf.converters.stylegan2 import nvidia

_PATTERNS = (
    ("synthesis.input.affine", "a StyleGAN3 generator"),
    ("layer1.0.conv1", "a ResNet classifier"),
    ("features.0.", "a VGG- or AlexNet-like classifier"),
    ("Mixed_5b", "an Inception classifier"),
    ("model.diffusion_model", "a latent-diffusion model"),
    ("time_embed", "a diffusion U-Net"),
    ("down_blocks.", "a diffusion U-Net"),
    ("encoder.layer", "a transformer"),
    ("transformer.", "a transformer"),
    ("blocks.0.attn", "a vision transformer"),
    ("progression", "a progressive GAN or StyleGAN1 of another code base"),
    ("param_groups", "the state of an optimiser"),
)


def tree(value) -> str:
    """Returns a short phrase on the contents of a tree of `reader.read`."""
    if isinstance(value, Record):
        return _record(value)
    if isinstance(value, tuple) and value and all(map(nvidia.is_tf1_network, value)):
        return "NVIDIA's TF1 networks made by " + ", ".join(
            shown(_dict(v.state).get("build_func_name")) for v in value[:3]
        )
    if isinstance(value, dict):
        return _table(value)
    if isinstance(value, np.ndarray):
        return f"one array of shape {value.shape}"
    return f"a pickled {type(value).__name__} ({shown(value)})"


def _record(record: Record) -> str:
    if nvidia.is_module(record):
        return f"NVIDIA's module {shown(record.state.get('class_name'))}"
    if record.kind == "folder":
        names = list(_dict(record.state))
        inner = tree(_dict(record.state).get(names[0])) if names else "nothing"
        return f"a folder with {', '.join(names[:4])}, the first {inner}"
    if record.kind == "tf_variables":
        return "TensorFlow variables: " + _table(record.state)
    return f"an object of {shown(record.kind)}"


def _table(table: dict) -> str:
    for name, value in table.items():
        if nvidia.is_module(value) and name in ("G", "G_ema"):
            return f"NVIDIA's {_nvidia(value)}"
    names = _names(table)
    for pattern, meaning in _PATTERNS:
        if any(pattern in name for name in names):
            return f"{meaning} (it holds {shown(_first(names, pattern))})"
    listed = ", ".join(shown(n, 40) for n in names[:4])
    return f"a table of {len(table)} entries such as {listed or 'none'}"


def _nvidia(module: Record) -> str:
    names = nvidia.state_dict(module)
    if any(name.startswith("synthesis.input.") for name in names):
        return "StyleGAN3 generator"
    return f"module {shown(module.state.get('class_name'))}"


def _names(table: dict, depth: int = 2) -> list[str]:
    names = []
    for name, value in list(table.items())[:2000]:
        names.append(str(name))
        if depth and isinstance(value, dict):
            names += [f"{name}/{inner}" for inner in _names(value, depth - 1)]
    return names


def _first(names, pattern):
    return next(name for name in names if pattern in name)


def _dict(value) -> dict:
    return value if isinstance(value, dict) else {}
