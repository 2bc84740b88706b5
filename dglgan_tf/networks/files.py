"""Networks in one file: safetensors with a JSON header, atomic, no code inside.

The same format serves run checkpoints, converted official networks and what gin names
as a teacher. Tensor names are `<role>/<attribute path>`; the header's metadata holds,
as JSON under the key `dglgan_tf`, the class and the constructor arguments of each role.
"""

import contextlib
import importlib
import json
import struct
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from dglgan_tf.foundation import atomic
from dglgan_tf.networks import base, file_headers

FORMAT = 1
ROLES = ("generator", "generator_ema", "discriminator")
GENERATORS = ("generator_ema", "generator")  # the averaged one, else the only one
_KINDS = ("F64", "F32", "F16", "I64", "I32", "I16", "I8", "U8", "U16", "U32", "U64",
          "BOOL")  # fmt: skip
_MODULES = {
    "StyleGAN2Generator": "stylegan2",
    "StyleGAN2Discriminator": "stylegan2",
    "BigGANGenerator": "biggan",
    "BigGANDiscriminator": "biggan",
    "BigGANDeepGenerator": "biggan_deep",
    "BigGANDeepDiscriminator": "biggan_deep",
}


def write_tensors(path, tensors: dict[str, np.ndarray], header: dict) -> None:
    """Writes arrays and a JSON header: temporary file, fsync, rename.

    Raises:
      OSError: the disk is full or the folder cannot be written; an existing file of
        that name is untouched and no temporary file stays.
    """
    data = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    text = json.dumps(header)
    sums = file_headers.checksums(data, text)
    atomic.write(path, safetensors.numpy.save(data, {"dglgan_tf": text, "crc32": sums}))


def read_header(path) -> dict:
    """Returns the JSON header of a file that `write_tensors` wrote.

    Raises:
      ValueError: not such a file; the sentence says what it is and what was expected.
      DamagedFile: a file that changed after it was written.
    """
    with _opened(path) as file:
        return _header_of(file, path)[0]


@contextlib.contextmanager
def _opened(path):
    """Opens a safetensors file; what its own reader complains of is a ValueError."""
    if not Path(path).is_file():
        raise ValueError(
            f"no checkpoint at {path}: give the path of a .safetensors file"
        )
    try:
        with safetensors.safe_open(str(path), framework="numpy") as file:
            yield file
    except (safetensors.SafetensorError, OSError, struct.error) as error:
        raise file_headers.DamagedFile(
            f"{path} is not a readable safetensors file ({error}): give a checkpoint "
            "of this package, or convert an official one with "
            "python -m dglgan_tf.convert"
        ) from error


def _header_of(file, path):
    """Returns the header, and the checksums by name ({} of older files)."""
    metadata = file.metadata() or {}
    text = metadata.get("dglgan_tf")
    if text is None:
        raise ValueError(
            f"{path} is a safetensors file without a dglgan_tf header: give a "
            "checkpoint of this package"
        )
    sums = {}
    if "crc32" in metadata:
        sums = file_headers.read_checksums(metadata["crc32"], text, file.keys(), path)
    return file_headers.parse(text, path), sums


def read_tensors(path, prefix: str = "") -> dict[str, np.ndarray]:
    """Returns the arrays whose names start with `prefix`, names without it.

    Raises:
      ValueError: not such a file, or arrays of a type that numpy has not.
      DamagedFile: an array is not what was written.
    """
    with _opened(path) as file:
        sums, found = _header_of(file, path)[1], {}
        for name in file.keys():
            if not name.startswith(prefix):
                continue
            kind = file.get_slice(name).get_dtype()
            if kind not in _KINDS:
                raise ValueError(f"{path}: {name} has the type {kind}: not one of ours")
            array = file.get_tensor(name)
            if sums and file_headers.checksum(array) != sums[name]:
                raise file_headers.damaged(path, name)
            found[name[len(prefix) :]] = array
        return found


def _shapes(path, prefix) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of the arrays whose names start with `prefix`."""
    with _opened(path) as file:
        names = [name for name in file.keys() if name.startswith(prefix)]
        return {name: tuple(file.get_slice(name).get_shape()) for name in names}


def network_tensors(network: base.Network, role: str) -> dict[str, np.ndarray]:
    """Returns a network's variables as arrays named `<role>/<attribute path>`."""
    variables = base.named_variables(network, role)
    return {name: variable.numpy() for name, variable in variables.items()}


def describe(networks: dict[str, base.Network]) -> dict:
    """Returns {role: {'class', 'config'}} for a header."""
    return {
        role: {"class": type(network).__name__, "config": network.get_config()}
        for role, network in networks.items()
    }


def save_networks(path, networks: dict[str, base.Network], info=None) -> None:
    """Writes networks by role ('generator', 'generator_ema', 'discriminator').

    Args:
      path: file to write; replaced atomically.
      networks: {role: network}.
      info: JSON-able facts kept in the header (source, images seen, hashes).
    """
    tensors = {}
    for role, network in networks.items():
        tensors.update(network_tensors(network, role))
    header = {"format": FORMAT, "networks": describe(networks), "info": info or {}}
    write_tensors(path, tensors, header)


