"""gin's private names, used here and nowhere else; checked with gin-config 0.5.0.

gin's public functions neither list what is bound nor let a file be looked at before it
is carried out. Another version of gin that moves one of these names breaks this file
alone; its test names the versions.
"""

import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence

import gin
from gin import config, config_parser

CHECKED_WITH = ("0.5.0",)
Binding = config_parser.BindingStatement
Import = config_parser.ImportStatement
Include = config_parser.IncludeStatement


class Delegate(config_parser.ParserDelegate):
    """Makes what stands for references and macros while a text is only looked at."""

    def __init__(self, reference: Callable[[str], object], macro: Callable):
        """Takes functions of the name that follows @ and %, scopes included."""
        self._reference, self._macro = reference, macro

    def configurable_reference(self, scoped_configurable_name, evaluate):
        """Returns what stands for @name and @name()."""
        del evaluate
        return self._reference(scoped_configurable_name)

    def macro(self, macro_name):
        """Returns what stands for %name."""
        return self._macro(macro_name)


class _Text(io.StringIO):
    """A text with the name that gin's messages show."""

    def __init__(self, text: str, name: str):
        super().__init__(text)
        self.name = name


def statements(text: str, name: str | None, delegate: Delegate) -> Iterator:
    """Yields the statements of a gin text; nothing is looked up, imported or bound."""
    source = text if name is None else _Text(text, name)
    yield from config_parser.ConfigParser(source, delegate)


def parse(
    texts: Mapping[str, str], files: Sequence[str], bindings: Sequence[str]
) -> None:
    """Replaces gin's configuration by files and bindings, strictly.

    Args:
      texts: {name: content} of all files that may be read, included ones too.
      files: names of the files to parse, in order.
      bindings: lines that override the files.

    Raises:
      many kinds of error: whatever gin says of names and values.
    """
    gin.clear_config()
    readers = config._FILE_READERS
    # gin also looks for files inside importable packages, and breaks where a folder
    # such as ./data passes for one: files are files here.
    before = [(open, os.path.isfile)]
    readers[:] = [(lambda name: _Text(texts[name], name), texts.__contains__)]
    try:
        gin.parse_config_files_and_bindings(
            list(files), list(bindings), skip_unknown=False
        )
    finally:
        readers[:] = before


def bindings() -> Iterator[tuple[str, str, Callable, dict]]:
    """Yields (scope, short name, function or class, {parameter: value})."""
    for (scope, selector), values in list(config._CONFIG.items()):
        found = config._REGISTRY[selector]
        yield scope, found.name, found.wrapped, values


def macro_values(name: str) -> dict:
    """Returns {'value': what a line `name = ...` says}; {} where no line does."""
    return config._CONFIG.get((name, "gin.macro"), {})


def is_macro(function) -> bool:
    """Tells whether a configurable is what gin makes of `NAME = value`."""
    return function is config.macro


def is_reference(value) -> bool:
    """Tells whether a value is @name, @name() or %name."""
    return isinstance(value, config.ConfigurableReference)


def macro_of(reference) -> str | None:
    """Returns the name of a macro or constant; None where a reference is another."""
    known = (config.macro, config._retrieve_constant)
    if reference.configurable.wrapped in known:
        return "/".join(reference.scopes)
    return None


def forget_operative() -> None:
    """Clears the list of the parameters that were used so far."""
    config._OPERATIVE_CONFIG.clear()
