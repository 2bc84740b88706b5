"""Checks of configured numbers, by the type of a dataclass's fields."""

import dataclasses
import math
import types
from collections.abc import Callable, Collection, Mapping


def check(
    instance,
    least: Mapping[str, int] | None = None,
    positive: Collection[str] = (),
    owner: str | None = None,
) -> None:
    """Refuses values that the fields of a dataclass cannot have.

    A `Callable` must be a function, a `bool` True or False, a `float` a number of 0 or
    more, an `int` a whole number of at least 1; None passes where the type names it;
    fields of other types are not looked at.

    Args:
      instance: of a dataclass.
      least: {integer field: smallest value} other than 1.
      positive: float fields that must not be 0.
      owner: whose fields the messages name; None = the dataclass.

    Raises:
      ValueError: names the field, its value and the rule.
    """
    for field in dataclasses.fields(instance):
        kinds = _kinds(field.type)
        value = getattr(instance, field.name)
        if (value is None and None in kinds) or _is_part(value, kinds):
            continue
        smallest = (least or {}).get(field.name, 1)
        rule = _broken(value, kinds, smallest, field.name in positive)
        if rule:
            name = f"{owner or type(instance).__name__}.{field.name}"
            raise ValueError(f"{name}={value!r} must be {rule}")


def _kinds(annotation) -> set:
    """The types of an annotation such as float | None."""
    if not isinstance(annotation, types.UnionType):
        return {annotation}
    return {None if part is type(None) else part for part in annotation.__args__}


def _is_part(value, kinds) -> bool:
    """Whether a value is an object of a class that the type names beside a number."""
    return any(dataclasses.is_dataclass(k) and isinstance(value, k) for k in kinds)


def _broken(value, kinds, least, positive) -> str | None:
    """Returns the rule that a value breaks."""
    if Callable in kinds and not callable(value):
        return "a function: write @ before its name in gin"
    if bool in kinds and not isinstance(value, bool):
        return "True or False"
    if isinstance(value, bool) and kinds & {int, float}:
        return "a number"
    if float in kinds:
        whole = isinstance(value, (int, float)) and math.isfinite(value)
        if not (whole and value >= 0) or (positive and not value > 0):
            return "positive" if positive else "0 or more"
    if int in kinds and not (isinstance(value, int) and value >= least):
        return f"an integer >= {least}"
    return None
