"""Sheets of images with captions: what each shows is a function of a view and seeds."""

import dataclasses

import numpy as np

from dglgan_tf.gallery import view as views
from dglgan_tf.networks import codes, sefa
from dglgan_tf.sampling import paths


@dataclasses.dataclass(frozen=True)
class Sheet:
    """Rows and columns of images.

    Attributes:
      images: [rows * columns, H, W, C] float32.
      columns: images in a row.
      rows, heads: captions of rows and columns; empty for none.
      moving: whether a row is a path, worth an animation.
    """

    images: np.ndarray
    columns: int
    rows: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    moving: bool = False

    def frames(self) -> np.ndarray:
        """Returns the columns one after the other: [columns, rows, H, W, C]."""
        shape = (-1, self.columns, *self.images.shape[1:])
        return self.images.reshape(shape).swapaxes(0, 1)


def interpolation(
    view: views.View, seeds, classes, steps: int, space="z", between=paths.slerp
) -> Sheet:
    """Walks from each seed to the next and back to the first, one row a step of both.

    Args:
      view: of the generator.
      seeds, classes: the corners, at least two; classes are interpolated linearly.
      steps: images from one corner to the next.
      space: 'z' or 'w' (codes, after truncation).
      between: `paths.slerp` or `paths.lerp`.
    """
    weights = view.class_weights(classes)
    if weights is not None:
        weights = paths.through(list(weights), steps, paths.lerp)
    corners = view.latents(seeds)
    if space == "z":
        found = view.encode(paths.through(list(corners), steps, between), weights)
    else:
        known = view.encode(corners, view.class_weights(classes))
        found = paths.through(list(known), steps, between)
    rows = [f"{a} to {b}" for a, b in zip(seeds, [*seeds[1:], seeds[0]], strict=True)]
    return Sheet(view.images(found, weights), steps, tuple(rows), moving=True)


def truncation_sweep(view: views.View, seeds, classes, values) -> Sheet:
    """Shows each seed under several truncations."""
    drawn = [view.of_seeds(seeds, classes, value) for value in values]
    return Sheet(
        np.stack(drawn, 1).reshape(-1, *drawn[0].shape[1:]),
        len(values),
        tuple(f"seed {seed}" for seed in seeds),
        tuple(f"{value:g}" for value in values),
        moving=True,
    )


def class_sheet(view: views.View, seeds, classes, names=()) -> Sheet:
    """Shows every seed in every class, a row a class."""
    _need_classes(view, "classes")
    pairs = [(seed, label) for label in classes for seed in seeds]
    drawn = view.of_seeds(*map(list, zip(*pairs, strict=True)))
    rows = tuple(_class_name(label, names) for label in classes)
    return Sheet(drawn, len(seeds), rows, tuple(f"{seed}" for seed in seeds))


def class_walk(view: views.View, seeds, classes, steps: int) -> Sheet:
    """Leads each seed through the classes and back to the first, a row a seed."""
    _need_classes(view, "walk")
    corners = list(view.class_weights(classes))
    path = paths.through(corners, steps, paths.lerp)
    weights = np.concatenate([path] * len(seeds))
    z = np.repeat(view.latents(seeds), len(path), axis=0)
    rows = tuple(f"seed {seed}" for seed in seeds)
    drawn = view.images(view.encode(z, weights), weights)
    return Sheet(drawn, len(path), rows, moving=True)


def mixing(view: views.View, seeds, classes, others, layers) -> Sheet:
    """Gives the rows' images the columns' codes in some layers.

    Args:
      view: of the generator.
      seeds, classes: of the rows.
      others: seeds of the columns.
      layers: indices of the codes that come from the columns.
    """
    depth = codes.count(view.network)[0]
    if not layers or min(layers) < 0 or max(layers) >= depth:
        raise ValueError(
            f"layers={list(layers)} must be from 0 to {depth - 1}, at least one"
        )
    rows = view.encode(view.latents(seeds), view.class_weights(classes))
    styles = view.latents(others)
    mixed, given = [], []
    for row, label in zip(rows, classes, strict=True):
        weights = view.class_weights([label] * len(others))
        other = view.encode(styles, weights)
        own = np.repeat(row[None], len(others), axis=0)
        own[:, list(layers)] = other[:, list(layers)]
        mixed += [row[None], own]
        given.append(view.class_weights([label] * (len(others) + 1)))
    weights = None if given[0] is None else np.concatenate(given)
    heads = ("row", *(f"{seed}" for seed in others))
    captions = tuple(f"seed {seed}" for seed in seeds)
    return Sheet(
        view.images(np.concatenate(mixed), weights), len(others) + 1, captions, heads
    )


def directions(
    view: views.View, seed: int, label: int, layers, count: int, reach: float, steps=7
) -> Sheet:
    """Moves one seed along its generator's strongest directions, a row a direction.

    Args:
      view: of the generator.
      seed, label: what is moved.
      layers: codes that move; None = all.
      count: directions.
      reach: how far to both sides, in the length of codes.
      steps: images in a row.
    """
    found, values = sefa.directions(view.network, layers, count)
    weights = view.class_weights([label])
    start = view.encode(view.latents([seed]), weights)
    chosen = range(start.shape[1]) if layers is None else list(layers)
    shares = np.linspace(-reach, reach, steps)
    moved = np.repeat(start, count * steps, axis=0)
    for row, direction in enumerate(found):
        for column, share in enumerate(shares):
            moved[row * steps + column, list(chosen)] += share * direction
    if weights is not None:
        weights = np.repeat(weights, len(moved), axis=0)
    rows = tuple(f"{i}: {value:.3g}" for i, value in enumerate(values))
    heads = tuple(f"{share:+.2g}" for share in shares)
    return Sheet(view.images(moved, weights), steps, rows, heads, moving=True)


def _need_classes(view, what):
    if not view.facts.num_classes:
        raise ValueError(f"--show={what} needs classes, and the network has none")


def _class_name(label, names) -> str:
    return names[label] if label < len(names) else f"class {label}"
