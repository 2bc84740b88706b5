"""Converts any source into any format: uniform images, resumable, with a manifest.

The work is kept in `<destination>.partial` in chunks of finished images; the same call
after an interruption goes on with the next chunk. The destination appears only when it
is complete.
"""

import concurrent.futures
import dataclasses
import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from absl import logging

from dglgan_tf.data import (
    base,
    bounded,
    encoded,
    images,
    plan,
    traps,
    work_folder,
    writers,
)

_EXAMPLES, _MOST_WORKERS = 5, 256
_EXISTS = "{} exists already: choose another destination."


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
    check_destination(destination)
    if isinstance(found, encoded.Listing):
        found = found._replace(reader=encoded.of_size(found.reader, settings.height))
    items = plan.Items(found, settings.max_images)
    _warn(items)
    headers = items.headers(progress)
    settings, left_out = _what_fits(items, headers, settings)
    readable = [h for h in headers if not isinstance(h, ValueError)]
    converted = plan.converted_kinds(items.names, headers, settings.num_channels)
    if strict:
        plan.refuse(items, left_out, converted)
    work = work_folder.WorkFolder(
        destination.with_name(destination.name + ".partial"),
        _conversion(found, settings, chunk_images),
    )
    if os.path.lexists(destination):
        return _already_there(destination, work)
    with work.held():
        if os.path.lexists(destination):  # another process was faster
            work.remove()
            raise ValueError(_EXISTS.format(destination))
        counts = _process(
            items, settings, left_out, work, chunk_images, workers, progress
        )
        if strict:
            plan.refuse(items, left_out, {})
        chunks = _Chunks(work, counts)
        manifest = _manifest(items, settings, readable, left_out, converted, chunks)
        _assemble(items, form, chunks, destination, manifest, shard_images)
        work.remove()
    return manifest


def _warn(items: plan.Items) -> None:
    """Says what is not read, and what may be wrong with the classes."""
    names = items.names if items.named else []
    classes = traps.Classes(names, items.labels, items.class_names)
    for text in (*items.notes, *traps.find(classes, conditional=False).warnings):
        logging.warning("%s: %s", items.name, traps.one_line(text))


def check_destination(destination: Path) -> None:
    """Raises ValueError for a destination that cannot be, before any work is done."""
    bounded.refuse_remote(destination, "destination")
    if not destination.name:
        raise ValueError(
            f"destination {str(destination)!r}: give the name of a file or folder that "
            "does not exist yet."
        )
    for folder in destination.absolute().parents:
        if folder.is_dir():
            break
        if os.path.lexists(folder):
            raise ValueError(f"{destination} cannot be made: {folder} is a file.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError(f"{destination} cannot be made: no permission in {folder}.")


def _already_there(destination: Path, work: work_folder.WorkFolder) -> dict:
    """Returns the manifest where an earlier command ended just before tidying up."""
    manifest = writers.stored_manifest(destination)
    if manifest is None or not work.was_finished():
        if work.is_empty():
            work.remove()
        raise ValueError(_EXISTS.format(destination))
    with work.held():
        work.remove()
    return manifest


def _what_fits(items, headers, settings) -> tuple[plan.Settings, dict[int, str]]:
    """Returns the settings filled in, and why images are left out."""
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
    return settings, left_out


def _conversion(found, settings, chunk_images) -> dict:
    """Returns facts that tell a conversion from all others."""
    digest = hashlib.sha256(np.asarray(found.labels).tobytes())
    digest.update(repr(list(found.class_names)).encode())
    if isinstance(found, encoded.Listing):
        for name, size in zip(found.reader.names, found.reader.sizes, strict=True):
            digest.update(f"{name}\0{size}\n".encode())
    else:
        digest.update(found.content_digest())
    return {
        "settings": dataclasses.asdict(settings),
        "chunk_images": chunk_images,
        "source": digest.hexdigest(),
    }


def _process(items, settings, left_out, work, chunk_images, workers, progress):
    """Converts what is not yet converted; returns the number of chunks.

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
    workers = min(workers or os.cpu_count() or 1, _MOST_WORKERS)
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        for start in (
            progress(starts, len(starts), "converting") if progress else starts
        ):
            number = start // chunk_images
            loaded = work.load(number)
            if loaded is None:
                indices = range(start, min(start + chunk_images, count))
                reasons = _save(work, number, indices, list(pool.map(convert, indices)))
            else:
                reasons = loaded[0]["reasons"]
            left_out.update({int(index): reason for index, reason in reasons.items()})
    return len(starts)


def _save(work, number: int, indices: range, results: list[tuple[bytes, str]]) -> dict:
    """Writes a chunk; returns why images of it are left out."""
    facts = {
        "kept": [i for i, (png, _) in zip(indices, results, strict=True) if png],
        "lengths": [len(png) for png, _ in results if png],
        "reasons": {
            i: bounded.printable(why)
            for i, (_, why) in zip(indices, results, strict=True)
            if why
        },
    }
    work.save(number, facts, b"".join(png for png, _ in results))
    return facts["reasons"]


@dataclasses.dataclass
class _Chunks:
    """The finished images: iterating gives (index in the source, PNG) in order."""

    work: work_folder.WorkFolder
    count: int

    def __iter__(self):
        for number in range(self.count):
            loaded = self.work.load(number)
            if loaded is None:
                raise ValueError(
                    f"{self.work.chunk_path(number)} is damaged: run the command "
                    "again, which makes it anew."
                )
            facts, data = loaded
            start = 0
            for index, length in zip(facts["kept"], facts["lengths"], strict=True):
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
    brightest = 0

    def pairs():
        nonlocal brightest
        for index, png in chunks:
            image = images.decode(png)
            brightest = max(brightest, int(image.max()))
            yield image, items.class_name(index)

    found = fingerprint(pairs())
    if brightest < 64:
        logging.warning(
            "%s: no sample is above %d of 255, so all images are nearly black; --check "
            "says more",
            items.name,
            brightest,
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
        "fingerprint": found,
        "aspect_ratio": float(np.median([h.width / h.height for h in headers])),
        "enlarged": small if settings.transform not in ("none", "pad") else 0,
        "left_out": [[items.names[i], left_out[i]] for i in sorted(left_out)],
        "converted": {
            kind: {"count": len(names), "examples": names[:_EXAMPLES]}
            for kind, names in sorted(converted.items())
        },
    }


def _assemble(items, form, chunks, destination, manifest, shard_images) -> None:
    """Writes the destination from the chunks."""
    place = chunks.work.path / ("result" + writers.SUFFIXES.get(form, ""))
    if place.is_dir():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    layout = writers.Layout(
        manifest["num_examples"],
        manifest["height"],
        manifest["width"],
        manifest["num_channels"],
        items.class_names,
        shard_images=shard_images,
    )
    writer = writers.FORMATS[form](place, layout)
    for index, png in chunks:
        writer.add(png, int(items.labels[index]))
    writer.close(manifest)
    try:
        os.rename(place, destination)  # a folder never replaces one with files in it
    except OSError as error:
        raise ValueError(
            f"{destination} cannot take its name ({error.strerror}): move away what is "
            "there and run the command again."
        ) from error