def build_network(description: dict, longest: int = 0) -> base.Network:
    """Builds a network from its header entry; the weights are new.

    Args:
      description: {'class', 'config'} of a header that was read.
      longest: largest dimension of its tensors, where they are known.

    Raises:
      ValueError: a class or a parameter that this version does not have, or values
        from which no network can be made.
    """
    name = description["class"]
    if name not in _MODULES:
        raise ValueError(
            f"network class {name!r} is unknown here (known: {sorted(_MODULES)}): "
            "was the file written by a newer version?"
        )
    module = importlib.import_module(f"dglgan_tf.networks.{_MODULES[name]}")
    made, config = getattr(module, name), description["config"]
    file_headers.check_config(config, made, longest)
    try:
        return made.from_config(config)
    except ValueError:
        raise
    except Exception as error:  # whatever values a stranger chose
        said = f"{type(error).__name__}: {error}".split("\n")[0]
        raise ValueError(f"no {name} can be made of its header ({said})") from error


def check_tensors(network: base.Network, tensors: dict, source) -> None:
    """Says whether arrays by attribute path are a network's variables.

    Raises:
      ValueError: a missing, unused or differently shaped or typed array, named.
    """
    variables = base.named_variables(network)
    missing = sorted(set(variables) - set(tensors))
    unused = sorted(set(tensors) - set(variables))
    if missing or unused:
        raise ValueError(
            f"{source} does not fit {type(network).__name__}: missing {missing[:5]} "
            f"({len(missing)} in all), unused {unused[:5]} ({len(unused)} in all)"
        )
    for name, variable in variables.items():
        if tuple(tensors[name].shape) != tuple(variable.shape):
            raise ValueError(
                f"{source}: {name} has shape {tuple(tensors[name].shape)}, the network "
                f"expects {tuple(variable.shape)}"
            )
        kind, wanted = tensors[name].dtype, variable.dtype.as_numpy_dtype
        if not np.can_cast(kind, wanted, "same_kind"):
            raise ValueError(
                f"{source}: {name} is of type {kind}, the network expects "
                f"{np.dtype(wanted)}"
            )


def assign_tensors(network: base.Network, tensors: dict, source) -> None:
    """Sets a network's variables from arrays by attribute path.

    Raises:
      ValueError: see `check_tensors`; nothing is assigned then.
    """
    check_tensors(network, tensors, source)
    for name, variable in base.named_variables(network).items():
        variable.assign(tensors[name].astype(variable.dtype.as_numpy_dtype, copy=False))


def generator_role(held, path) -> str:
    """Returns which generator of a file counts: the averaged one, else the only one.

    Args:
      held: the roles that the file's header lists.
      path: of the file, for the message.

    Raises:
      ValueError: there is no generator.
    """
    for role in GENERATORS:
        if role in held:
            return role
    raise ValueError(
        f"{path} has no generator (it holds {sorted(held) or 'no network'}): name "
        "weights that have one"
    )


def load_generator(path) -> tuple[base.Generator, dict]:
    """Reads the averaged generator of a file, else its only generator.

    Args:
      path: a `.safetensors` file; `run_directory.find_weights` finds it by name.

    Returns:
      the network; the file's `info` with 'file' and 'role' added.

    Raises:
      ValueError: no such file, or no generator in it.
    """
    header = read_header(path)
    role = generator_role(header.get("networks", {}), path)
    network = load_networks(path, [role])[role]
    return network, {**header.get("info", {}), "file": str(path), "role": role}


def load_networks(path, roles=None) -> dict[str, base.Network]:
    """Reads networks by role; builds each from its stored configuration.

    Args:
      path: a file of `save_networks` or a run checkpoint.
      roles: which ones; None = all that the file holds.

    Raises:
      ValueError: no such file, another kind of file, a role it does not hold, a
        header from which no network can be made, or weights that are not finite.
    """
    header = read_header(path)
    held = header.get("networks", {})
    roles = list(held) if roles is None else list(roles)
    absent = [role for role in roles if role not in held]
    if absent:
        raise ValueError(f"{path} holds {sorted(held)}, not {absent}")
    loaded = {}
    for role in roles:
        shapes = _shapes(path, f"{role}/")
        longest = max((size for shape in shapes.values() for size in shape), default=0)
        try:
            with file_headers.bounded(shapes):
                network = build_network(held[role], longest)
        except ValueError as error:
            said = str(error).split("\n")[0]  # gin adds lines of its own
            raise ValueError(f"{path}: {role}: {said}") from error
        tensors = read_tensors(path, f"{role}/")
        file_headers.check_finite({f"{role}/{n}": a for n, a in tensors.items()}, path)
        assign_tensors(network, tensors, path)
        loaded[role] = network
    return loaded
