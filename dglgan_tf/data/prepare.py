"""Converts any source into any format: uniform images, resumable, with a manifest.

The work is kept in `<destination>.partial` in chunks of finished images; the same call
after an interruption goes on with the next chunk. The destination appears only when it
is complete.
"""

import concurrent.futures
import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from dglgan_tf.data import base, encoded, images, plan, writers

_EXAMPLES = 5


def prepare(
    found: base.Source | encoded.Listing,
    destination: Path,
    form: str = "folder",
    settings: plan.Settings | None = None,
    strict: bool = False,
    workers: int | None = None,
    chunk_images: int = 1000,
    shard_images: int = 10_000,
    progress: plan.Progress | None = None,
) -> dict:
    """Converts images and writes them.

    Args:
      found: from `dglgan_tf.data.sources.find`.
      destination: file or folder that does not exist yet.
      form: a key of `dglgan_tf.data.writers.FORMATS`.
      settings: what the images become.
      strict: True refuses whatever would be left out or converted in kind.
      workers: threads; None is the number of cores.
      chunk_images: images between two points from which an interruption resumes.
      shard_images: images in each TFRecord file.
      progress: wraps an iterable, given (iterable, total, what is done).

    Returns:
      manifest: what was done, as stored with the images.
    """
    settings = settings or plan.Settings()
    if destination.exists():
        raise ValueError(f"{destination} exists already: choose another destination.")
    items = plan.Items(found, settings.max_images)
    headers = items.headers(progress)
    left_out = {
        index: str(header)
        for index, header in enumerate(headers)
        if isinstance(header, ValueError)
    }
    readable = [h for h in headers if not isinstance(h, ValueError)]
    settings = plan.resolve(settings, readable, items.name)
    if settings.transform == "none":
        size = (settings.height, settings.width)
        for index, header in enumerate(headers):
            if index not in left_out and (header.height, header.width) != size:
                left_out[index] = (
                    f"is {header.height}x{header.width}, not {size[0]}x{size[1]}"
                )
    converted = plan.converted_kinds(items.names, headers, settings.num_channels)
    if strict:
        plan.refuse(items, left_out, converted)
    work = destination.with_name(destination.name + ".partial")
    _claim(work, found, settings, chunk_images)
    chunks = _process(items, settings, left_out, work, chunk_images, workers, progress)
    if strict:
        plan.refuse(items, left_out, {})
    manifest = _manifest(items, settings, readable, left_out, converted, chunks)
    _assemble(items, form, settings, chunks, work, destination, manifest, shard_images)
    return manifest


def _claim(work: Path, found, settings: plan.Settings, chunk_images: int) -> None:
    """Makes the work folder, or checks that it is of the same conversion."""
    digest = hashlib.sha256(np.asarray(found.labels).tobytes())
    if isinstance(found, encoded.Listing):
        for name, size in zip(found.reader.names, found.reader.sizes, strict=True):
            digest.update(f"{name}\0{size}\n".encode())
    else:
        digest.update(found.content_digest())
    wanted = {
        "settings": dataclasses.asdict(settings),
        "chunk_images": chunk_images,
        "source": digest.hexdigest(),
    }
    path = work / "conversion.json"
    if path.is_file() and json.loads(path.read_text()) != wanted:
        raise ValueError(
            f"{work} is of another conversion (other images or settings): delete it, "
            "or repeat that conversion first."
        )
    work.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(wanted))


def _process(items, settings, left_out, work, chunk_images, workers, progress):
    """Converts what is not yet converted; returns the chunk files in order.

    Images that turn out unreadable are added to `left_out`.
    """

    def convert(index):
        if index in left_out:
            return b"", left_out[index]
        try:
            image = items.load(index, settings.num_channels, settings.background)
            image = images.fit(
                image,
                settings.height,
                settings.width,
                settings.transform,
                settings.resize_filter,
                settings.background,
            )
        except ValueError as error:
            return b"", str(error)
        if image is None:
            return b"", "is too small for center-crop-wide"
        return images.encode_png(image), ""

    count = len(items.names)
    starts = range(0, count, chunk_images)
    paths = []
    with concurrent.futures.ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for start in (
            progress(starts, len(starts), "converting") if progress else starts
        ):
            path = work / f"chunk-{start // chunk_images:06d}.npz"
            if not path.is_file():
                indices = range(start, min(start + chunk_images, count))
                _save_chunk(path, indices, list(pool.map(convert, indices)))
            paths.append(path)
            with np.load(path) as chunk:
                left_out.update(json.loads(str(chunk["reasons"]), object_hook=_keys))
    return paths


