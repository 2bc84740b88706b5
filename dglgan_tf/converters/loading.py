"""From a path to networks: finds the format, loads it and reports what was found."""

import hashlib
import re
from pathlib import Path

from dglgan_tf.containers import reader
from dglgan_tf.containers.errors import CheckpointError, Record, shown
from dglgan_tf.converters import describe, result, unwrap
from dglgan_tf.converters.biggan import deep_hf, pytorch, studiogan, tfhub
from dglgan_tf.converters.stylegan2 import ada, rosinality, tf1
from dglgan_tf.networks import base, files

FORMATS = (tf1, ada, rosinality, deep_hf, pytorch, studiogan, tfhub)
# What damaged contents raise in a family module, which takes them for sound.
_CONTENTS = (TypeError, KeyError, IndexError, AttributeError, ArithmeticError)
_LEFTOVERS = r"^(\w*optim\w*|args|ada_aug_p|augment_pipe|training_set_kwargs)$"
FAMILIES = {"StyleGAN2": "stylegan2", "BigGAN": "biggan", "BigGANDeep": "biggan_deep"}


def load_checkpoint(path, config=None) -> result.Loaded:
    """Loads an official checkpoint, or one of ours.

    Args:
      path: NVIDIA `.pkl`, rosinality `.pt`, BigGAN-PyTorch `.pth` or folder,
        HuggingFace BigGAN-deep folder, TF-Hub SavedModel folder, StudioGAN `.pth`,
        our `.safetensors` or a folder with one.
      config: dict of constructor arguments that overrides what the file implies; those
        of the discriminator alone under the key 'discriminator'.

    Returns:
      generator (moving average or only one), generator_raw, discriminator, family,
      config, report.

    Raises:
      CheckpointError: with one sentence.
    """
    path = Path(path)
    if config is not None and not isinstance(config, dict):
        raise CheckpointError(f"config={shown(config)} must be a dict of arguments")
    own = _own_file(path)
    try:
        loaded = _load_own(own, config) if own else _load_official(path, config)
    except CheckpointError as error:
        text = str(error)
        raise CheckpointError(
            text if str(path) in text else f"{path}: {text}"
        ) from error
    except (RecursionError, MemoryError) as error:
        raise CheckpointError(
            f"{path}: its objects are too deep or too large"
        ) from error
    except ValueError as error:
        raise CheckpointError(f"{path}: {' '.join(str(error).split())}") from error
    loaded.report["source"] = str(path)
    loaded.report["sha256"] = hashes(own or path)
    loaded.report["parameters"] = _parameters(loaded)
    loaded.report.setdefault("ignored", []).extend(reader.ignored_files(path))
    loaded.report.setdefault("notes", [])
    return loaded


def _load_official(path: Path, config) -> result.Loaded:
    tree, notes = _read(path), []
    try:
        module, known = find_format(tree), tree
        if module is None:
            known, notes = unwrap.unwrap(tree)
            module = None if known is None else find_format(known)
        if module is None:
            raise CheckpointError(
                "no StyleGAN2 or BigGAN checkpoint: it looks like "
                f"{describe.tree(tree)}"
            )
        loaded = module.load(known, config)
    except _CONTENTS as error:
        raise CheckpointError(
            "its contents do not fit together as a StyleGAN2 or BigGAN: "
            f"{type(error).__name__}: {shown(' '.join(str(error).split()), 150)}"
        ) from error
    loaded.report["format"] = module.FORMAT
    loaded.report.setdefault("notes", []).extend(notes)
    _note_leftovers(tree, loaded.report)
    return loaded


def _read(path):
    """Returns a file's tree; says how to save what holds code as plain arrays."""
    try:
        return reader.read(path)
    except CheckpointError as error:
        if "refused and nothing was run" not in str(error):
            raise
        raise CheckpointError(
            f"{error}; where it was made, save the network's arrays alone: "
            "torch.save(network.state_dict(), FILE), without the module and without "
            "args, and convert that file"
        ) from error


def _note_leftovers(tree, report):
    """Says which parts of a file were read for hints only, or not at all."""
    folder = isinstance(tree, Record) and tree.kind == "folder"
    table = tree.state if folder else tree
    notes, ignored = report.setdefault("notes", []), report.setdefault("ignored", [])
    for name, value in table.items() if isinstance(table, dict) else ():
        if isinstance(value, Record) and value.kind == "unreadable":
            notes.append(f"{name} was left out: {value.state['error']}")
        elif folder and str(name).startswith("state_dict"):
            notes.append(f"{name} was read for its settings only")
        elif not folder and re.search(_LEFTOVERS, str(name)):
            ignored.append(str(name))


def find_format(tree):
    """Returns the family module that reads a tree, or None."""
    for module in FORMATS:
        if module.detect(tree):
            return module
    return None


def _own_file(path: Path) -> Path | None:
    """Returns the safetensors file that a path means, if it means one."""
    if path.is_file() and path.suffix == ".safetensors":
        return path
    found = sorted(path.glob("*.safetensors")) if path.is_dir() else []
    if len(found) > 1:
        raise CheckpointError(
            f"{path} holds {len(found)} .safetensors files, such as {found[-1].name}: "
            "name one of them"
        )
    return found[0] if found else None


def _load_own(path: Path, config) -> result.Loaded:
    if config:
        raise CheckpointError(
            "a checkpoint of this package states its configuration: leave config out"
        )
    try:
        networks = files.load_networks(path)
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(str(error)) from error
    raw = networks.get("generator")
    generator = networks.get("generator_ema", raw)
    discriminator = networks.get("discriminator")
    if generator is None and discriminator is None:
        raise CheckpointError("the file holds neither generator nor discriminator")
    known = generator if generator is not None else discriminator
    name = type(known).__name__.replace("Generator", "").replace("Discriminator", "")
    settings = generator.get_config() if generator is not None else {}
    if discriminator is not None:
        settings["discriminator"] = discriminator.get_config()
    return result.Loaded(
        generator=generator,
        generator_raw=raw if generator is not raw else None,
        discriminator=discriminator,
        family=FAMILIES.get(name, name),
        config=settings,
        report={"format": "dglgan_tf"},
    )


def hashes(path: Path):
    """Returns the SHA-256 of a file, or {name: SHA-256} of a folder's files."""
    path = Path(path)
    if path.is_dir():
        inside = sorted(p for p in path.rglob("*") if p.is_file())
        return {str(p.relative_to(path)): hashes(p) for p in inside}
    if not path.is_file():
        return {p.name: hashes(p) for p in sorted(path.parent.glob(f"{path.name}.*"))}
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _parameters(loaded) -> dict[str, int]:
    counts = {}
    for role in ("generator", "generator_raw", "discriminator"):
        network = getattr(loaded, role)
        if network is not None:
            counts[role] = base.count_parameters(network)
    return counts
