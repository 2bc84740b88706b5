"""NVIDIA's pickled objects as flat tables: TF1 `Network`s and persistent modules."""

import numpy as np

from dglgan_tf.containers.errors import CheckpointError, Record, shown

TF1_NETWORK = "dnnlib.tflib.network.Network"
PERSISTENT = "torch_utils.persistence"


def is_tf1_network(value) -> bool:
    """Tells whether a value of a tree is a pickled TF1 `Network`."""
    return isinstance(value, Record) and value.kind == TF1_NETWORK


def is_module(value, class_name: str | None = None) -> bool:
    """Tells whether a value of a tree is a persistent module (of that class)."""
    return (
        isinstance(value, Record)
        and value.kind == PERSISTENT
        and isinstance(value.state, dict)
        and (class_name is None or value.state.get("class_name") == class_name)
    )


def tf1_variables(network: Record) -> dict[str, np.ndarray]:
    """Returns a TF1 network's arrays: own ones and `<component>/<name>`.

    Raises:
      CheckpointError: a network without the expected tables.
    """
    state = network.state
    own = state.get("variables") if isinstance(state, dict) else None
    if not isinstance(own, list):
        raise CheckpointError("a TF1 network in it has no list of variables")
    arrays = {}
    for pair in own:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise CheckpointError("a TF1 network's variables are not (name, value)")
        arrays[str(pair[0])] = _array(pair[1], pair[0])
    components = state.get("components")
    for name, part in (components if isinstance(components, dict) else {}).items():
        if not is_tf1_network(part):
            raise CheckpointError(
                f"component {shown(name)} of a network is none itself"
            )
        for inner, array in tf1_variables(part).items():
            arrays[f"{name}/{inner}"] = array
    return arrays


def state_dict(module: Record, prefix: str = "") -> dict[str, np.ndarray]:
    """Returns a persistent module's parameters and buffers by dotted name.

    Raises:
      CheckpointError: an object in it that is no module or no array.
    """
    state = module.state.get("state") if is_module(module) else None
    if not isinstance(state, dict):
        raise CheckpointError(f"{prefix or 'the network'} is no module of NVIDIA's")
    arrays = {}
    for table in ("_parameters", "_buffers"):
        for name, value in _dict(state.get(table)).items():
            if value is not None:
                arrays[f"{prefix}{name}"] = _array(value, f"{prefix}{name}")
    for name, child in _dict(state.get("_modules")).items():
        if child is not None:
            arrays.update(state_dict(child, f"{prefix}{name}."))
    return arrays


def init_kwargs(module: Record) -> dict:
    """Returns the keyword arguments that a persistent module was made with."""
    return dict(_dict(_dict(module.state.get("state")).get("_init_kwargs")))


def attributes(module: Record) -> dict:
    """Returns a persistent module's plain attributes (num_ws, c_dim, ...)."""
    state = _dict(module.state.get("state"))
    return {k: v for k, v in state.items() if not str(k).startswith("_")}


def child(module: Record, *names: str) -> Record:
    """Returns a sub-module by its path.

    Raises:
      CheckpointError: there is none.
    """
    for name in names:
        module = _dict(_dict(module.state.get("state")).get("_modules")).get(name)
        if not is_module(module):
            raise CheckpointError(f"the network has no part {shown(name)}")
    return module


def _dict(value) -> dict:
    return value if isinstance(value, dict) else {}


def _array(value, name) -> np.ndarray:
    if isinstance(value, (np.ndarray, np.generic, float, int)):
        return np.asarray(value)
    raise CheckpointError(f"{shown(name)} is no array")
