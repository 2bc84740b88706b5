"""Reads any supported checkpoint file or folder into plain containers and arrays.

    tree = reader.read("network.pkl")

The result holds dicts, lists, tuples, sets, text, numbers, numpy arrays (mostly views
of the file: copy what you keep) and `errors.Record`s. No code of the file runs, nothing
that it names is imported, neither PyTorch nor TensorFlow 1 is needed.
"""

import json
import mmap
import re
from pathlib import Path

import numpy as np

from dglgan_tf.containers import arrays, tf_variables, torch_files, unpickle
from dglgan_tf.containers.errors import CheckpointError, Record, shown

MAX_NODES = 1_000_000
MAX_DEPTH = 100
_COPY = re.compile(r"_(copy|best)\d+(?=\.)")
FOLDER_ENDINGS = (".pth", ".bin", ".pt")


def read(path):
    """Reads a file, or a folder of `.pth`/`.bin` files, or TensorFlow variables.

    Args:
      path: file of pickle or torch.save, a folder of such (BigGAN-PyTorch,
        HuggingFace), a SavedModel folder, or the prefix or folder of its variables.

    Returns:
      For a file, what it holds. For a folder `Record('folder', {file name: content})`,
      optimiser states left out; for TensorFlow variables
      `Record('tf_variables', {name: array})`.

    Raises:
      CheckpointError: with one sentence on what the file is or where it is damaged.
    """
    path = Path(path)
    if path.is_dir():
        return _read_folder(path)
    if path.with_name(path.name + ".index").is_file():
        return _read_variables(path)
    if not path.is_file():
        raise CheckpointError(f"no file or folder at {path}")
    stated = path.parent / "config.json"
    if path.suffix == ".bin" and stated.is_file():  # HuggingFace's pair of files
        contents = {path.name: _read_file(path), stated.name: _read_json(stated)}
        return Record("folder", contents)
    return _read_file(path)


def _read_file(path: Path):
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        if size == 0:
            raise CheckpointError(f"{path} is empty")
        buffer = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    try:
        tree = _read_buffer(buffer)
        _check(tree, 2 * size + (1 << 20))
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except RecursionError as error:
        raise CheckpointError(f"{path}: its objects are nested too deeply") from error
    return tree


def _read_buffer(buffer):
    start = bytes(buffer[:16])
    if start[:2] == b"PK":
        return torch_files.read_zip(buffer)
    if torch_files.is_legacy(buffer):
        return torch_files.read_legacy(buffer)
    if start[0] == 0x80 and len(start) > 1 and 2 <= start[1] <= 5:
        return unpickle.Unpickler(buffer, nested=torch_files.read_legacy).load()
    raise CheckpointError(f"this is {_looks_like(start)}, not a checkpoint file")


def _looks_like(start: bytes) -> str:
    known = {
        b"\xff\xd8\xff": "a JPEG image",
        b"\x89PNG": "a PNG image",
        b"\x89HDF": "an HDF5 file",
        b"\x1f\x8b": "a gzip file (unpack it first)",
        b"GIF8": "a GIF image",
        b"%PDF": "a PDF document",
        b"<!DO": "a web page (a download that failed?)",
        b"<htm": "a web page (a download that failed?)",
        b"version https": "a Git LFS pointer (the file itself was not fetched)",
        b"\x93NUMPY": "a numpy array file",
    }
    for magic, name in known.items():
        if start.startswith(magic):
            return name
    return f"an unknown file starting with the bytes {start[:8].hex(' ')}"


def _check(tree, budget: int):
    """Refuses unfinished objects, cycles, and contents larger than the file.

    An object that is referred to n times counts n times, since a network built from it
    would hold n copies.
    """
    pending = [(tree, 0)]
    nodes = 0
    while pending:
        node, depth = pending.pop()
        nodes += 1
        if nodes > MAX_NODES or depth > MAX_DEPTH:
            raise CheckpointError("the objects in it are nested or repeated too much")
        if isinstance(node, np.ndarray):
            budget -= node.nbytes
        elif isinstance(node, dict):
            pending += [(v, depth + 1) for v in node.values()]
        elif isinstance(node, (list, tuple)):
            pending += [(v, depth + 1) for v in node]
        elif isinstance(node, Record):
            pending.append((node.state, depth + 1))
        elif isinstance(node, arrays.Unfinished) and node.kind == "numpy.ndarray":
            raise CheckpointError("it holds an array without content")
        if budget < 0:
            raise CheckpointError("its arrays are larger than the file, by repetition")


def _read_folder(path: Path):
    if (path / "saved_model.pb").is_file() or (path / "variables.index").is_file():
        folder = path / "variables" if (path / "saved_model.pb").is_file() else path
        return _read_variables(folder / "variables")
    names = sorted(
        p.name
        for p in path.iterdir()
        if p.suffix in FOLDER_ENDINGS and p.name not in ignored_files(path)
    )
    if not names:
        raise CheckpointError(
            f"{path} holds neither .pth/.pt/.bin files nor TensorFlow variables"
        )
    contents = {}
    for name in names:
        try:
            contents[name] = _read_file(path / name)
        except CheckpointError as error:
            if not name.startswith("state_dict"):
                raise
            contents[name] = Record("unreadable", {"error": str(error)})
    if (path / "config.json").is_file():
        contents["config.json"] = _read_json(path / "config.json")
    return Record("folder", contents)


def ignored_files(path) -> list[str]:
    """Returns the names of a folder's files that are never read.

    Optimiser states, and the copies that BigGAN-PyTorch numbers (`G_copy0.pth`,
    `G_best1.pth`) beside the plain file.
    """
    path = Path(path)
    names = [p.name for p in path.iterdir()] if path.is_dir() else []
    return sorted(
        name
        for name in names
        if name.endswith(FOLDER_ENDINGS)
        and ("optim" in name or _COPY.sub("", name) in set(names) - {name})
    )


def _read_json(path: Path):
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is no JSON: {shown(str(error), 100)}") from error


def _read_variables(prefix: Path):
    from dglgan_tf.compat import tf

    checkpoint, shapes = tf_variables.open_checked(prefix)
    try:
        return Record(
            "tf_variables", {n: np.asarray(checkpoint.get_tensor(n)) for n in shapes}
        )
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"the TensorFlow variables at {prefix} cannot be read: "
            f"{shown(str(error).splitlines()[0] if str(error) else '', 150)}"
        ) from error
