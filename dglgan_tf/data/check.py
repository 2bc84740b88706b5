"""Looks at a data set before a training is wasted on it."""

import concurrent.futures
import hashlib
import os
from collections import Counter
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from dglgan_tf.data import base, encoded, images, plan, prepare, traps

_SHOWN = 10
_SHEET_CLASSES, _SHEET_COLUMNS, _CELL, _MARGIN = 20, 10, 64, 120


class Report(NamedTuple):
    """What was found.

    Attributes:
      lines: text for people.
      warnings: what may be wrong.
      problems: what makes training pointless; empty is good.
      sheet: contact sheet, uint8 [H, W, 3], one row per class.
    """

    lines: list[str]
    warnings: list[str]
    problems: list[str]
    sheet: np.ndarray


class _Facts(NamedTuple):
    """Of one image: header, hash and extremes of the pixels.

    Darkest and brightest leave out the extreme 0.5 % of the values.
    """

    header: images.Header
    digest: bytes
    lowest: int
    highest: int
    darkest: float
    brightest: float


def check(
    found: base.Source | encoded.Listing,
    conditional: bool = False,
    manifest: dict | None = None,
    workers: int | None = None,
    progress: plan.Progress | None = None,
) -> Report:
    """Decodes every image and looks for traps.

    Args:
      found: from `dglgan_tf.data.sources.find`.
      conditional: True where the model will use the labels.
      manifest: of the prepared set, to compare the fingerprint; None skips that.
      workers: threads; None is the number of cores.
      progress: wraps an iterable, given (iterable, total, what is done).
    """
    items = plan.Items(found, None)
    headers = items.headers(None)

    def look(index):
        if isinstance(headers[index], ValueError):
            return headers[index]
        try:
            image = items.load(index, 1 if headers[index].grey else 3, 255)
        except ValueError as error:
            return error
        digest = hashlib.sha256(repr(image.shape).encode() + image.tobytes())
        extremes = np.percentile(image, [0.5, 99.5])
        return _Facts(
            headers[index], digest.digest(), image.min(), image.max(), *extremes
        )

    count = len(items.names)
    with concurrent.futures.ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        results = pool.map(look, range(count))
        facts = list(progress(results, count, "looking") if progress else results)
    good = [i for i, fact in enumerate(facts) if isinstance(fact, _Facts)]
    lines = [f"{items.name}: {count} images, {len(good)} readable"]
    warnings = list(items.notes)
    problems: list[str] = []
    _kinds(items, facts, good, lines, warnings, problems)
    _brightness(items, facts, good, warnings)
    lines += traps.table(_classes(items, good))
    trapped = traps.find(_classes(items, good), conditional)
    warnings += trapped.warnings
    problems += trapped.problems
    _duplicates(items, facts, good, lines, warnings)
    if manifest:
        _compare(items, good, manifest, lines, problems)
    said = [list(map(traps.one_line, part)) for part in (lines, warnings, problems)]
    return Report(*said, contact_sheet(items, good))


def _kinds(items, facts, good, lines, warnings, problems) -> None:
    """Reports unreadable images, sizes and kinds."""
    bad = [i for i, fact in enumerate(facts) if not isinstance(fact, _Facts)]
    for index in bad[:_SHOWN]:
        lines.append(f"  unreadable: {items.names[index]} {facts[index]}")
    if bad:
        warnings.append(f"{len(bad)} images cannot be read")
    if not good:
        problems.append("no image can be read")
        return
    sizes = Counter((facts[i].header.height, facts[i].header.width) for i in good)
    lines.append(f"sizes (height x width), {len(sizes)} different:")
    for (height, width), number in sizes.most_common(_SHOWN):
        lines.append(f"  {height}x{width}: {number}")
    if len(sizes) > 1:
        warnings.append(
            f"images have {len(sizes)} sizes: a transform and a resolution are needed"
        )
    elif any(side & (side - 1) or side < 4 for side in next(iter(sizes))):
        warnings.append("the size is no power of two: a transform is needed")
    kinds = Counter(facts[i].header.kind for i in good)
    lines.append("kinds:")
    lines += [f"  {kind}: {number}" for kind, number in kinds.most_common()]
    if len({facts[i].header.grey for i in good}) > 1:
        warnings.append("grey images among colour images: they become RGB")
    blank = [items.names[i] for i in good if facts[i].lowest == facts[i].highest]
    if blank:
        warnings.append(f"{len(blank)} images are of one colour, such as {blank[0]}")


