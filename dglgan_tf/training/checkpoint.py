"""The whole training state in one safetensors file.

Networks are stored as `networks.files` stores them, so a snapshot of a run is at once
what sampling, export and another run's `teachers` read. Optimizers and slots follow
under their own prefixes; counters and configuration sit in the header.
"""

import dataclasses
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dglgan_tf.foundation import run_directory
from dglgan_tf.networks import base, file_headers, files
from dglgan_tf.training import optimizers, state


def save(train_state: state.TrainState, path, info: dict | None = None) -> None:
    """Writes the state atomically; a failed write leaves what was there.

    Args:
      train_state: what to write; its devices are waited for.
      path: `.safetensors` file.
      info: JSON-able facts for the header.

    Raises:
      OSError: disk full or folder not writable; nothing half-written stays.
    """
    networks = train_state.networks.by_role()
    tensors = {}
    for role, network in networks.items():
        tensors.update(files.network_tensors(network, role))
    tensors.update(_numpy(_other_variables(train_state)))
    header = {
        "format": files.FORMAT,
        "networks": files.describe(networks),
        "counters": dataclasses.asdict(train_state.counters),
        "info": info or {},
    }
    files.write_tensors(path, tensors, header)


def restore(train_state: state.TrainState, path) -> dict:
    """Sets the whole state from a file of `save`; returns the header's info.

    Raises:
      ValueError: a damaged file, or a network, an optimizer or a slot of it that does
        not fit; nothing is set then.
    """
    header = files.read_header(path)
    if "counters" not in header:
        raise ValueError(
            f"{path} holds networks, not the state of a training: use it as "
            "train.initialize_from or among train.teachers"
        )
    stored = files.read_tensors(path)
    networks = train_state.networks.by_role()
    parts = {role: _below(stored, f"{role}/") for role in networks}
    for role, network in networks.items():
        try:
            files.check_tensors(network, parts[role], path)
        except ValueError as error:
            held = header.get("networks", {})
            changed = _changed_configuration(held, role, network)
            raise ValueError(
                f"{error}: {changed}set it back, or start a new run directory"
            ) from error
    others = _other_variables(train_state)
    _check_others(others, stored, tuple(f"{role}/" for role in networks), path)
    for role, network in networks.items():
        files.assign_tensors(network, parts[role], path)
    for name, variable in others.items():
        variable.assign(stored[name].astype(variable.dtype.as_numpy_dtype))
    train_state.counters = state.Counters(**header["counters"])
    return header.get("info", {})


def _below(tensors, prefix):
    return {n[len(prefix) :]: a for n, a in tensors.items() if n.startswith(prefix)}


def _check_others(others, stored, roles, path):
    """Raises ValueError unless a file has all but the networks, and no more."""
    unused = sorted(n for n in stored if not n.startswith(roles) and n not in others)
    if unused:
        raise ValueError(
            f"{path} holds {unused[0]}, which this configuration has no use for: the "
            "run's optimizer, teachers or regularizers were changed; start a new run "
            "directory, or set them back"
        )
    for name, variable in others.items():
        if name not in stored or stored[name].shape != tuple(variable.shape):
            raise ValueError(
                f"{path} has no {name} of shape {tuple(variable.shape)}: the run's "
                "optimizer, teachers or regularizers were changed; start a new run "
                "directory, or set them back"
            )


class Restored(NamedTuple):
    """What `restore_newest` found.

    Attributes:
      path: the snapshot that was restored; None where the run has none.
      info: its header's facts.
      said: a sentence where it is not the newest one, else ''.
    """

    path: Path | None
    info: dict
    said: str


def restore_newest(
    train_state: state.TrainState, directory: run_directory.RunDirectory
) -> Restored:
    """Sets the state from a run's newest snapshot that is whole and fits.

    Writes nothing: whoever owns the directory calls `directory.set_aside(path)`
    afterwards, so that nobody takes the damaged ones for the newest.

    Raises:
      ValueError: there are snapshots and none can be restored; what is wrong with the
        newest. Nothing is set then.
    """
    failed = []
    for path in reversed(directory.snapshots()):
        try:
            info = restore(train_state, path)
        except ValueError as error:
            failed.append(error)
            continue
        said = f"{failed[0]}: continuing from {path.name}" if failed else ""
        return Restored(path, info, said)
    if not failed:
        return Restored(None, {}, "")
    if isinstance(failed[0], file_headers.DamagedFile):
        raise ValueError(
            f"{failed[0]}: {directory.path} has no other snapshot that can be "
            "restored; delete it, or start a new run directory"
        ) from failed[0]
    raise failed[0]


def _changed_configuration(stored, role, network):
    """Names what was configured otherwise when the file was written."""
    now = files.describe({role: network})[role]["config"]
    before = stored.get(role, {}).get("config", {})
    changed = [
        f"{type(network).__name__}.{name} was {before[name]!r} and is {now[name]!r}; "
        for name in sorted(now.keys() & before.keys())
        if now[name] != before[name]
    ]
    return "".join(changed[:3])


def _other_variables(train_state):
    """Optimizer variables, slots and updated teachers by name."""
    found = {}
    for name, optimizer in train_state.optimizers.items():
        for index, variable in enumerate(optimizers.state(optimizer)):
            found[f"optimizer/{name}/{index:04d}"] = variable
    for name, variable in train_state.slots.items():
        found[f"slot/{name}"] = variable
    for index, teacher in enumerate(train_state.networks.teachers):
        if f"teacher{index}" in train_state.optimizers:
            found.update(base.named_variables(teacher, f"teacher{index}"))
    return found


def _numpy(variables):
    return {name: np.asarray(v.numpy()) for name, v in variables.items()}
