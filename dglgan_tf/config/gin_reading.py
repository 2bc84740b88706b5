"""Looks at gin files before gin does: what they include, import, bind and refer to.

gin imports whatever a file names, follows included files without end, and says nothing
about a binding whose scope nobody enters. Here every file is read once and looked at;
gin is then given the same texts. No configurable needs to be known for that.
"""

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dglgan_tf.config import gin_internals
from dglgan_tf.foundation import run_directory, sentences

MOST_BYTES = 1 << 20
MOST_FILES = 500
MOST_DEPTH = 30
# What a run writes about itself: overridden references are gone from it.
_RECORDS = ("config.gin", "operative_config.gin")


@dataclasses.dataclass(frozen=True)
class _Macro:
    name: str


class Reading:
    """What a set of gin files and bindings says.

    Attributes:
      texts: {name as written: content} of every file, included ones too.
    """

    def __init__(self, find: Callable[[str], str]):
        """Starts with nothing read.

        Args:
          find: function (name) -> path of a gin file; raises ValueError.
        """
        self.texts: dict[str, str] = {}
        self._find = find
        self._files = 0
        self._bound: list[tuple[str, str]] = []  # scope, the binding as written
        self._scopes: set[str] = set()  # of references
        self._stages: list = []
        self._macros: dict[str, list] = {}
        self._delegate = gin_internals.Delegate(self._reference, _Macro)

    def add_file(self, name: str, within: Mapping[str, str] | None = None) -> None:
        """Reads a file and what it includes.

        Args:
          name: path or name, as written.
          within: {path: name} of the files that are being read, outermost first.

        Raises:
          ValueError: a file that is missing, no text or too large, one that includes
            itself, an import.
          SyntaxError, tokenize.TokenError: lines that are none of gin's.
        """
        path, within = os.path.realpath(self._find(name)), within or {}
        if path in within:
            first = list(within).index(path)
            raise ValueError(_looped(name, list(within.values())[first:]))
        self._files += 1
        if len(within) >= MOST_DEPTH or self._files > MOST_FILES:
            raise ValueError(
                f"{_named(name)} is one included file too many: at most {MOST_DEPTH} "
                f"within each other and {MOST_FILES} in all are read"
            )
        if name not in self.texts:
            self.texts[name] = _read_text(path, name)
        self._add(self.texts[name], name, {**within, path: name})

    def add_bindings(self, bindings: Sequence[str]) -> None:
        """Looks at lines of a command line; raises as `add_file` does."""
        self._add("\n".join(bindings), None, {})

    def _add(self, text, name, within):
        recorded = bool(within) and _is_record(list(within)[-1])
        for found in gin_internals.statements(text, name, self._delegate):
            if isinstance(found, gin_internals.Import):
                raise ValueError(_refused(found, name))
            if isinstance(found, gin_internals.Include):
                self.add_file(found.filename, within)
            elif isinstance(found, gin_internals.Binding):
                self._note(found, recorded)

    def _note(self, found, recorded):
        if not found.arg_name:  # NAME = value
            name = "/".join(filter(None, (found.scope, found.selector)))
            self._macros.setdefault(name, []).append(found.value)
            return
        if found.selector.split(".")[-1] == "compress" and found.arg_name == "stages":
            self._stages.append(found.value)
        if found.scope and recorded:
            self._scopes.add(found.scope)
        elif found.scope:
            written = f"{found.scope}/{found.selector}.{found.arg_name}"
            self._bound.append((found.scope, written))

    def _reference(self, name):
        scope = name.rpartition("/")[0]
        if scope:
            self._scopes.add(scope)
        return name

    def check_scopes(self) -> None:
        """Refuses bindings that nothing can reach.

        A scope is entered by a reference `@scope/name`, by one that a later line
        replaces too, and by a recipe's stage of that name; `a/b` also enters `a`.

        Raises:
          ValueError: names the binding and the scopes that are alike.
        """
        known = {*self._scopes, *_words(self._stages, self._macros)}
        entered = {
            "/".join(parts[: depth + 1])
            for parts in (scope.split("/") for scope in known)
            for depth in range(len(parts))
        }
        for scope, written in self._bound:
            if scope not in entered:
                hint = sentences.near(scope, entered)
                scope, written = sentences.short(scope), sentences.short(written)
                raise ValueError(
                    f"{written}: nobody uses the scope {scope!r}, there is neither a "
                    f"reference @{scope}/... nor a stage of that name in "
                    f"compress.stages{hint}"
                )


def _looped(name, names) -> str:
    """Returns the sentence for a file that is included while it is read."""
    others = len(names) - 1
    inner = f" through {others} other file{'s' * (others > 1)}" if others else ""
    return (
        f"{_named(names[0])} includes itself{inner}: remove the line include "
        f"'{_named(name)}' from {_named(names[-1])}"
    )


def _words(value, macros, depth: int = 0):
    """Yields the texts in a value, macros followed."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, _Macro) and depth < MOST_DEPTH:
        yield from _words(macros.get(value.name, []), macros, depth + 1)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _words(item, macros, depth)


def _is_record(path: str) -> bool:
    """Tells whether a run wrote a file about itself."""
    path = Path(path)
    marker = path.parent / run_directory.MARKER
    return path.name in _RECORDS and marker.is_file()


def _read_text(path: str, name: str) -> str:
    with open(path, "rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(
            f"{_named(name)} has more than {MOST_BYTES} bytes: no gin file"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{_named(name)} is no text in UTF-8: no gin file") from error
    if "\0" in text:
        raise ValueError(f"{_named(name)} holds zero bytes: no gin file")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _refused(found, name) -> str:
    where = "" if name is None else f"{_named(name)}, line {found.location.line_num}: "
    return (
        f"{where}'{sentences.short(found.format())}' is refused: gin files name what "
        "this package knows and import nothing; give a module of your own as "
        "--gin_import=MODULE"
    )


def _named(name: str) -> str:
    return sentences.short(name, 120)