def _brightness(items, facts, good, warnings) -> None:
    """Reports sets that are nearly black or white, as wrongly scaled ones are."""
    deep = [facts[i].highest for i in good if "I;16" in facts[i].header.kind]
    bits = 8 + int(max(deep, default=255)).bit_length()
    if bits < 16:
        warnings.append(
            f"the {len(deep)} images of 16 bits use only {bits} of them, and the high "
            f"8 bits are kept: the largest value will be {max(deep)} of 255; multiply "
            f"the samples by {2 ** (16 - bits)} first"
        )
    dark = [i for i in good if facts[i].brightest < 32]
    bright = [i for i in good if facts[i].darkest > 223]
    for some, word in ((dark, "black"), (bright, "white")):
        if 2 * len(some) > len(good):
            warnings.append(
                f"{len(some)} of {len(good)} images are nearly {word}, such as "
                f"{items.names[some[0]]}: is their scale right?"
            )


def _classes(items, good: list[int]) -> traps.Classes:
    """Returns the classes of the readable images; names where images have them."""
    names = items.names if items.named else []
    return traps.Classes(
        [names[i] for i in good] if names else [],
        items.labels[good].astype(np.int64),
        items.class_names,
    )


def class_table(source: base.Source, most: int = 20) -> list[str]:
    """Returns a line for each class of a source: number, name, images.

    Args:
      source: what a training reads.
      most: show only the first classes.
    """
    return traps.table(_classes_of(source), most)


def warnings_of(source: base.Source, conditional: bool | None = None) -> list[str]:
    """Returns what `check` would say, as far as names and labels tell it.

    No image is read, so this is cheap enough before every training.

    Args:
      source: what a training reads.
      conditional: True where the model uses the labels; None where the source has some.
    """
    if conditional is None:
        conditional = source.num_classes > 1
    found = traps.find(_classes_of(source), conditional)
    return [*source.notes, *found.problems, *found.warnings]


def _classes_of(source: base.Source) -> traps.Classes:
    return traps.Classes(source.names, source.labels, source.class_names)


def _duplicates(items, facts, good, lines, warnings) -> None:
    """Reports images with equal pixels, and those of them with different labels."""
    groups: dict[bytes, list[int]] = {}
    for index in good:
        groups.setdefault(facts[index].digest, []).append(index)
    repeated = [group for group in groups.values() if len(group) > 1]
    extra = sum(len(group) - 1 for group in repeated)
    lines.append(f"duplicates: {extra} images equal another one, pixel by pixel")
    for group in repeated[:_SHOWN]:
        lines.append("  " + " = ".join(items.names[i] for i in group[:4]))
    conflicts = [g for g in repeated if len({int(items.labels[i]) for i in g}) > 1]
    if conflicts:
        first, second = (items.names[i] for i in conflicts[0][:2])
        warnings.append(
            f"{len(conflicts)} groups of equal images have different labels, such as "
            f"{first} and {second}"
        )
    if extra > 0.01 * len(good):
        warnings.append(f"{100 * extra / len(good):.1f} % of the images are duplicates")


def _compare(items, good, manifest: dict, lines, problems) -> None:
    """Compares the pixels with the fingerprint that the manifest states."""
    pairs = (
        (items.load(i, manifest["num_channels"], 255), items.class_name(i))
        for i in good
    )
    found = prepare.fingerprint(pairs)
    if found == manifest["fingerprint"]:
        lines.append(f"fingerprint: {found}, as the manifest states")
        return
    problems.append(
        f"fingerprint {found} differs from the manifest's "
        f"{manifest['fingerprint']}: images or labels changed after the conversion"
    )


def contact_sheet(items: plan.Items, good: list[int]) -> np.ndarray:
    """Draws some images of each class.

    Args:
      items: the images.
      good: indices of the readable ones.

    Returns:
      sheet: [rows * 64, 120 + 10 * 64, 3] uint8; one row per class, the first 20
        classes, names on the left.
    """
    labels = items.labels[good]
    rows = min(max(len(items.class_names), 1), _SHEET_CLASSES)
    sheet = Image.new(
        "RGB", (_MARGIN + _SHEET_COLUMNS * _CELL, rows * _CELL), (255, 255, 255)
    )
    draw = ImageDraw.Draw(sheet)
    for row in range(rows):
        name = items.class_names[row] if items.class_names else items.name
        draw.text(
            (4, row * _CELL + 24), f"{row} {traps.one_line(name)}"[:18], fill=(0, 0, 0)
        )
        members = np.asarray(good, np.int64)[labels == row]
        if items.class_names:
            chosen = members[:_SHEET_COLUMNS]
        else:
            chosen = members[:: max(1, len(members) // _SHEET_COLUMNS)]
        for column, index in enumerate(chosen[:_SHEET_COLUMNS]):
            image = items.load(int(index), 3, 255)
            cell = images.fit(image, _CELL, _CELL, "center-crop", "box")
            place = (_MARGIN + column * _CELL, row * _CELL)
            sheet.paste(Image.fromarray(cell), place)
    return np.asarray(sheet)
