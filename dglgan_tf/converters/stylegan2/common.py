"""What the three StyleGAN2 formats share: configurations, filters, the result."""

import dataclasses
import inspect
import re

import numpy as np

from dglgan_tf.containers.errors import CheckpointError
from dglgan_tf.converters import result
from dglgan_tf.networks import stylegan2
from dglgan_tf.ops import resample

DEFAULT_TAPS = [1, 3, 3, 1]
GENERATOR = stylegan2.StyleGAN2Generator
DISCRIMINATOR = stylegan2.StyleGAN2Discriminator


@dataclasses.dataclass
class Part:
    """One network of a file: its arrays and what they imply.

    Attributes:
      what: its name in the file.
      config: constructor arguments that the file implies.
      arrays: by name.
      ignored: regular expressions of names that no network needs.
    """

    what: str
    config: dict
    arrays: dict[str, np.ndarray]
    ignored: tuple[str, ...] = ()


def full_config(cls, inferred: dict, override: dict) -> dict:
    """Returns every constructor argument: the file's, overrides, defaults.

    Complete, so that no gin binding reaches the network of a file.

    Raises:
      CheckpointError: an override that is no argument.
    """
    parameters = inspect.signature(cls.__init__).parameters
    names = [n for n in parameters if n not in ("self", "name")]
    unknown = sorted(set(override) - set(names))
    if unknown:
        raise CheckpointError(
            f"config names {unknown}, which {cls.__name__} does not take; it takes "
            f"{sorted(names)}"
        )
    defaults = {n: parameters[n].default for n in names}
    merged = {**defaults, **inferred, **override}
    return {n: list(v) if isinstance(v, tuple) else v for n, v in merged.items()}


def load(parts: dict[str, Part], entries, config=None, notes=()) -> result.Loaded:
    """Builds the networks of a file.

    Args:
      parts: by role, 'generator_ema', 'generator', 'discriminator'; at least one.
      entries: {role: (full config) -> mapping entries}, for 'generator' (both) and
        'discriminator'.
      config: overrides, those of the discriminator under 'discriminator'.
      notes: sentences for the report.
    """
    override = dict(config or {})
    overrides = {"discriminator": override.pop("discriminator", {}) or {}}
    overrides["generator"] = override
    networks, ignored = {}, []
    for role, part in parts.items():
        kind = "discriminator" if role == "discriminator" else "generator"
        cls = DISCRIMINATOR if kind == "discriminator" else GENERATOR
        settings = full_config(cls, part.config, overrides[kind])
        networks[role] = result.build(
            cls, settings, entries[kind](settings), part.arrays, part.ignored, part.what
        )
        ignored += _matching(part)
    generator = networks.get("generator_ema", networks.get("generator"))
    raw = networks.get("generator") if "generator_ema" in networks else None
    discriminator = networks.get("discriminator")
    settings = {} if generator is None else generator.get_config()
    if discriminator is not None:
        settings["discriminator"] = discriminator.get_config()
    return result.Loaded(
        generator=generator,
        generator_raw=raw,
        discriminator=discriminator,
        family="stylegan2",
        config=settings,
        report={"ignored": ignored, "notes": list(notes)},
    )


def _matching(part: Part) -> list[str]:
    return [
        f"{part.what}: {name}"
        for name in part.arrays
        if any(re.fullmatch(pattern, name) for pattern in part.ignored)
    ]


def shape(arrays: dict, name: str, rank: int) -> tuple[int, ...]:
    """Returns the shape of an array.

    Raises:
      CheckpointError: no such array, or one of another rank.
    """
    if name not in arrays:
        raise CheckpointError(f"the file lacks {name}")
    found = np.shape(arrays[name])
    if len(found) != rank:
        raise CheckpointError(f"{name} has shape {found} instead of {rank} axes")
    return found


def count(arrays: dict, pattern: str) -> int:
    """Returns how many names match `pattern`, numbered by its {} from the start."""
    number = 0
    while pattern.format(number) in arrays:
        number += 1
    return number


def sides(arrays: dict, pattern: str) -> list[int]:
    """Returns [4, 8, ...]: the sizes that `pattern`'s first group finds in names.

    Raises:
      CheckpointError: they are no such row.
    """
    found = {int(m[1]) for m in (re.match(pattern, n) for n in arrays) if m}
    row = [4 << k for k in range(len(found))]
    if not row or sorted(found) != row:
        raise CheckpointError(
            f"its layers are made for the sizes {sorted(found)[:12]}, StyleGAN2 has "
            "4, 8, ... up to the image size"
        )
    return row


def check_square(constant, doublings: int) -> None:
    """Refuses a generator of images that are no squares of a power of two.

    Args:
      constant: [height, width] of its constant.
      doublings: how often it doubles them.

    Raises:
      CheckpointError: says which images it makes.
    """
    height, width = constant
    if (height, width) != (4, 4):
        raise CheckpointError(
            f"it makes images of {height << doublings}x{width << doublings} pixels "
            "(height x width): only squares whose side is a power of two, at least 8, "
            "can be read"
        )


def taps(given, buffer=None) -> list:
    """Returns the filter's taps: those stated, else the usual, else the stored array.

    Args:
      given: taps from the file's arguments, or None.
      buffer: the stored [k, k] filter of unit sum, or None.

    Raises:
      CheckpointError: taps that are no filter.
    """
    stated = DEFAULT_TAPS if given is None else _plain_taps(given)
    try:
        fir = resample.setup_filter(stated)
    except (ValueError, TypeError) as error:
        raise CheckpointError(str(error)) from error
    if buffer is None or (
        np.shape(buffer) == fir.shape and np.allclose(buffer, fir, atol=1e-6)
    ):
        return stated
    return np.asarray(buffer, np.float64).tolist()


def _plain_taps(given) -> list:
    array = np.asarray(given)
    if array.dtype.kind not in "fiu" or array.size > 256:
        raise CheckpointError(f"a resampling filter of {array.dtype} {array.shape}")
    return array.tolist()


def require(value, allowed, what: str):
    """Raises CheckpointError unless `value` is one of `allowed`."""
    if value not in allowed:
        raise CheckpointError(
            f"{what} {value!r} is not supported (only {', '.join(map(repr, allowed))})"
        )


def exported(networks: dict, allowed: str) -> dict:
    """Checks the networks of an export; a `result.Loaded` is taken apart first.

    Raises:
      CheckpointError: other networks than StyleGAN2's, or none.
    """
    if isinstance(networks, result.Loaded):
        loaded = networks
        networks = {"generator_ema": loaded.generator}
        networks["generator"] = loaded.generator_raw
        networks["discriminator"] = loaded.discriminator
    found = {role: n for role, n in networks.items() if n is not None}
    for role, network in found.items():
        if not isinstance(network, (GENERATOR, DISCRIMINATOR)):
            raise CheckpointError(
                f"{allowed} holds StyleGAN2 networks, {role} is a "
                f"{type(network).__name__}"
            )
    if not found:
        raise CheckpointError(f"there is no network to write as {allowed}")
    return found


def widths(network) -> list[int]:
    """Returns a network's channels at 4, 8, ..., resolution."""
    from dglgan_tf.networks import stylegan2_blocks

    return stylegan2_blocks.block_widths(
        network.resolution,
        network.channel_base,
        network.channel_max,
        network.channels_fraction,
        network.channels,
    )
