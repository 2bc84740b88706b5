"""Checkpoints one wrapping away: state dicts inside what trainers put around them.

Networks are known by the names of their arrays, wherever in a file these stand and
whatever their names begin with (`module.`, `_orig_mod.`, `generator.`, `decoder.`).
What is found is laid out as its own code base saves it, for the module that reads that.
"""

import dataclasses

import numpy as np

from dglgan_tf.containers.errors import CheckpointError, Record, shown
from dglgan_tf.converters.stylegan2 import nvidia

# The name of one array -> which code base's network has it, and which role.
_MARKS = {
    "conv1.conv.modulation.weight": ("rosinality", "generator"),
    "final_linear.1.weight": ("rosinality", "discriminator"),
    "synthesis.b4.const": ("ada", "generator"),
    "b4.fc.weight": ("ada", "discriminator"),
    "blocks.0.0.conv1.weight": ("biggan", None),
}
_DEEPEST = 4
_KEYS = {
    "rosinality": ("g_ema", "g", "d"),
    "ada": ("G_ema", "G", "D"),
    "biggan": ("G_ema.pth", "G.pth", "D.pth"),
}
_ROLES = ("generator_ema", "generator", "discriminator")


@dataclasses.dataclass
class _Found:
    """A network's arrays and where they stood."""

    kind: str
    role: str
    place: str
    arrays: dict


def unwrap(tree):
    """Returns (the tree as its code base saves it, notes), or (None, []).

    Args:
      tree: of `reader.read`, which no format knows as it is.

    Raises:
      CheckpointError: several networks of one role.
    """
    if nvidia.is_tf1_network(tree):
        return (tree,), [f"one network of TensorFlow 1, {_name_of(tree)}, alone"]
    if nvidia.is_module(tree):
        return _bare_module(tree)
    networks = _tf1_networks(tree)
    if networks:
        return networks, ["networks of TensorFlow 1 in a table"]
    found = _search(tree, "", 0) if isinstance(tree, dict) else []
    if not found:
        return None, []
    kind = found[0].kind
    roles = _by_role([entry for entry in found if entry.kind == kind])
    notes = [
        f"{role} was found at {entry.place or 'the top of the file'}"
        for role, entry in roles.items()
    ]
    keys = dict(zip(_ROLES, _KEYS[kind], strict=True))
    laid = {keys[role]: entry.arrays for role, entry in roles.items()}
    if kind == "biggan":
        return Record("folder", laid), notes
    if kind == "ada":
        notes.append(
            "the file has no arguments of its networks: no clamp, the usual filter and "
            "learning-rate multiplier are assumed"
        )
        return {**laid, "init_kwargs": {}}, notes
    mean = _mean(tree, notes)
    return ({**laid, "latent_avg": mean} if mean is not None else laid), notes


def _name_of(record) -> str:
    state = record.state if isinstance(record.state, dict) else {}
    return shown(state.get("name"))


def _bare_module(module):
    """Lays out NVIDIA's module that was pickled without the others."""
    for key, path in (("G_ema", ("synthesis", "b4")), ("D", ("b4",))):
        try:
            nvidia.child(module, *path)
        except CheckpointError:
            continue
        return {key: module}, [f"one module alone, taken as {key}"]
    return None, []


def _tf1_networks(tree) -> tuple:
    values = tree.values() if isinstance(tree, dict) else ()
    return tuple(value for value in values if nvidia.is_tf1_network(value))


def _search(table: dict, place: str, depth: int) -> list[_Found]:
    """Returns the networks in a table of arrays and in the tables below it."""
    found = []
    arrays = {k: v for k, v in table.items() if _is_array(k, v)}
    for name in arrays:
        for mark, (kind, role) in _MARKS.items():
            if name == mark or name.endswith(f".{mark}"):
                prefix = name[: -len(mark)]
                own = {
                    k[len(prefix) :]: v
                    for k, v in arrays.items()
                    if k.startswith(prefix)
                }
                where = ".".join(part for part in (place, prefix.strip(".")) if part)
                if role != "discriminator" or not _is_part_of_generator(own):
                    found.append(
                        _Found(kind, _role(kind, role, where, own), where, own)
                    )
    for name, value in table.items():
        if isinstance(value, dict) and depth < _DEEPEST and "optim" not in str(name):
            inner = ".".join(part for part in (place, str(name)[:60]) if part)
            found += _search(value, inner, depth + 1)
    return found


def _is_array(name, value) -> bool:
    return isinstance(name, str) and isinstance(value, np.ndarray)


def _is_part_of_generator(arrays) -> bool:
    return any(name.startswith(("torgb.", "conv1.affine.")) for name in arrays)


def _role(kind, role, place, arrays) -> str:
    """Returns the role that names and place give a network."""
    if kind == "biggan":
        role = "generator" if "output_layer.2.weight" in arrays else "discriminator"
    if role == "discriminator":
        return role
    words = place.lower().replace(".", "_").split("_")
    averaged = "ema" in words or words[-1:] == ["gs"]
    raw = words[-1:] == ["g"] and not averaged
    return "generator" if raw else "generator_ema" if averaged else "unknown"


def _by_role(found) -> dict[str, _Found]:
    """Returns {role: network}; a generator of unknown role gets the free one."""
    roles: dict[str, _Found] = {}
    for entry in sorted(found, key=lambda entry: entry.role == "unknown"):
        role = entry.role
        if role == "unknown":
            role = "generator" if "generator_ema" in roles else "generator_ema"
        if role in roles:
            raise CheckpointError(
                f"both {shown(roles[role].place)} and {shown(entry.place)} are a "
                f"{role}: save one of them alone"
            )
        roles[role] = entry
    return roles


def _mean(tree, notes):
    """Returns the mean style vector beside a network of rosinality's, or None.

    pSp repeats it for each layer.
    """
    mean = tree.get("latent_avg")
    if not isinstance(mean, np.ndarray):
        return None
    if mean.ndim == 2 and len(mean) and (mean == mean[:1]).all():
        mean = mean[0]
    if mean.ndim == 1:
        return mean
    notes.append(f"latent_avg of shape {mean.shape} is no mean style vector: left out")
    return None
