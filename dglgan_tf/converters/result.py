"""What loading a checkpoint returns, and how a network gets the file's arrays."""

import contextlib
import dataclasses

from dglgan_tf.containers.errors import CheckpointError, shown
from dglgan_tf.converters import mapping


@dataclasses.dataclass
class Loaded:
    """Networks of a checkpoint, in our classes.

    Attributes:
      generator: the moving-average generator, or the only one.
      generator_raw: the generator as trained, where the file has both; else None.
      discriminator: None where the file has none.
      family: 'stylegan2', 'biggan' or 'biggan_deep'.
      config: constructor arguments of the generator and, under 'discriminator', of
        the discriminator.
      report: 'format', 'source', 'sha256', 'parameters', 'ignored' and 'notes'.
    """

    generator: object
    generator_raw: object
    discriminator: object
    family: str
    config: dict
    report: dict = dataclasses.field(default_factory=dict)


@contextlib.contextmanager
def described(what: str):
    """Turns what goes wrong while a configuration is inferred into one sentence.

    Args:
      what: the network's name in the file.

    Raises:
      CheckpointError: in place of any error about values, types or names.
    """
    try:
        yield
    except CheckpointError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, ZeroDivisionError) as error:
        raise CheckpointError(
            f"{what}: its names, shapes or the given config make no network "
            f"({shown(f'{type(error).__name__}: {error}', 160)})"
        ) from error


def build(cls, config: dict, entries, arrays: dict, ignored=(), what: str = "network"):
    """Builds a network and gives it a file's arrays.

    The network is laid out without memory first and compared with the arrays, so a file
    that merely claims a large network allocates nothing.

    Args:
      cls: network class.
      config: its constructor arguments.
      entries: mapping from the file's names to its variables.
      arrays: the file's arrays by name.
      ignored: regular expressions of names that no network needs.
      what: the network's name in the file, for messages.

    Raises:
      CheckpointError: names or shapes that do not fit, or arguments that the class
        refuses.
    """
    from dglgan_tf.compat import tf
    from dglgan_tf.networks import base, files, weightless

    try:
        tensors = mapping.apply(entries, arrays, ignored)
    except CheckpointError as error:
        raise CheckpointError(f"{what}: {error}") from error
    try:
        with weightless.weightless():
            layout = base.named_variables(cls(**config))
            shapes = {n: tuple(v.shape) for n, v in layout.items()}
        _compare(shapes, tensors, what)
        network = cls(**config)
        files.assign_tensors(network, tensors, what)
    except CheckpointError:
        raise
    except (ValueError, TypeError, ArithmeticError, tf.errors.OpError) as error:
        raise CheckpointError(
            f"{what} describes a network that cannot be built: {shown(str(error), 200)}"
        ) from error
    return network


def _compare(shapes: dict, tensors: dict, what: str):
    missing = sorted(set(shapes) - set(tensors))
    unused = sorted(set(tensors) - set(shapes))
    if missing or unused:
        raise CheckpointError(
            f"{what}: nothing was read for {missing[:5]} ({len(missing)} in all) and "
            f"there is no variable {unused[:5]} ({len(unused)} in all)"
        )
    for name, shape in shapes.items():
        if tensors[name].shape != shape:
            raise CheckpointError(
                f"{what}: the array for {name} has shape {tensors[name].shape}, the "
                f"network expects {shape}"
            )
