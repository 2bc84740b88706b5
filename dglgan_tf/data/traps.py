"""What is wrong with the classes of a data set, told from names and labels alone.

`check` says it after looking at every image, a training before its first step.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dglgan_tf.data import bounded, trees

_SPLITS = frozenset(
    "train training val valid validation dev test testing eval evaluation holdout "
    "trainset testset valset".split()
)
_TRAIN = frozenset(("train", "training", "trainset"))
_SHOWN = 3


class Found(NamedTuple):
    """What was found.

    Attributes:
      warnings: what may be wrong.
      problems: what makes a conditional training pointless.
    """

    warnings: list[str]
    problems: list[str]


class Classes(NamedTuple):
    """Images and their classes.

    Attributes:
      names: of the images, with folders; empty where images have no names.
      labels: [N] int classes.
      class_names: one per class; empty without labels.
    """

    names: Sequence[str]
    labels: np.ndarray
    class_names: Sequence[str]


def table(classes: Classes, most: int | None = None) -> list[str]:
    """Returns a line for each class: number, name, images.

    Args:
      classes: what is counted.
      most: show only so many classes, the first ones; None shows all.
    """
    names = classes.class_names
    if not names:
        return ["classes: none"]
    histogram = np.bincount(classes.labels, minlength=len(names))
    lines = [f"classes, {len(names)}:"]
    shown = list(enumerate(histogram))[:most]
    lines += [f"  {k} {one_line(names[k])}: {number}" for k, number in shown]
    if len(shown) < len(names):
        rest = histogram[len(shown) :]
        lines.append(f"  ... {len(rest)} more, of {rest.min()} to {rest.max()} images")
    return lines


def find(classes: Classes, conditional: bool) -> Found:
    """Looks for traps in names and labels.

    Args:
      classes: images and their classes.
      conditional: True where the model will use the labels.
    """
    found = Found([], [])
    if not classes.class_names:
        _unlabelled(classes, conditional, found)
    else:
        _counts(classes, conditional, found)
        _splits(classes, conditional, found)
        _names(classes.class_names, found)
    return found


def one_line(name: str) -> str:
    """Returns a name without line ends and other control characters."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode()
        for c in bounded.printable(str(name))
    )


def _unlabelled(classes: Classes, conditional: bool, found: Found) -> None:
    if conditional:
        found.problems.append("there are no labels, but the model is conditional")
    tops = {name.split("/")[0] for name in classes.names if "/" in name}
    loose = [name for name in classes.names if "/" not in name]
    if not tops or all(top.isdigit() for top in tops):
        return
    shown = ", ".join(map(one_line, sorted(tops)[:_SHOWN]))
    if loose:
        found.warnings.append(
            f"{len(loose)} images, such as {one_line(loose[0])}, lie beside the "
            f"sub-folders ({shown}), so sub-folders are not taken for classes: move "
            "them into one"
        )
    elif len(tops) > 1:
        found.warnings.append(
            "there are no labels, yet there are sub-folders that look like classes "
            f"({shown}): labels='folders' would use them"
        )


def _counts(classes: Classes, conditional: bool, found: Found) -> None:
    names = classes.class_names
    histogram = np.bincount(classes.labels, minlength=len(names))
    empty = [one_line(names[k]) for k in np.flatnonzero(histogram == 0)]
    used = histogram[histogram > 0]
    if len(used) == 1 and len(names) > 1:
        found.problems.append(
            f"every image is of class {one_line(names[int(histogram.argmax())])}, "
            f"though {len(names)} classes are named: the labels are probably wrong"
        )
    elif len(used) == 1 and conditional:
        found.problems.append(_one_class(classes))
    elif len(used) == 1:
        found.warnings.append(
            "there is one class only: an unconditional model suits it"
        )
    elif empty:
        text = f"{len(empty)} classes have no image, such as {empty[0]}"
        if len(empty) == 1 and histogram[0] == 0 and names[0] == "0":
            text += ": labels seem to count from 1, but classes count from 0"
        (found.problems if conditional else found.warnings).append(text)
    if len(used) > 1 and used.max() >= 100 * used.min():
        found.warnings.append(
            f"the largest class has {used.max() // used.min()} times the images of the "
            "smallest"
        )


def _one_class(classes: Classes) -> str:
    name = one_line(classes.class_names[0])
    text = f"there is one class ({name}), but the model is conditional"
    below = {"/".join(image.split("/")[:2]) for image in classes.names}
    deep = all(image.count("/") > 1 for image in classes.names)
    if classes.names and len(below) > 1 and deep:
        text += f"; did you mean the folder {name} itself, which holds sub-folders?"
    return text


def _splits(classes: Classes, conditional: bool, found: Found) -> None:
    """Says where folders of a split, or of a level too high, are taken for classes."""
    names = list(classes.class_names)
    if len(names) < 2 or not all("/" in image for image in classes.names):
        return
    below: dict[str, set[str]] = {}
    for image in classes.names:
        parts = image.split("/")
        below.setdefault(trees.composed(parts[0]), set()).add(
            parts[1] if len(parts) > 2 else ""
        )
    if set(below) != set(names):
        return  # classes do not come from folders
    known = [name for name in names if name.casefold() in _SPLITS]
    train = next((name for name in names if name.casefold() in _TRAIN), None)
    sets = list(below.values())
    alike = len(sets[0]) > 1 and "" not in sets[0] and all(s == sets[0] for s in sets)
    if len(known) == len(names) and (train or alike):
        text = (
            f"the classes are {', '.join(sorted(known))}, which are the parts of a "
            f"split and no classes: name the folder {train or known[0]} as the source"
        )
    elif alike:
        shown = ", ".join(map(one_line, sorted(sets[0])[:_SHOWN]))
        text = (
            f"every class holds the same sub-folders ({shown}): are those the classes? "
            f"then name one of {', '.join(map(one_line, names[:_SHOWN]))} as the source"
        )
    else:
        return
    (found.problems if conditional else found.warnings).append(text)


def _names(names: Sequence[str], found: Found) -> None:
    """Says where class names will be mistaken for others."""
    folded: dict[str, str] = {}
    for name in names:
        key = " ".join(trees.composed(name).casefold().split())
        if key in folded:
            found.warnings.append(
                f"two classes differ only in case or blanks: {folded[key]!r} and "
                f"{name!r}"
            )
            break
        folded[key] = name
    if any(not name.strip() for name in names):
        found.warnings.append("a class has no name")
    digits = [bool(re.fullmatch(r"[0-9]{1,18}", name)) for name in names]
    if all(digits):
        values = [int(name) for name in names]
        if values != list(range(len(values))):
            wrong = next(k for k, value in enumerate(values) if k != value)
            found.warnings.append(
                f"classes are named by numbers that are not their places: class "
                f"{wrong} is named {names[wrong]!r}; --class takes the names"
            )
    elif any(digits):
        number = names[digits.index(True)]
        word = names[digits.index(False)]
        found.warnings.append(
            f"class names mix numbers and words ({number!r} and {word!r})"
        )
