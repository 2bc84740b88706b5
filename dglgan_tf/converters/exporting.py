"""From our networks to files of other code bases."""

import importlib
from pathlib import Path

from dglgan_tf.containers.errors import CheckpointError
from dglgan_tf.converters import result, writer

LAYOUTS = {
    "ada": "stylegan2.ada",
    "rosinality": "stylegan2.rosinality",
    "tf1": "stylegan2.tf1",
    "biggan_pytorch": "biggan.pytorch",
}
SUFFIXES = {"ada": ".pt", "rosinality": ".pt", "tf1": ".pkl"}


def export_checkpoint(networks, path, to: str) -> list[Path]:
    """Writes networks; see `dglgan_tf.converters.export_checkpoint`."""
    if to not in LAYOUTS:
        raise CheckpointError(f"to={to!r} must be one of {sorted(LAYOUTS)}")
    if isinstance(networks, result.Loaded):
        networks = roles(networks)
    module = importlib.import_module(f"dglgan_tf.converters.{LAYOUTS[to]}")
    tree = module.export(networks)
    path = Path(path)
    if to == "biggan_pytorch":
        for name, state in tree.items():
            writer.write_torch(path / name, state)
        return [path / name for name in tree]
    if to == "tf1":
        writer.write_pickle(path, tree)
    else:
        writer.write_torch(path, tree)
    return [path]


def roles(loaded: result.Loaded) -> dict:
    """Returns {role: network} of loaded networks, as checkpoints name them."""
    found = {}
    if loaded.generator_raw is not None:
        found["generator"] = loaded.generator_raw
        found["generator_ema"] = loaded.generator
    elif loaded.generator is not None:
        found["generator"] = loaded.generator
    if loaded.discriminator is not None:
        found["discriminator"] = loaded.discriminator
    return found