def _keys(reasons: dict) -> dict[int, str]:
    return {int(index): reason for index, reason in reasons.items()}


def _save_chunk(path: Path, indices: range, results: list[tuple[bytes, str]]) -> None:
    kept = [i for i, (png, _) in zip(indices, results, strict=True) if png]
    reasons = {i: why for i, (_, why) in zip(indices, results, strict=True) if why}
    partial = path.with_suffix(".tmp")
    with open(partial, "wb") as file:
        np.savez(
            file,
            kept=np.array(kept, np.int64),
            lengths=np.array([len(png) for png, _ in results if png], np.int64),
            data=np.frombuffer(b"".join(png for png, _ in results), np.uint8),
            reasons=json.dumps(reasons),
        )
    os.replace(partial, path)


def _read_chunk(path: Path):
    """Yields (index of the source, PNG) of a finished chunk."""
    with np.load(path) as chunk:
        kept, lengths, data = chunk["kept"], chunk["lengths"], chunk["data"].tobytes()
    start = 0
    for index, length in zip(kept.tolist(), lengths.tolist(), strict=True):
        yield index, data[start : start + length]
        start += length


def fingerprint(pixels: Iterable[tuple[np.ndarray, str]]) -> str:
    """Returns a hash of images with their class names, whatever their order.

    Args:
      pixels: (uint8 [H, W, C], class name or '') of each image.
    """
    each = (
        hashlib.sha256(repr(image.shape).encode() + image.tobytes() + name.encode())
        for image, name in pixels
    )
    joined = b"".join(sorted(digest.digest() for digest in each))
    return hashlib.sha256(joined).hexdigest()[:16]


def _manifest(items, settings, headers, left_out, converted, chunks) -> dict:
    kept = [i for i in range(len(items.names)) if i not in left_out]
    if not kept:
        raise ValueError(f"{items.name}: no image is left to write.")
    histogram = np.bincount(items.labels[kept], minlength=len(items.class_names))
    small = sum(h.height < settings.height or h.width < settings.width for h in headers)
    pairs = (
        (images.decode(png), items.class_name(index))
        for path in chunks
        for index, png in _read_chunk(path)
    )
    side = settings.width if settings.transform == "center-crop-wide" else None
    return {
        "format": "dglgan_tf",
        "source": items.name,
        "num_examples": len(kept),
        "height": side or settings.height,
        "width": settings.width,
        "num_channels": settings.num_channels,
        "class_names": items.class_names,
        "class_histogram": histogram.tolist() if items.class_names else [],
        "settings": dataclasses.asdict(settings),
        "fingerprint": fingerprint(pairs),
        "aspect_ratio": float(np.median([h.width / h.height for h in headers])),
        "enlarged": small if settings.transform not in ("none", "pad") else 0,
        "left_out": [[items.names[i], left_out[i]] for i in sorted(left_out)],
        "converted": {
            kind: {"count": len(names), "examples": names[:_EXAMPLES]}
            for kind, names in sorted(converted.items())
        },
    }


def _assemble(
    items, form, settings, chunks, work, destination, manifest, shard_images
) -> None:
    """Writes the destination from the chunks and removes the work folder."""
    place = work / ("result" + writers.SUFFIXES.get(form, ""))
    if place.is_dir():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    layout = writers.Layout(
        manifest["num_examples"],
        manifest["height"],
        manifest["width"],
        settings.num_channels,
        items.class_names,
        shard_images=shard_images,
    )
    writer = writers.FORMATS[form](place, layout)
    for path in chunks:
        for index, png in _read_chunk(path):
            writer.add(png, int(items.labels[index]))
    writer.close(manifest)
    os.replace(place, destination)
    shutil.rmtree(work)
