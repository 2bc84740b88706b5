"""From our networks to files of other code bases."""

from pathlib import Path

from dglgan_tf.containers.errors import CheckpointError
from dglgan_tf.converters import result, writer
from dglgan_tf.converters.biggan import pytorch
from dglgan_tf.converters.stylegan2 import ada, rosinality, tf1

LAYOUTS = {
    "ada": ada,
    "rosinality": rosinality,
    "tf1": tf1,
    "biggan_pytorch": pytorch,
}
SUFFIXES = {"ada": ".pt", "rosinality": ".pt", "tf1": ".pkl"}


def export_checkpoint(networks, path, to: str) -> list[Path]:
    """Writes networks in the layout of another code base.

    Args:
      networks: {role: network} with the roles 'generator', 'generator_ema',
        'discriminator', or a `result.Loaded`.
      path: file to write; a folder for 'biggan_pytorch'.
      to: 'ada', 'rosinality', 'tf1' or 'biggan_pytorch'.

    Returns:
      Paths of the files written.

    Raises:
      CheckpointError: the layout cannot hold such a network.
    """
    if to not in LAYOUTS:
        raise CheckpointError(f"to={to!r} must be one of {sorted(LAYOUTS)}")
    if isinstance(networks, result.Loaded):
        networks = roles(networks)
    tree = LAYOUTS[to].export(networks)
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
