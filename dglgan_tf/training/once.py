"""Attributes that are computed when they are first read."""

import contextlib
import functools


class once(functools.cached_property):  # noqa: N801 - a decorator
    """Computed once. Without Python 3.11's lock, behind which lanes wait for ever."""

    def __init__(self, function):
        """Takes the method that computes the attribute."""
        super().__init__(function)
        self.lock = contextlib.nullcontext()
