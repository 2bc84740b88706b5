"""The data of runs that were begun before `training_options.json` described them.

Their `config.gin` says it. That file is read here as text, never as gin, which would
import and call what it names: of the lines `train.source = @NAME` and
`NAME.parameter = LITERAL` the literals are taken, by `ast.literal_eval`, and all else
is passed over.
"""

import ast
import dataclasses
import inspect
import re

from dglgan_tf.data import reopening

_BINDING = re.compile(r"(?:([\w./-]+)/)?([\w.]+)\.(\w+) *= *(.+)", re.DOTALL)
_MACRO = re.compile(r"(\w+) *= *(.+)", re.DOTALL)
_REFERENCE = re.compile(r"@(?:[\w.-]+/)*(?:\w+\.)*(\w+)(?:\(\))?")
_LONGEST = 2**20  # characters of a file
_DEEPEST = 8


@dataclasses.dataclass(frozen=True)
class _Reference:
    """What a value `@name` or `@name()` refers to."""

    name: str


def described(text: str, scope: str = "") -> dict | None:
    """Returns the description of a run's data, as `origin` gives it.

    Args:
      text: of `config.gin`.
      scope: of the run: the stage's name in a recipe.

    Returns:
      None where the file does not say it in literals and names of known sources.
    """
    bound = _bindings(text[:_LONGEST], scope)
    return _source(bound.get(("train", "source")), bound, 0)


def _bindings(text, scope) -> dict:
    """Returns {(configurable, parameter): literal or reference}."""
    found, scoped, macros = {}, {}, {}
    for statement in _statements(text):
        if match := _BINDING.fullmatch(statement):
            where, name, parameter, value = match.groups()
            key = name.rpartition(".")[2], parameter
            if where is None:
                found[key] = value
            elif where == scope:
                scoped[key] = value
        elif match := _MACRO.fullmatch(statement):
            macros[match[1]] = match[2]
    values = {}
    for key, value in (found | scoped).items():
        if value.startswith("%"):
            value = macros.get(value[1:].strip(), value)
        values[key] = _value(value)
    return values


def _statements(text):
    """Yields each statement on one line; what follows it indented belongs to it."""
    whole = ""
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if line[0].isspace() and whole:
            whole = f"{whole} {line.strip().rstrip(chr(92))}"
            continue
        if whole:
            yield whole.strip()
        whole = line.rstrip(chr(92))
    if whole:
        yield whole.strip()


def _value(text):
    """Returns a literal or a reference; NotImplemented for anything else."""
    text = text.strip()
    if match := _REFERENCE.fullmatch(text):
        return _Reference(match[1])
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return NotImplemented


def _source(reference, bound, depth) -> dict | None:
    name = getattr(reference, "name", None)
    if name not in reopening.SOURCES or depth > _DEEPEST:
        return None
    arguments = {}
    for parameter in inspect.signature(reopening.SOURCES[name]).parameters:
        value = bound.get((name, parameter))
        if parameter == "conversion":
            value = _conversion(bound)
        elif parameter == "source":
            value = _source(value, bound, depth + 1)
        if parameter == "source" and value is None:
            return None
        if value is NotImplemented or isinstance(value, _Reference):
            return None
        if value is not None or (name, parameter) in bound:
            arguments[parameter] = list(value) if isinstance(value, tuple) else value
    inner = arguments.get("name")
    if name == "open_source" and inner in ("embedded", "synthetic", "fashion_mnist"):
        return _source(_Reference(inner), bound, depth + 1)
    return {"source": name, "arguments": arguments}


def _conversion(bound):
    """Returns what the file binds of `Conversion`; None where it binds nothing."""
    found = {key: value for (name, key), value in bound.items() if name == "Conversion"}
    for value in found.values():
        if value is NotImplemented or isinstance(value, _Reference):
            return NotImplemented
    return found or None
