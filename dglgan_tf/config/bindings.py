"""Checks what gin files and --gin_param bind before anything is built.

gin knows names but no types: 'Trainer.batch_size = "4"' would fail deep inside, after
the networks are made. Every parameter that gin files may bind has a type, so a value of
another type is refused while the configuration is read.
"""

import collections.abc
import copy
import inspect
import math
import types
import typing

import gin

from dglgan_tf.config import gin_internals

_NUMBERS = {int: "an integer", float: "a finite number"}
_SEQUENCES = (collections.abc.Sequence, collections.abc.Iterable, list, tuple)
# What a function must take to serve as an argument of this name, where a wrong one
# would be noticed only while a step is traced.
_TAKES = {
    "d_loss": ("real_logits", "fake_logits"),
    "g_loss": ("fake_logits",),
    "d_scores": ("discriminator", "real"),
    "g_optimizer": ("reg_interval_steps",),
    "d_optimizer": ("reg_interval_steps",),
    "ema_decay": ("images", "batch_size"),
    "guidance_schedule": ("images", "weight"),
}


def check() -> None:
    """Looks at every binding that gin holds.

    Raises:
      ValueError: a parameter that does not exist behind `**kwargs`, a value of another
        type than the parameter's, a reference that cannot serve there.
    """
    for scope, short_name, function, values in gin_internals.bindings():
        if gin_internals.is_macro(function):
            continue
        for parameter, value in values.items():
            name = f"{scope}/" * bool(scope) + f"{short_name}.{parameter}"
            _check_binding(name, function, parameter, value)


def value(configurable: str, parameter: str, default):
    """Returns what gin binds to a parameter in the present scope, else the default.

    For what must be known before the configurable can be made.
    """
    bound = gin.get_bindings(configurable, resolve_references=False)
    # Copying a reference, such as a macro, gives what it refers to.
    return copy.deepcopy(bound.get(parameter, default))


def _check_binding(name, function, parameter, value):
    parameters = inspect.signature(function).parameters
    named = [p.name for p in parameters.values() if p.kind is not p.VAR_KEYWORD]
    if parameter not in named:  # gin lets anything pass where there are **kwargs
        raise ValueError(
            f"{name}: there is no such parameter; known: {', '.join(named)}"
        )
    hint = _hints(function).get(parameter)
    if hint is None:
        return
    wrong = _wrong(value, hint)
    if wrong:
        raise ValueError(f"{name}={value!r} must be {wrong}")
    takes = _TAKES.get(parameter)
    given = _arguments(value)
    if takes and given is not None and not _serves(given, takes):
        raise ValueError(
            f"{name}={value!r} must be a function of {', '.join(takes)}, and that is "
            f"one of {', '.join(given) or 'nothing'}"
        )


def _serves(given, takes) -> bool:
    by_name = takes == ("reg_interval_steps",)  # the others are called by position
    return set(takes) <= set(given) if by_name else tuple(given[: len(takes)]) == takes


def _hints(function):
    made = function.__init__ if inspect.isclass(function) else function
    return typing.get_type_hints(made)


def _wrong_result(gives, parts) -> str | None:
    """Returns what a reference should give that gives a class of ours, else None."""
    if not gives.__module__.startswith("dglgan_tf"):
        return None
    kinds = [typing.get_origin(part) or part for part in parts]
    if any(kind is typing.Any or not inspect.isclass(kind) for kind in kinds):
        return None
    if any(issubclass(gives, kind) for kind in kinds):
        return None
    return " or ".join(str(_wrong(object(), part)) for part in parts)


def _arguments(value):
    """Returns the names that a referenced function takes; None for other values."""
    if not gin_internals.is_reference(value) or _is_macro(value):
        return None
    return list(inspect.signature(value.configurable.wrapped).parameters)


def _is_macro(reference) -> bool:
    return gin_internals.macro_of(reference) is not None


def _wrong(value, hint) -> str | None:
    """Returns what a value should have been; None where it is right."""
    if gin_internals.is_reference(value):
        return _wrong_reference(value, hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        found = [_wrong(value, part) for part in typing.get_args(hint)]
        return None if None in found else " or ".join(found)
    if hint in (typing.Any, inspect.Parameter.empty):
        return None
    if hint in (None, type(None)):
        return None if value is None else "None"
    return _wrong_literal(value, hint)


def _wrong_literal(value, hint):
    origin, inside = typing.get_origin(hint) or hint, typing.get_args(hint)
    if origin is bool:
        return None if isinstance(value, bool) else "True or False"
    if origin in _NUMBERS:
        kinds = (int,) if origin is int else (int, float)
        right = isinstance(value, kinds) and not isinstance(value, bool)
        return None if right and math.isfinite(value) else _NUMBERS[origin]
    if origin is str:
        return None if isinstance(value, str) else "text in quotes"
    if origin in _SEQUENCES:
        return _wrong_sequence(value, inside)
    if origin in (dict, collections.abc.Mapping):
        return _wrong_mapping(value, inside)
    if origin is collections.abc.Callable:
        # Python code may bind functions themselves.
        return None if callable(value) else "a function: write @ before its name"
    if inspect.isclass(origin) and isinstance(value, origin):
        return None
    return f"made by a function: write @name(), which gives a {origin.__name__}"


def _wrong_sequence(value, inside):
    if not isinstance(value, (list, tuple)):
        return "a list"
    parts = [part for part in inside if part is not ...]
    if len(parts) > 1 and len(parts) != len(value):
        return f"a list of {len(parts)}"
    for index, item in enumerate(value):
        if parts and (wrong := _wrong(item, parts[index % len(parts)])):
            return f"a list whose entries are {wrong} ({item!r} is not)"
    return None


def _wrong_mapping(value, inside):
    if not isinstance(value, dict):
        return "a dictionary"
    for key, item in value.items():
        for part, hint in zip((key, item), inside, strict=False):
            if wrong := _wrong(part, hint):
                return f"a dictionary in which {part!r} is not, but {wrong}"
    return None


def _wrong_reference(reference, hint):
    macro = gin_internals.macro_of(reference)
    if macro is not None:
        held = gin_internals.macro_values(macro)
        if "value" not in held:
            return f"defined: no line says {macro} = ..."
        return _wrong(held["value"], hint)
    parts = typing.get_args(hint)
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        parts = (hint,)
    takes_function = any(
        (typing.get_origin(part) or part) is collections.abc.Callable for part in parts
    )
    name = reference.scoped_selector
    if reference.evaluate:
        wrapped = reference.configurable.wrapped
        gives = wrapped if inspect.isclass(wrapped) else _hints(wrapped).get("return")
        made = inspect.isclass(gives) and gives is not collections.abc.Callable
        if takes_function and len(parts) == 1 and made:
            return f"a function and not its result: write @{name} without ()"
        return _wrong_result(gives, parts) if made else None
    if takes_function or typing.Any in parts:
        return None
    return f"the result of the function: write @{name}()"
