"""Seeds to latents and classes: image i depends on seed i alone."""

import bisect
import itertools
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np


class Numbers(Sequence):
    """Numbers in an order, kept as ranges: 0-4294967295 takes no memory.

    Args:
      ranges: one after the other.
    """

    def __init__(self, ranges: Iterable[range]):
        self._ranges = [r for r in ranges if len(r)]
        self._ends = list(itertools.accumulate(len(r) for r in self._ranges))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __iter__(self) -> Iterator[int]:
        return itertools.chain.from_iterable(self._ranges)

    def __getitem__(self, index):
        """Returns one number, or some of them for a slice."""
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step != 1:
                return Numbers([range(n, n + 1) for n in list(self)[index]])
            return Numbers(self._cut(start, stop))
        place = range(len(self))[index]
        number = bisect.bisect_right(self._ends, place)
        found = self._ranges[number]
        return found[place - self._ends[number] + len(found)]

    def __eq__(self, other) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(
            a == b for a, b in zip(self, other, strict=True)
        )

    __hash__ = None

    def __mul__(self, times: int) -> "Numbers":
        return Numbers(self._ranges * times)

    def __repr__(self) -> str:
        return f"Numbers({self._ranges})"

    def _cut(self, start: int, stop: int) -> Iterator[range]:
        for found, end in zip(self._ranges, self._ends, strict=True):
            first = end - len(found)
            yield found[max(start - first, 0) : max(stop - first, 0)]


class Computed(Sequence):
    """A sequence whose items are computed when they are asked for.

    Args:
      length: how many there are.
      item: place from 0 -> item.
    """

    def __init__(self, length: int, item: Callable[[int], int]):
        self._length, self._item = length, item

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> int:
        return self._item(range(self._length)[index])


def repeated(numbers: Sequence[int], times: int) -> Computed:
    """Returns each number so many times in a row."""
    return Computed(len(numbers) * times, lambda place: numbers[place // times])


def parse_seeds(text: str) -> Numbers:
    """Reads seeds such as '0-63' or '1,5,7-9'; order and repetitions are kept.

    Raises:
      ValueError: not a list of numbers and ranges from 0 to 2**32 - 1.
    """
    ranges = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,20})(?:\s*-\s*([0-9]{1,20}))?\s*", part)
        if not match:
            raise ValueError(
                f"seeds={_short(text)!r}: {_short(part)!r} is neither a number nor a "
                "range; write seeds such as 0-63 or 1,5,7-9"
            )
        first = int(match[1])
        last = int(match[2]) if match[2] else first
        if last < first or last >= 2**32:
            raise ValueError(
                f"seeds={_short(text)!r}: {part!r} must rise and stay below "
                "2**32 = 4294967296"
            )
        ranges.append(range(first, last + 1))
    return Numbers(ranges)


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


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
    return np.asarray(labels_of(seeds, num_classes), np.int32)


def labels_of(seeds: Sequence[int], num_classes: int) -> Computed:
    """Returns the classes of `random_labels` one by one."""

    def label(place):
        seed = int(seeds[place])
        return np.random.RandomState(seed ^ 0x5EED).randint(num_classes)

    return Computed(len(seeds), label)


def parse_classes(text: str, num_classes: int, names=()) -> list[int]:
    """Reads classes such as '3', '0-9', 'all', 'boot' or 'shirt,coat'.

    A range means the same as its numbers one by one. Where classes are named by
    numbers (folders '0', '1', '10', '2'), a number means the class of that name, with
    or without leading zeros; elsewhere it is the class's place in the order. A name
    may hold commas; the longest name that fits is taken.

    Args:
      text: numbers, ranges, names, or 'all', separated by commas.
      num_classes: of the network; 0 = unconditional.
      names: class names in order, where known; letter case does not matter.

    Raises:
      ValueError: an unconditional network, a class out of range or an unknown name.
    """
    if not num_classes:
        raise ValueError(
            f"class={_short(text)!r} was given, but the network has no classes: leave "
            "it out"
        )
    known = _known_names(names)
    if _key(text) == "all":
        return list(range(num_classes))
    by_number = _numbered_names(names)
    parts = text.split(",")
    longest = max((name.count(",") for name in known), default=0) + 1
    found: list[int] = []
    while parts:
        for count in range(min(longest, len(parts)), 0, -1):
            key = _key(",".join(parts[:count]))
            if key in known:
                found.append(known[key])
                break
        else:
            count = 1
            found += _by_number(parts[0], num_classes, names, by_number)
        del parts[:count]
    return found


def _key(name: str) -> str:
    """Returns a name as names are compared: composed (NFC), without letter case."""
    return unicodedata.normalize("NFC", str(name)).strip().lower()


def _known_names(names) -> dict[str, int]:
    """Returns {name: class}; of two names that differ in case only, the first."""
    known: dict[str, int] = {}
    for number, name in enumerate(names):
        known.setdefault(_key(name), number)
        # As a listing prints it, on one line.
        known.setdefault(_one_line(_key(name)), number)
    return known


def _numbered_names(names) -> dict[int, int]:
    """Returns {number: class} of the classes that are named by numbers."""
    found: dict[int, int] = {}
    for number, name in enumerate(names):
        if re.fullmatch(r"[0-9]{1,18}", _key(name)):
            found.setdefault(int(name), number)
    return found


def _by_number(part, num_classes, names, by_number) -> list[int]:
    """Returns the classes of a number or a range."""
    match = re.fullmatch(r"([0-9]{1,18})(?:-([0-9]{1,18}))?", part.strip())
    if not match:
        raise ValueError(f"class {_short(part.strip())!r} is unknown{_choice(names)}")
    first = int(match[1])
    last = int(match[2]) if match[2] else first
    # Where all classes are named by numbers, any other number is a mistake.
    all_named = len(by_number) == num_classes
    in_range = last - first < num_classes and first <= last
    if in_range and not all_named:
        in_range = all(n < num_classes or n in by_number for n in (first, last))
    wanted = range(first, last + 1) if in_range else ()
    places = [by_number.get(n, n if not all_named else None) for n in wanted]
    if not places or any(place is None or place >= num_classes for place in places):
        which = f"the classes 0 to {num_classes - 1}"
        if all_named and sorted(by_number) != list(range(num_classes)):
            which = f"classes named by numbers, {_listed(names)}"
        raise ValueError(f"class {match[0]!r} is out of range: the network has {which}")
    return places


def _choice(names) -> str:
    return f" (known: {_listed(names)})" if len(names) else ""


def _listed(names) -> str:
    shown = ", ".join(map(_one_line, names[:20]))
    return shown + (f", ... ({len(names)} in all)" if len(names) > 20 else "")


def _one_line(name) -> str:
    """Returns a name with line ends and their like written as \\n."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(name)
    )
