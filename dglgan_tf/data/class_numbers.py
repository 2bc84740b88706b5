"""Class numbers from what a file says of each image: numbers, names, one-hot lists."""

import re

import numpy as np

from dglgan_tf.data import bounded

Labels = tuple[np.ndarray, list[str]]


def from_one_hot(values, keys, class_names, where: str) -> Labels:
    """Turns one-hot lists into classes; arguments as `resolve`."""
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


def resolve(values, keys, class_names, where: str) -> Labels:
    """Turns numbers, or names, into classes.

    Args:
      values: [N] labels as they stand in a file.
      keys: [N] names of the images, for messages.
      class_names: one per class; None takes the names among the values, or numbers.
      where: the file, for messages.

    Raises:
      ValueError: an empty value, or one that is no class; names the image.
    """
    for name, value in zip(keys, values, strict=True):
        if _empty(value):
            raise ValueError(
                f"{where}: no class for {name}: its cell is empty; give it a class, or "
                "remove the image."
            )
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError(
                f"{where}: the label of {name} is {shown(value)}, not a number."
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
            f"{where}: label {shown(int(bad))} is out of range; there are "
            f"{shown(count)} classes, so labels go from 0 to {shown(count - 1)}."
        )
    if count > bounded.MAX_CLASSES:
        raise ValueError(
            f"{where}: a label is {shown(count - 1)}, but at most "
            f"{bounded.MAX_CLASSES} classes are read: number them 0, 1, 2, ..."
        )
    return classes.astype(np.int32), list(class_names or map(str, range(count)))


def shown(value) -> str:
    """Returns a value for a message, shortened where it is long."""
    text = f"{value:d}" if type(value) is int else repr(value)
    return bounded.printable(text if len(text) <= 40 else text[:37] + "...")
