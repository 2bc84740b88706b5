"""Draws sheets, animations, neighbours and projections of one or two networks."""

import dataclasses
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dglgan_tf.data import images as data_images
from dglgan_tf.data import pipeline, sources
from dglgan_tf.foundation import atomic, pictures, run_directory, seeding
from dglgan_tf.gallery import animation, neighbours, projector, sheets
from dglgan_tf.gallery import view as views
from dglgan_tf.metrics import extractors
from dglgan_tf.networks import codes, files
from dglgan_tf.sampling import paths

SWEEPS = {"w": (0.0, 0.25, 0.5, 0.7, 0.85, 1.0), "z": (0.1, 0.5, 1.0, 1.5, 2.0, 5.0)}


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What is shown; `dglgan_tf.explore` says what each means.

    Attributes:
      seeds: of the rows.
      classes: text of `seeding.parse_classes`; None draws them from the seeds.
      psi: truncation or None.
      steps: images from one corner to the next.
      space: 'z', 'w', 'w+' or None for the default.
      path: 'slerp' or 'lerp'.
      layers: indices of codes; None = the default.
      styles: seeds of the columns of mixing.
      count: directions or neighbours.
      reach: along a direction.
      data: name of real images.
      features: 'pixels' or 'efficientnet_lite0'.
      images: files that are projected.
      search_steps: of a projection.
      animation: 'webp', 'gif', 'png', 'mp4' or 'none'.
      frames_per_second: of animations.
    """

    seeds: tuple[int, ...] = (0, 1, 2, 3)
    classes: str | None = None
    psi: float | None = None
    steps: int = 8
    space: str | None = None
    path: str = "slerp"
    layers: tuple[int, ...] | None = None
    styles: tuple[int, ...] = tuple(range(100, 106))
    count: int = 5
    reach: float = 3.0
    data: str | None = None
    features: str = "efficientnet_lite0"
    images: tuple[str, ...] = ()
    search_steps: int = 500
    animation: str = "webp"
    frames_per_second: float = 15.0


def check(wanted: Wanted, shows) -> None:
    """Raises ValueError for what is missing, before any network is loaded."""
    if "neighbours" in shows and wanted.data is None:
        raise ValueError("--show=neighbours compares with real images: give --data")
    if "projection" in shows and not wanted.images:
        raise ValueError("--show=projection needs images: give --image=FILE")
    if "interpolation" in shows and len(wanted.seeds) < 2:
        raise ValueError(
            "--show=interpolation goes from seed to seed: give two --seeds"
        )
    if wanted.animation != "none":
        animation.check(f".{wanted.animation}")


class Gallery:
    """Networks side by side.

    Args:
      networks: {name shown: name as `run_directory.find_weights` takes it}.
      wanted: what is shown.
    """

    def __init__(self, networks: dict[str, str], wanted: Wanted):
        self._views, self._names, self._wanted = {}, (), wanted
        for name, path in networks.items():
            file = run_directory.find_weights(str(path))
            network, info = files.load_generator(file)
            self._views[name] = views.View(network, wanted.psi)
            self._names = tuple(info.get("class_names", ())) or self._names

    def draw(self, show: str, folder) -> Iterator[Path]:
        """Writes the pictures of one show; yields their paths."""
        folder = Path(folder)
        if show == "projection":
            yield from self._project(folder)
            return
        drawn = {name: self._sheet(show, view) for name, view in self._views.items()}
        first = next(iter(drawn.values()))
        picture = pictures.panels(
            {name: sheet.images for name, sheet in drawn.items()},
            first.columns,
            first.rows,
            first.heads,
        )
        pictures.save_png(folder / f"{show}.png", picture)
        yield folder / f"{show}.png"
        if first.moving and self._wanted.animation != "none":
            path = folder / f"{show}_moving.{self._wanted.animation}"
            yield animation.save(path, _film(drawn), self._wanted.frames_per_second)

    def _sheet(self, show, view) -> sheets.Sheet:
        wanted, seeds = self._wanted, list(self._wanted.seeds)
        classes, chosen = self._classes(view)
        if show == "interpolation":
            between = getattr(paths, wanted.path)
            return sheets.interpolation(
                view, seeds, classes, wanted.steps, wanted.space or "z", between
            )
        if show == "truncation":
            values = SWEEPS[view.facts.truncation]
            return sheets.truncation_sweep(view, seeds, classes, values)
        if show == "classes":
            return sheets.class_sheet(view, seeds, chosen, self._names)
        if show == "walk":
            return sheets.class_walk(view, seeds, chosen, wanted.steps)
        if show == "mixing":
            depth = codes.count(view.network)[0]
            layers = wanted.layers or tuple(range((depth + 1) // 2))
            return sheets.mixing(view, seeds, classes, list(wanted.styles), layers)
        if show == "directions":
            return sheets.directions(
                view, seeds[0], classes[0], wanted.layers, wanted.count, wanted.reach
            )
        return self._neighbours(view, seeds, classes)

    def _classes(self, view):
        """Returns the class of each seed, and the classes named (all by default)."""
        seeds, text = self._wanted.seeds, self._wanted.classes
        if text is None:
            return list(view.own_classes(seeds)), list(range(view.facts.num_classes))
        found = seeding.parse_classes(text, view.facts.num_classes, self._names)
        return [found[i % len(found)] for i in range(len(seeds))], found

    def _neighbours(self, view, seeds, classes) -> sheets.Sheet:
        source = sources.open_source(self._wanted.data)
        features = neighbours.pixels
        if self._wanted.features != "pixels":
            extractor = extractors.build(self._wanted.features)

            def features(batch):
                return extractor(batch)[0]

        samples = pictures.to_uint8(view.of_seeds(seeds, classes))
        channels = samples.shape[-1]
        reals = pipeline.image_batches(source, 64, num_channels=channels)
        found = neighbours.find(samples, reals, self._wanted.count, features)
        rows = np.concatenate([samples[:, None], found.images], axis=1)
        heads = ("sample", *(f"nearest {i + 1}" for i in range(self._wanted.count)))
        return sheets.Sheet(
            rows.reshape(-1, *samples.shape[1:]),
            1 + self._wanted.count,
            tuple(f"seed {seed}" for seed in seeds),
            heads,
        )

    def _project(self, folder) -> Iterator[Path]:
        space = self._wanted.space or "w"
        for name, view in self._views.items():
            size, channels = view.facts.resolution, view.facts.num_channels
            targets = np.stack([_read(p, size, channels) for p in self._wanted.images])
            targets = targets.astype(np.float32) / 127.5 - 1
            labels = None
            if view.facts.num_classes:
                labels = self._target_classes(view, len(targets))
            found = projector.project(
                view.network, targets, labels, space, self._wanted.search_steps
            )
            both = {"image": targets, name: found.images}
            captions = [f"{loss:.4f}" for loss in found.losses[-1]]
            path = folder / f"projection_{name}.png"
            pictures.save_png(path, pictures.panels(both, row_captions=captions))
            yield path
            stream = io.BytesIO()
            np.savez_compressed(stream, codes=found.codes, losses=found.losses)
            atomic.write(path.with_suffix(".npz"), stream.getvalue())
            yield path.with_suffix(".npz")

    def _target_classes(self, view, count):
        if self._wanted.classes is None:
            raise ValueError(
                "a conditional network projects into one class: say which with --class"
            )
        found = seeding.parse_classes(
            self._wanted.classes, view.facts.num_classes, self._names
        )
        return [found[i % len(found)] for i in range(count)]


def _film(drawn) -> np.ndarray:
    """Returns the frames of an animation: the rows' images, networks side by side.

    A single column of rows takes little room; the path runs row after row where rows
    are parts of one path (an interpolation goes round its corners).
    """
    names, frames = list(drawn), []
    first = drawn[names[0]]
    one_path = any(" to " in caption for caption in first.rows)
    if one_path:
        moving = [sheet.images[:, None] for sheet in drawn.values()]
    else:
        moving = [sheet.frames() for sheet in drawn.values()]
    for parts in zip(*moving, strict=True):
        sets = dict(zip(names, parts, strict=True))
        frames.append(pictures.panels(sets, columns=len(parts[0])))
    return np.stack(frames)


def _read(path, size, channels) -> np.ndarray:
    """Returns an image file's largest central square, [size, size, channels] uint8."""
    if not Path(path).is_file():
        raise ValueError(f"no image {path}: give the path of an image file")
    try:
        decoded = data_images.decode(Path(path), channels)
    except ValueError as error:
        raise ValueError(f"{path} {error}") from error
    return data_images.fit(decoded, size, size)
