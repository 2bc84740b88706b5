"""Classes of images: from dataset.json, a CSV file, or the names of sub-folders."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from absl import logging

from dglgan_tf.data import bounded, class_numbers, label_tables, trees

Labels = class_numbers.Labels
_NO_LABELS = "none"
_shown = class_numbers.shown
_STORAGE = re.compile(r"[0-9]{5}")
_FORM = '{"labels": [["name.png", 0], ...]}'


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
        return _from_file(labels, names)
    stored = extra("dataset.json") if labels == "auto" else None
    if stored is not None:
        # With a dataset.json the sub-folders are only storage (00000, 00001, ...).
        return from_json(stored, names, f"{where}: dataset.json")
    return from_folders(names, where, insist=labels == "folders")


def _from_file(labels: str, names: list[str]) -> Labels:
    bounded.refuse_remote(labels, "labels")
    path = Path(labels)
    if not path.is_file():
        raise ValueError(
            f"labels={labels!r} must be 'auto', 'folders', 'none' or the path of a "
            "CSV or JSON file, and there is no such file."
        )
    content = bounded.read(path, bounded.TEXT_BYTES + 1024 * len(names))
    parse = from_json if path.suffix.lower() == ".json" else from_csv
    return parse(content, names, str(path))


def from_folders(names: list[str], where: str, insist: bool = False) -> Labels:
    """Takes each top-level sub-folder, in the order of names, for a class.

    Sub-folders named 00000, 01000, ... only spread many files, as in FFHQ; they are
    classes only if `insist` is True.
    """
    tops = [
        trees.composed(name.split("/")[0]) if "/" in name else None for name in names
    ]
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


def from_json(content: bytes | str, names: list[str], where: str) -> Labels:
    """Reads NVIDIA's dataset.json: {"labels": [[name, class], ...] or null}.

    A class is a number, a one-hot list, or one of "class_names". That entry is ours; an
    empty list of labels means, as null, that there are none.
    """
    found = bounded.parse_json(_bytes(content), where)
    if not isinstance(found, dict) or "labels" not in found:
        raise ValueError(f'{where}: not of the form {_FORM} (no "labels" in it).')
    rows = found["labels"]
    class_names = _class_names(found.get("class_names"), where)
    if rows is None or rows == [] or rows == {}:
        return _unlabelled(names)
    pairs = _pairs(rows, where)
    values, keys = _match(pairs, names, where)
    onehot = [isinstance(value, list) for value in values]
    if any(onehot):
        if not all(onehot):
            raise ValueError(
                f"{where}: the labels mix lists and other values, such as "
                f"{keys[onehot.index(True)]} and {keys[onehot.index(False)]}: give "
                "each image a class number, or each a one-hot list."
            )
        return class_numbers.from_one_hot(values, keys, class_names, where)
    for name, value in zip(keys, values, strict=True):
        if isinstance(value, str) and value not in (class_names or ()):
            raise ValueError(
                f"{where}: the label of {name} is {_shown(value)}, not a number: "
                'number the classes, and name them in "class_names".'
            )
    return class_numbers.resolve(values, keys, class_names, where)


def _class_names(class_names, where: str) -> list[str] | None:
    if class_names is None:
        return None
    if not isinstance(class_names, list) or not all(
        isinstance(name, (str, int)) for name in class_names
    ):
        raise ValueError(f'{where}: "class_names" must be a list of names.')
    if len(class_names) > bounded.MAX_CLASSES:
        raise ValueError(f"{where}: names {len(class_names)} classes, which is absurd.")
    return [bounded.printable(str(name)) for name in class_names]


def _pairs(rows, where: str) -> list[tuple]:
    """Returns (name, value) of each row of a dataset.json."""
    if isinstance(rows, dict):
        return list(rows.items())
    if not isinstance(rows, list):
        raise ValueError(
            f'{where}: not of the form {_FORM} ("labels" is {_shown(rows)}).'
        )
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != 2 or not isinstance(row[0], str):
            raise ValueError(
                f"{where}: not of the form {_FORM} (row {number} of the labels is "
                f"{_shown(row)})."
            )
    return [tuple(row) for row in rows]


def from_csv(content: bytes | str, names: list[str], where: str) -> Labels:
    """Reads lines `name,class`; a header line may say which columns these are.

    Columns may be separated by commas, semicolons or tabs. Classes are numbers, or
    names that are numbered in the order of their names.
    """
    text = bounded.text(_bytes(content), where)
    pairs = label_tables.pairs(text, {key(name) for name in names}, where)
    values, keys = _match(pairs, names, where)
    return class_numbers.resolve(values, keys, None, where)


def key(name: str) -> str:
    """Returns a name as names are compared: composed, with forward slashes."""
    return trees.composed(name.strip().replace("\\", "/")).removeprefix("./")


def _match(pairs: list[tuple], names: list[str], where: str) -> tuple[list, list[str]]:
    """Returns the value of each image and the image's name.

    An image is found by its name, its name without ending, or, where that is unique on
    both sides, by its name without folders.
    """
    table = {}
    for name, value in pairs:
        name = key(name)
        if name in table and table[name] != value:
            raise ValueError(
                f"{where}: {bounded.printable(name)} is there twice, as "
                f"{_shown(table[name])} and as {_shown(value)}."
            )
        table[name] = value
    bare = _unique(table, lambda name: name.rsplit("/", 1)[-1])
    keys = [key(name) for name in names]
    once = _unique(keys, lambda name: name.rsplit("/", 1)[-1])
    values, missing, used = [], [], set()
    for name in keys:
        last = name.rsplit("/", 1)[-1]
        short = bare.get(last) if last in once else None
        for candidate in (name, name.rsplit(".", 1)[0], short):
            if candidate is not None and candidate in table:
                values.append(table[candidate])
                used.add(candidate)
                break
        else:
            missing.append(name)
    if missing:
        raise ValueError(
            f"{where}: no class for {missing[0]} (and {len(missing) - 1} other images "
            f"of {len(names)})."
        )
    if len(table) > len(used):
        logging.warning("%s: %d lines have no image.", where, len(table) - len(used))
    return values, keys


def _unique(names, shorten) -> dict[str, str]:
    """Returns {short name: name} of the names whose short name no other has."""
    found: dict[str, str | None] = {}
    for name in names:
        short = shorten(name)
        found[short] = None if short in found else name
    return {short: name for short, name in found.items() if name is not None}


def _bytes(content: bytes | str) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _unlabelled(names: list[str]) -> Labels:
    return np.zeros(len(names), np.int32), []
