"""Classes of images: from dataset.json, a CSV file, or the names of sub-folders."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from absl import logging

Labels = tuple[np.ndarray, list[str]]
_NO_LABELS = "none"
_STORAGE = re.compile(r"\d{5}")


def find(
    names: list[str],
    extra: Callable[[str], bytes | None],
    labels: str = "auto",
    where: str = "images",
) -> Labels:
    """Finds the class of every image.

    Args:
      names: relative names with forward slashes.
      extra: gives a companion file of the images by name, or None.
      labels: 'auto' takes dataset.json beside the images, else the top-level
        sub-folders, else nothing; 'folders' insists on sub-folders; 'none' ignores
        everything; anything else is the path of a CSV or JSON file.
      where: whose images, for messages.

    Returns:
      labels: [N] int32, all zero without labels.
      class_names: one per class; empty without labels.
    """
    if labels == _NO_LABELS:
        return _unlabelled(names)
    if labels not in ("auto", "folders"):
        path = Path(labels)
        if not path.is_file():
            raise ValueError(
                f"labels={labels!r} must be 'auto', 'folders', 'none' or the path of a "
                "CSV or JSON file, and there is no such file."
            )
        parse = from_json if path.suffix.lower() == ".json" else from_csv
        return parse(path.read_text(), names, str(path))
    stored = extra("dataset.json") if labels == "auto" else None
    if stored is not None:
        # With a dataset.json the sub-folders are only storage (00000, 00001, ...).
        return from_json(stored.decode(), names, f"{where}: dataset.json")
    return from_folders(names, where, insist=labels == "folders")


def from_folders(names: list[str], where: str, insist: bool = False) -> Labels:
    """Takes each top-level sub-folder, in the order of names, for a class.

    Sub-folders named 00000, 01000, ... only spread many files, as in FFHQ; they are
    classes only if `insist` is True.
    """
    tops = [name.split("/")[0] if "/" in name else None for name in names]
    loose = [name for name, top in zip(names, tops, strict=True) if top is None]
    if not loose and not insist and all(_STORAGE.fullmatch(top) for top in tops):
        logging.info(
            "%s: sub-folders with names of five digits (%s, ...) are taken for mere "
            "storage, not for classes; labels='folders' would use them.",
            where,
            tops[0],
        )
        return _unlabelled(names)
    if not loose:
        class_names = sorted(set(tops))
        numbers = {name: number for number, name in enumerate(class_names)}
        return np.array([numbers[top] for top in tops], np.int32), class_names
    if insist:
        raise ValueError(
            f"{where}: {loose[0]} and {len(loose) - 1} others lie outside of any class "
            "sub-folder: move them into one, or give labels='none'."
        )
    if len(loose) < len(names):
        logging.warning(
            "%s: %d images lie beside the sub-folders (%s, ...), so sub-folders are "
            "not taken for classes.",
            where,
            len(loose),
            loose[0],
        )
    return _unlabelled(names)


def from_json(text: str, names: list[str], where: str) -> Labels:
    """Reads NVIDIA's dataset.json: {"labels": [[name, class], ...] or null}.

    A class may also be a one-hot list. An entry "class_names" is ours.
    """
    try:
        content = json.loads(text)
        rows = content.get("labels")
        class_names = content.get("class_names")
        if rows is None:
            return _unlabelled(names)
        table = dict(rows.items() if isinstance(rows, dict) else rows)
    except (ValueError, AttributeError, TypeError) as error:
        raise ValueError(
            f'{where}: not of the form {{"labels": [["name.png", 0], ...]}} ({error}).'
        ) from error
    values = _match(table, names, where)
    classes = [_class_number(value, name, where) for value, name in values]
    return _named(np.array(classes, np.int64), class_names, where)


def from_csv(text: str, names: list[str], where: str) -> Labels:
    """Reads lines `name,class`; a header line may say which columns these are.

    Classes are numbers, or names that are numbered in the order of their names.
    """
    rows = [row for row in csv.reader(io.StringIO(text)) if row]
    if not rows or min(len(row) for row in rows) < 2:
        raise ValueError(f"{where}: every line must have an image name and a class.")
    name_column, class_column = _columns(rows[0])
    if _is_header(rows[0]):
        rows = rows[1:]
    table = {row[name_column].strip(): row[class_column].strip() for row in rows}
    values = [value for value, _ in _match(table, names, where)]
    if all(value.isdigit() for value in values):
        return _named(np.array(values, np.int64), None, where)
    class_names = sorted(set(values))
    numbers = {name: number for number, name in enumerate(class_names)}
    return np.array([numbers[value] for value in values], np.int32), class_names


_NAME_HEADERS = ("filename", "file", "file_name", "image", "image_id", "path", "name")
_CLASS_HEADERS = ("label", "class", "class_id", "category", "target", "y")


def _is_header(row: list[str]) -> bool:
    words = {word.strip().lower() for word in row}
    return bool(words & set(_NAME_HEADERS)) and bool(words & set(_CLASS_HEADERS))


def _columns(row: list[str]) -> tuple[int, int]:
    if not _is_header(row):
        return 0, 1
    words = [word.strip().lower() for word in row]
    return tuple(
        next(words.index(known) for known in headers if known in words)
        for headers in (_NAME_HEADERS, _CLASS_HEADERS)
    )


def _match(table: dict, names: list[str], where: str) -> list[tuple]:
    """Returns (value, name) for each image; also finds names without their suffix."""
    if not set(names) & set(table):
        names_by_key = [name.rsplit(".", 1)[0] for name in names]
    else:
        names_by_key = names
    missing = [name for name in names_by_key if name not in table]
    if missing:
        raise ValueError(
            f"{where}: no class for {missing[0]} (and {len(missing) - 1} other images "
            f"of {len(names)})."
        )
    if len(table) > len(names):
        logging.warning("%s: %d lines have no image.", where, len(table) - len(names))
    return [(table[key], key) for key in names_by_key]


def _class_number(value, name: str, where: str) -> int:
    if isinstance(value, list):
        if sorted(value) != [0] * (len(value) - 1) + [1]:
            raise ValueError(
                f"{where}: the label of {name} is neither a class number nor one-hot."
            )
        return value.index(1)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value % 1:
        raise ValueError(f"{where}: the label of {name} is {value!r}, not a number.")
    return int(value)


def _named(classes: np.ndarray, class_names, where: str) -> Labels:
    count = len(class_names) if class_names else int(classes.max()) + 1
    bad = np.flatnonzero((classes < 0) | (classes >= count))
    if len(bad):
        raise ValueError(
            f"{where}: label {classes[bad[0]]} is out of range; there are {count} "
            f"classes, so labels go from 0 to {count - 1}."
        )
    return classes.astype(np.int32), list(class_names or map(str, range(count)))


def _unlabelled(names: list[str]) -> Labels:
    return np.zeros(len(names), np.int32), []
