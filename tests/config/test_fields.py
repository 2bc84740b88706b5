"""Configured numbers are checked by their annotations."""

import dataclasses
from collections.abc import Callable, Sequence

import pytest

from dglgan_tf.config import fields


@dataclasses.dataclass
class Numbers:
    """One field of each kind."""

    share: float = 0.5
    length: float = 1.0
    count: int = 1
    tries: int = 0
    limit: int | None = None
    target: float | None = None
    loss: Callable = max
    schedule: Callable | None = None
    quick: bool = False
    sizes: Sequence[int] = ()


def check(**changed):
    numbers = dataclasses.replace(Numbers(), **changed)
    fields.check(numbers, least={"tries": 0}, positive=["length"])


def test_what_fits_passes():
    check()
    check(share=0, length=2, limit=3, target=0.0, schedule=min, quick=True, sizes=[0])


@pytest.mark.parametrize(
    "name, value, rule",
    [
        ("share", -0.1, "0 or more"),
        ("share", float("inf"), "0 or more"),
        ("share", None, "0 or more"),
        ("share", True, "a number"),
        ("length", 0.0, "positive"),
        ("count", 0, "an integer >= 1"),
        ("count", 1.5, "an integer >= 1"),
        ("tries", -1, "an integer >= 0"),
        ("limit", 0, "an integer >= 1"),
        ("target", "x", "0 or more"),
        ("loss", "max", "a function: write @ before"),
        ("schedule", 3, "a function: write @ before"),
        ("quick", 1, "True or False"),
    ],
)
def test_what_does_not_fit_is_named(name, value, rule):
    with pytest.raises(ValueError, match=rf"Numbers\.{name}={value!r} must be {rule}"):
        check(**{name: value})


def test_another_owner_can_be_named():
    with pytest.raises(ValueError, match=r"Trainer\.count=0 must be"):
        fields.check(Numbers(count=0), owner="Trainer")
