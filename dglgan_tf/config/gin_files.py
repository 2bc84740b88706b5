"""Finds gin files and parses them, strictly and without running anything of theirs."""

import contextlib
import dataclasses
import importlib
import os
import sys
import tokenize
from collections.abc import Mapping, Sequence
from pathlib import Path

from dglgan_tf.config import bindings as bindings_of_gin
from dglgan_tf.config import gin_internals, gin_reading, removed_files
from dglgan_tf.foundation import sentences

# What gin raises for files and bindings that do not parse.
_OF_PARSING = (
    ValueError, TypeError, SyntaxError, OSError, RuntimeError, ImportError,
    tokenize.TokenError,
)  # fmt: skip
_LONGEST = 500  # characters of a sentence that may quote a file


@dataclasses.dataclass(frozen=True)
class Configuration:
    """Gin files and bindings that were read and looked at, not parsed yet.

    Attributes:
      paths: of the files, later ones override earlier ones.
      bindings: lines that override the files.
      imports: modules that are imported before, for their configurables.
      texts: {name: content} of the files and of those that they include.
    """

    paths: Sequence[str]
    bindings: Sequence[str]
    imports: Sequence[str]
    texts: Mapping[str, str]


def gin_roots() -> list[Path]:
    """Folders in which gin files are looked up by name: the clone's, the wheel's."""
    package = Path(__file__).resolve().parents[1]
    folders = (package.parent / "gin", package / "gin_files")
    return [folder for folder in folders if folder.is_dir()]


def find_gin_file(name: str) -> str:
    """Returns the path of a gin file given as a path or by name.

    Args:
      name: 'my.gin', 'gin/biggan128.gin', 'biggan128.gin' or 'biggan128'.

    Raises:
      ValueError: not found; says where it was looked for and names close matches, or
        what stands in the place of a file of earlier versions.
    """
    if os.path.isfile(name):
        return name
    relative = name.removeprefix("gin/")
    for candidate in (relative, f"{relative}.gin"):
        for root in gin_roots():
            if (root / candidate).is_file():
                return str(root / candidate)
    if removed := removed_files.advice(name):
        raise ValueError(removed)
    known = [p.relative_to(r).as_posix() for r in gin_roots() for p in r.rglob("*.gin")]
    raise ValueError(
        f"no gin file {sentences.short(name, 120)!r} here nor in the package's gin "
        f"folder{sentences.near(relative, known)}"
    )


def read(
    names: Sequence[str], bindings: Sequence[str] = (), imports: Sequence[str] = ()
) -> Configuration:
    """Reads gin files and looks at what they say; TensorFlow is not needed for it.

    Args:
      names: paths or names, later ones override earlier ones.
      bindings: 'name.parameter = value', override the files.
      imports: modules whose configurables are to be known.

    Raises:
      ValueError: a file that is missing, no text or includes itself, an import, lines
        that are none of gin's, a binding whose scope nobody uses.
    """
    paths = [find_gin_file(name) for name in names]
    reading = gin_reading.Reading(find_gin_file)
    with _complaints():
        for path in paths:
            reading.add_file(path)
        reading.add_bindings(bindings)
        reading.check_scopes()
    return Configuration(paths, list(bindings), list(imports), reading.texts)


def bind(configuration: Configuration) -> None:
    """Parses what was read, in place of what was parsed before.

    The configurables must be registered (commands import `runs.registry`).

    Raises:
      ValueError: a name that is unknown (a misspelt parameter too), a value that does
        not parse or cannot serve, a module that is not there.
    """
    for name in configuration.imports:
        _import(name)
    with _complaints():
        gin_internals.parse(
            configuration.texts, configuration.paths, configuration.bindings
        )
        bindings_of_gin.check()


def parse(
    names: Sequence[str], bindings: Sequence[str], imports: Sequence[str] = ()
) -> None:
    """Does `read` and `bind`; the configurables must be registered.

    Raises:
      ValueError: as both do.
    """
    bind(read(names, bindings, imports))


@contextlib.contextmanager
def _complaints():
    """Makes one sentence of what is wrong with a configuration."""
    try:
        yield
    except RecursionError as error:
        raise ValueError("configuration: values are nested too deeply") from error
    except _OF_PARSING as error:
        text = sentences.short(sentences.sentence(error), _LONGEST)
        raise ValueError(f"configuration: {text}") from error


def _import(name: str) -> None:
    """Imports a user's module, also one of the folder that the command runs in."""
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.append(os.getcwd())  # scripts, unlike python -m, leave it out
    if not all(part.isidentifier() for part in name.split(".")):
        raise ValueError(f"--gin_import={name} must be the name of a Python module")
    try:
        importlib.import_module(name)
    except ImportError as error:
        raise ValueError(
            f"--gin_import={name} cannot be imported: {sentences.sentence(error)}"
        ) from error
