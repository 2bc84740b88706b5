"""The report's images: the same seeds through every network, as PNG data."""

import base64

import numpy as np

from dglgan_tf.deploy import opening
from dglgan_tf.foundation import batches, pictures, run_directory
from dglgan_tf.networks import base, files

_CELLS, _FEW_CELLS = 40, 10
_ROWS = 6
_LARGEST = 128
_TRUNCATIONS = {"z": (None, 1.0, 0.5), "w": (None, 0.7, 0.5)}


def draw(networks: dict, class_names=()) -> dict:
    """Draws sheets of the same seeds for all networks that take the same latents.

    Args:
      networks: {name: weights file}, the reference first.
      class_names: of the classes; empty takes those that the weights' files hold.

    Returns:
      {'sheets': {name: {truncation: data URI}}, 'columns', 'rows', 'captions',
      'size', 'worst': [...], 'per_class': [...], 'skipped': [...]}; empty without
      networks.
    """
    samplers = {name: opening.load(path) for name, path in networks.items()}
    if not samplers:
        return {}
    first = next(iter(samplers.values())).facts
    held = [found.facts.class_names for found in samplers.values()]
    class_names = class_names or next(filter(None, held), ())
    skipped = [n for n, s in samplers.items() if not _alike(s.facts, first)]
    samplers = {n: s for n, s in samplers.items() if n not in skipped}
    classes = list(range(min(first.num_classes, 10)))
    # All images of the first sheet are held at once, in full size.
    cells = _CELLS if first.resolution <= 256 else _FEW_CELLS
    seeds, labels, columns = list(range(cells)), None, cells // 5
    if first.num_classes:  # a row for each seed, a column for each class
        seeds = [seed for seed in range(_ROWS) for _ in classes]
        labels, columns = classes * _ROWS, len(classes)
    size = batches.drawable(8, first.resolution)
    plain = {n: s.images(seeds, labels, batch=size) for n, s in samplers.items()}
    drawn = {
        name: {
            psi: _small(
                plain[name]
                if psi is None
                else found.images(seeds, labels, psi, batch=size)
            )
            for psi in _TRUNCATIONS[first.truncation]
        }
        for name, found in samplers.items()
    }
    captions = [_caption(label, class_names) for label in classes]
    return {
        "sheets": {
            name: {_word(psi): _sheet(pixels, columns) for psi, pixels in sets.items()}
            for name, sets in drawn.items()
        },
        "columns": columns,
        "rows": len(seeds) // columns,
        "captions": captions,
        "size": min(first.resolution, _LARGEST),
        "worst": _worst(plain, seeds, labels, class_names),
        "per_class": _per_class(plain, networks, labels, captions),
        "skipped": skipped,
    }


def _alike(facts, other) -> bool:
    keys = ("z_dim", "num_classes", "num_channels", "truncation")
    return all(getattr(facts, key) == getattr(other, key) for key in keys)


def _caption(label, class_names) -> str:
    return class_names[label] if label < len(class_names) else f"class {label}"


def _word(truncation) -> str:
    return "none" if truncation is None else f"{truncation:g}"


def _sheet(pixels, columns) -> str:
    return data_uri(pictures.grid(pixels, columns))


def _small(pixels):
    """Averages blocks until no image is larger than the report shows it."""
    factor = max(1, pixels.shape[1] // _LARGEST)
    if factor == 1:
        return pixels
    n, height, width, channels = pixels.shape
    shape = (n, height // factor, factor, width // factor, factor, channels)
    return pixels.reshape(shape).mean(axis=(2, 4))


def data_uri(pixels) -> str:
    """Returns an image as a data: address."""
    return (
        "data:image/png;base64," + base64.b64encode(pictures.png_bytes(pixels)).decode()
    )


def _worst(drawn, seeds, labels, class_names, count: int = 6) -> list[dict]:
    """Returns the seeds on which a student differs most from the reference."""
    names = list(drawn)
    if len(names) < 2:
        return []
    student = next((name for name in names[1:] if "guided" in name), names[1])
    if drawn[student].shape != drawn[names[0]].shape:
        return []
    apart = np.sqrt(((drawn[names[0]] - drawn[student]) ** 2).mean(axis=(1, 2, 3)))
    found = []
    for index in np.argsort(-apart)[:count]:
        text = f"seed {seeds[index]}"
        if labels is not None:
            text += f", {_caption(labels[index], class_names)}"
        pair = np.concatenate([drawn[n][index] for n in (names[0], student)], axis=1)
        found.append(
            {
                "text": text,
                "rms": float(apart[index]),
                "pair": data_uri(_small(pair[None])[0]),
                "names": f"{names[0]} and {student}",
            }
        )
    return found


def _per_class(drawn, networks, labels, captions) -> list[dict]:
    """Returns each class's mean score by the reference's own discriminator."""
    judge = _discriminator(next(iter(networks.values())))
    if labels is None or judge is None:
        return []
    classes = np.asarray(labels, np.int32)
    scores = {
        name: _scores(judge, pixels, classes)
        for name, pixels in drawn.items()
        if pixels.shape[1] == judge.resolution
    }
    return [
        {
            "class": caption,
            **{n: float(s[classes == c].mean()) for n, s in scores.items()},
        }
        for c, caption in enumerate(captions)
    ]


def _scores(judge, pixels, classes) -> np.ndarray:
    size = batches.drawable(len(pixels), judge.resolution)
    parts = [slice(start, start + size) for start in range(0, len(pixels), size)]
    scored = [judge(pixels[part], classes[part], training=False) for part in parts]
    return np.concatenate([np.asarray(part) for part in scored])


def _discriminator(path) -> base.Discriminator | None:
    path = run_directory.find_weights(str(path))
    if "discriminator" not in files.read_header(path).get("networks", {}):
        return None
    return files.load_networks(path, ["discriminator"])["discriminator"]
