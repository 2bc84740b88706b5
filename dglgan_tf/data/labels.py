"""Classes of images: from dataset.json, a CSV file, or the names of sub-folders."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from absl import logging

from dglgan_tf.data import bounded, label_tables, trees

Labels = tuple[np.ndarray, list[str]]
_NO_LABELS = "none"
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
        return _one_hot(values, keys, class_names, where)
    for name, value in zip(keys, values, strict=True):
        if isinstance(value, str) and value not in (class_names or ()):
            raise ValueError(
                f"{where}: the label of {name} is {_shown(value)}, not a number: "
                'number the classes, and name them in "class_names".'
            )
    return _resolved(values, keys, class_names, where)


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
    return _resolved(values, keys, None, where)


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


def _one_hot(values, keys, class_names, where: str) -> Labels:
    width = len(values[0])
    classes = []
    for name, value in zip(keys, values, strict=True):
        ones = [k for k, entry in enumerate(value) if entry == 1]
        zeros = sum(1 for entry in value if entry == 0)
        if len(ones) != 1 or zeros != len(value) - 1:
            raise ValueError(
                f"{where}: the label of {name} is neither a class number nor one-hot."
            )
        if len(value) != width:
            raise ValueError(
                f"{where}: the one-hot list of {name} has {len(value)} entries, that "
                f"of {keys[0]} {width}."
            )
        classes.append(ones[0])
    return numbered(classes, class_names or list(map(str, range(width))), where)


def _resolved(values, keys, class_names, where: str) -> Labels:
    """Turns numbers, or names, into classes."""
    for name, value in zip(keys, values, strict=True):
        if _empty(value):
            raise ValueError(
                f"{where}: no class for {name}: its cell is empty; give it a class, or "
                "remove the image."
            )
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError(
                f"{where}: the label of {name} is {_shown(value)}, not a number."
            )
    numbers = [_number(value) for value in values]
    named = bool(class_names) and set(values) <= set(class_names)
    if not named and all(number is not None for number in numbers):
        for name, number, value in zip(keys, numbers, values, strict=True):
            if number != number or number in (float("inf"), float("-inf")):
                raise ValueError(f"{where}: the label of {name} is {value!r}.")
            if number != int(number):
                raise ValueError(
                    f"{where}: the label of {name} is {value!r}, not a number of a "
                    "class (0, 1, 2, ...)."
                )
        return numbered([int(number) for number in numbers], class_names, where)
    texts = [bounded.printable(str(value).strip()) for value in values]
    if class_names is None:
        class_names = sorted(set(texts))
    known = {name: number for number, name in enumerate(class_names)}
    for name, text in zip(keys, texts, strict=True):
        if text not in known:
            raise ValueError(
                f"{where}: the class {text!r} of {name} is not among class_names."
            )
    return numbered([known[text] for text in texts], class_names, where)


def _empty(value) -> bool:
    if value is None:
        return True
    return isinstance(value, str) and value.strip().lower() in ("", "nan")


def _number(value) -> int | float | None:
    """Returns a class number, as a float where it is written so; None for a name."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        return int(text)
    if re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
        return float(text)
    return None


def numbered(classes, class_names, where: str) -> Labels:
    """Checks class numbers before anything of their size is made.

    Args:
      classes: [N] integers, of any size.
      class_names: one per class; None names them by their numbers.
      where: whose labels, for the message.

    Returns:
      labels: [N] int32.
      class_names: one per class.
    """
    classes = np.asarray(classes)  # of objects where a number exceeds 64 bits
    if not len(classes):
        return np.zeros(0, np.int32), list(class_names or [])
    count = len(class_names) if class_names else int(classes.max()) + 1
    if classes.min() < 0 or classes.max() >= count:
        bad = classes[np.flatnonzero((classes < 0) | (classes >= count))[0]]
        raise ValueError(
            f"{where}: label {_shown(int(bad))} is out of range; there are "
            f"{_shown(count)} classes, so labels go from 0 to {_shown(count - 1)}."
        )
    if count > bounded.MAX_CLASSES:
        raise ValueError(
            f"{where}: a label is {_shown(count - 1)}, but at most "
            f"{bounded.MAX_CLASSES} classes are read: number them 0, 1, 2, ..."
        )
    return classes.astype(np.int32), list(class_names or map(str, range(count)))


def _shown(value) -> str:
    text = f"{value:d}" if type(value) is int else repr(value)
    return bounded.printable(text if len(text) <= 40 else text[:37] + "...")


def _bytes(content: bytes | str) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _unlabelled(names: list[str]) -> Labels:
    return np.zeros(len(names), np.int32), []
