"""Seeds to latents and classes: image i depends on seed i alone."""

import re

import numpy as np


def parse_seeds(text: str) -> list[int]:
    """Reads seeds such as '0-63' or '1,5,7-9'; order and repetitions are kept.

    Raises:
      ValueError: not a list of numbers and ranges from 0 to 2**32 - 1.
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:\s*-\s*(\d+))?\s*", part)
        if not match:
            raise ValueError(
                f"seeds={text!r}: {part!r} is neither a number nor a range; write "
                "seeds such as 0-63 or 1,5,7-9"
            )
        first = int(match[1])
        last = int(match[2]) if match[2] else first
        if last < first or last >= 2**32:
            raise ValueError(
                f"seeds={text!r}: {part!r} must rise and stay below 2**32 = 4294967296"
            )
        seeds.extend(range(first, last + 1))
    return seeds


def latents(seeds, z_dim: int) -> np.ndarray:
    """Returns the latents that NVIDIA's tools use: each depends on its seed alone.

    Args:
      seeds: ints from 0 to 2**32 - 1.
      z_dim: length of a latent.

    Returns:
      [N, z_dim] float32; row i is `RandomState(seeds[i]).randn(1, z_dim)`.
    """
    rows = [np.random.RandomState(seed).randn(1, z_dim) for seed in seeds]
    return np.concatenate(rows or [np.zeros((0, z_dim))]).astype(np.float32)


def random_labels(seeds, num_classes: int) -> np.ndarray:
    """Returns a class per seed, [N] int32, that depends on the seed alone."""
    draws = [
        np.random.RandomState(seed ^ 0x5EED).randint(num_classes) for seed in seeds
    ]
    return np.asarray(draws, np.int32)


def parse_classes(text: str, num_classes: int, names=()) -> list[int]:
    """Reads classes such as '3', '0-9', 'all', 'boot' or 'shirt,coat'.

    Args:
      text: numbers, ranges, names, or 'all', separated by commas.
      num_classes: of the network; 0 = unconditional.
      names: class names in order, where known; letter case does not matter.

    Raises:
      ValueError: an unconditional network, a class out of range or an unknown name.
    """
    if not num_classes:
        raise ValueError(
            f"class={text!r} was given, but the network has no classes: leave it out"
        )
    if text.strip().lower() == "all":
        return list(range(num_classes))
    known = {name.strip().lower(): number for number, name in enumerate(names)}
    found: list[int] = []
    for part in text.split(","):
        key = part.strip().lower()
        if key in known:
            found.append(known[key])
            continue
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", key)
        if not match:
            choice = f" (known: {', '.join(names)})" if len(names) else ""
            raise ValueError(f"class {part.strip()!r} is unknown{choice}")
        found.extend(_class_range(match, num_classes))
    return found


def _class_range(match, num_classes):
    first = int(match[1])
    last = int(match[2]) if match[2] else first
    if not first <= last < num_classes:
        raise ValueError(
            f"class {match[0]!r} is out of range: the network has the classes 0 to "
            f"{num_classes - 1}"
        )
    return range(first, last + 1)
