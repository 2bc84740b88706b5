"""What the demo page shows: the same latents through every network, with its time."""

import dataclasses
import time

import numpy as np

from dglgan_tf.compat import tf
from dglgan_tf.foundation import batches, pictures, seeding
from dglgan_tf.sampling import paths, sampler

COUNTS = (1, 4, 9, 16)
LARGEST_SEED = 2**32 - 1 - max(COUNTS)
_SHOWN = 384  # px, width of a picture on the page


@dataclasses.dataclass(frozen=True)
class Drawn:
    """One network's answer.

    Attributes:
      picture: [H, W, 3] uint8, a grid of the images, enlarged.
      milliseconds: of the call, latents ready, until the pixels are here.
      images: how many.
    """

    picture: np.ndarray
    milliseconds: float
    images: int


class Booth:
    """Networks that take the same latents and classes.

    Args:
      samplers: {name shown: `sampler.Sampler`}, the reference first.

    Raises:
      ValueError: no network, or networks that take different latents or classes.
    """

    def __init__(self, samplers: dict[str, sampler.Sampler]):
        if not samplers:
            raise ValueError("no network given: name at least one")
        self.samplers = samplers
        self.facts = next(iter(samplers.values())).facts
        self._warm: set[int] = set()
        for name, found in samplers.items():
            for key in ("z_dim", "num_classes", "truncation"):
                mine, first = getattr(found.facts, key), getattr(self.facts, key)
                if mine != first:
                    raise ValueError(
                        f"{name} has {key}={mine}, the first network {first}: only "
                        "networks that take the same latents and classes are shown "
                        "side by side"
                    )

    def classes(self) -> list[str]:
        """Returns the names of the classes; empty for an unconditional network.

        The first network that knows names names them.
        """
        known = [found.facts.class_names for found in self.samplers.values()]
        names = next(filter(None, known), ())
        return [
            names[i] if i < len(names) else f"class {i}"
            for i in range(self.facts.num_classes)
        ]

    def truncations(self) -> tuple[float, float]:
        """Returns the least and the largest truncation that the page offers."""
        return (0.0, 1.0) if self.facts.truncation == "w" else (0.1, 5.0)

    def draw(self, seed, other, share, label, psi, count) -> dict[str, Drawn]:
        """Draws images of `seed`, `seed + 1`, ... through every network in turn.

        Args:
          seed: of the first image, 0 to `LARGEST_SEED`.
          other: of the first image at the other end of the interpolation.
          share: 0 shows `seed`, 1 shows `other`, between them the great circle.
          label: class number; ignored without classes.
          psi: truncation, within `truncations()`.
          count: of `COUNTS`.

        Raises:
          ValueError: a value outside its bounds.
        """
        seed, other, count = int(seed), int(other), int(count)
        self._check(seed, other, share, label, psi, count)
        first, second = (
            seeding.latents(range(start, start + count), self.facts.z_dim)
            for start in (seed, other)
        )
        z = tf.constant(paths.slerp(first, second, float(share)))
        labels = None
        if self.facts.num_classes:
            labels = tf.fill([count], tf.constant(int(label), tf.int32))
        if count not in self._warm:  # traces
            for found in self.samplers.values():
                self._call(found, z, labels, psi)
            self._warm.add(count)
        return {
            name: self._call(found, z, labels, psi)
            for name, found in self.samplers.items()
        }

    def _call(self, found, z, labels, psi) -> Drawn:
        begin = time.perf_counter()
        made = _in_parts(found, z, labels, float(psi))
        spent = time.perf_counter() - begin
        picture = pictures.grid(made)
        factor = max(1, _SHOWN // picture.shape[1])
        picture = picture.repeat(factor, 0).repeat(factor, 1)
        picture = np.repeat(picture, 3 // picture.shape[-1], axis=-1)
        return Drawn(picture, 1e3 * spent, len(made))

    def _check(self, seed, other, share, label, psi, count):
        low, high = self.truncations()
        classes = self.facts.num_classes
        for name, value, least, most in (
            ("seed", seed, 0, LARGEST_SEED),
            ("other seed", other, 0, LARGEST_SEED),
            ("interpolation", share, 0, 1),
            ("truncation", psi, low, high),
            ("class", label if classes else 0, 0, max(classes - 1, 0)),
        ):
            if value is None or not least <= value <= most:
                raise ValueError(f"{name} {value} must be from {least:g} to {most:g}")
        if count not in COUNTS:
            raise ValueError(f"{count} images: choose from {COUNTS}")


def _in_parts(found, z, labels, psi) -> np.ndarray:
    """Draws images, large ones a few at a time (all counts divide evenly)."""
    size = batches.drawable(len(z), found.facts.resolution)
    size = next(n for n in range(size, 0, -1) if len(z) % n == 0)
    made = []
    for start in range(0, len(z), size):
        own = None if labels is None else labels[start : start + size]
        noise = tf.constant([0, 0])
        part = found.generate(z[start : start + size], own, psi, noise)
        made.append(part.numpy())
    return np.concatenate(made)
