"""Configuration and the manners of every command: gin files, flags, error sentences."""

import logging as std_logging
import math
import os
import re
import sys
import tokenize
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import gin
from absl import app, flags, logging

from dglgan_tf.config import bindings as bindings_of_gin
from dglgan_tf.config import removed_files

USER_ERROR = 2
DIVERGED = 3
RETRY = 75  # EX_TEMPFAIL: another host is gone, the same command may work
INTERRUPTED = 130
# What gin raises for files and bindings that do not parse.
_OF_PARSING = (
    ValueError, TypeError, SyntaxError, OSError, RuntimeError, ImportError,
    tokenize.TokenError,
)  # fmt: skip


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
    import difflib

    known = [p.relative_to(r).as_posix() for r in gin_roots() for p in r.rglob("*.gin")]
    close = difflib.get_close_matches(relative, known, 3, 0.4)
    hint = f"; did you mean {', '.join(close)}?" if close else ""
    raise ValueError(f"no gin file {name!r} here nor in the package's gin folder{hint}")


def define_flags() -> None:
    """Defines the flags of every command that reads gin files."""
    flags.DEFINE_multi_string(
        "gin_file", [], "Gin file, by path or name; may be repeated, later ones win."
    )
    flags.DEFINE_multi_string(
        "gin_param", [], "A binding such as Trainer.batch_size=64; may be repeated."
    )
    flags.DEFINE_multi_string("gin_bindings", [], "The same as --gin_param.")


def parse_flags() -> None:
    """Parses the gin files and bindings that the flags name.

    Raises:
      ValueError: no gin file was given, or one does not parse.
    """
    values = flags.FLAGS
    if not values.gin_file:
        raise ValueError(
            "no --gin_file given: name one, for instance --gin_file=gin/quickstart.gin"
        )
    parse(values.gin_file, [*values.gin_param, *values.gin_bindings])


def default_run_dir() -> str:
    """Returns runs/<name of the last gin file>."""
    return os.path.join("runs", Path(flags.FLAGS.gin_file[-1]).stem)


def register() -> None:
    """Imports every module with configurables and registers losses by reference.

    Losses take no configuration of their own: gin may name them, not bind them.
    """
    from dglgan_tf.runs import registry  # noqa: F401


def parse(gin_files: Sequence[str], bindings: Sequence[str]) -> None:
    """Parses gin files and bindings strictly, in place of what was parsed before.

    Args:
      gin_files: paths or names, later ones override earlier ones.
      bindings: 'name.parameter = value', override the files.

    Raises:
      ValueError: a file that is missing, a name that is unknown (a misspelt parameter
        too), a value that does not parse.
    """
    paths = [find_gin_file(name) for name in gin_files]  # before TensorFlow starts
    register()
    gin.clear_config()
    prefixes = gin.config._LOCATION_PREFIXES
    for root in map(str, gin_roots()):
        if root not in prefixes:
            gin.add_config_file_search_path(root)
    # gin also looks for files inside importable packages, and breaks where a folder
    # such as ./data passes for one: files are files here.
    gin.config._FILE_READERS[:] = [(open, os.path.isfile)]
    try:
        gin.parse_config_files_and_bindings(paths, list(bindings), skip_unknown=False)
    except _OF_PARSING as error:
        raise ValueError(f"configuration: {sentence(error)}") from error
    bindings_of_gin.check()


def sentence(error: BaseException) -> str:
    """Returns an exception's message on one line, without gin's call trail."""
    text = str(error).split("\n  In call to configurable")[0]
    text = text.split('In file "')[0] if text.startswith("In file") else text
    if undefined := re.match(r"No bindings specified for '(.+)/gin\.macro'", text):
        text = f"%{undefined[1]} is used and no line says {undefined[1]} = ..."
    if missing := re.match(r"Unable to open file: (\S+)\. ", text):
        text = removed_files.advice(missing[1]) or text
    return " ".join(text.split()) or type(error).__name__


def run_entry(main: Callable[[list[str]], int | None], arguments: int = 0) -> None:
    """Runs a command: flags, then `main(positional arguments)`, then the exit code.

    A `ValueError` or `OSError` is the user's to mend: one sentence on standard error
    and exit code 2, no traceback (`--traceback` shows it); a training whose numbers
    are no longer finite ends with a sentence and 3. Anything else is a defect of the
    program and keeps its traceback.

    Args:
      main: given the positional arguments after the command's name.
      arguments: the most positional arguments that it takes.
    """
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")  # for tensorflow-addons
    if "traceback" not in flags.FLAGS:
        flags.DEFINE_bool("traceback", False, "Show the traceback of an error.")
    app.run(
        lambda argv: _leave(_guarded(main, argv, arguments)),
        flags_parser=lambda argv: _parse_flags(main, argv),
    )


def _leave(code):
    """Ends the process; at once where TensorFlow would wait for a host that is gone."""
    if code == RETRY:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _parse_flags(main, argv):
    if {"--help", "-help", "-h"} & set(argv[1:]):
        print(_help(main))
        sys.exit(0)
    try:
        left = flags.FLAGS(argv)
        for name in flags.FLAGS:
            value = flags.FLAGS[name].value
            if isinstance(value, float) and not math.isfinite(value):
                raise flags.Error(f"--{name}={value} must be a finite number")
        return left
    except flags.Error as error:
        sys.exit(_complain(error))


def _help(main):
    """Returns the command's text and its flags, not those of the libraries."""
    lines = [(sys.modules[main.__module__].__doc__ or "").strip(), "", "flags:"]
    for module in flags.FLAGS.flags_by_module_dict():
        if module == sys.argv[0] or "dglgan_tf" in module:
            text = flags.FLAGS.module_help(module).strip("\n")
            lines.append(text.split("\n", 1)[1])  # the first line is the module
    return "\n".join([*lines, "", "--helpfull lists every flag."])


def _guarded(main, argv, arguments=0):
    _plain_log()
    try:
        for argument in argv[1 + arguments :]:
            raise ValueError(
                f"unexpected argument {argument!r}: options start with --, see --help"
            )
        return main(argv) or 0
    except KeyboardInterrupt:
        stopped = RuntimeError("stopped; the same command continues a saved run")
        return _complain(stopped, INTERRUPTED)
    except FloatingPointError as error:
        return _complain(error, DIVERGED)
    except ConnectionError as error:
        return _complain(error, RETRY)
    except (ValueError, OSError) as error:
        return _complain(error)
    except (RuntimeError, TypeError) as error:
        missing = _missing_value(error)
        if missing is None:
            raise
        return _complain(missing)
    except Exception as error:
        inside = _inside_tensorflow(error)
        if inside is None:
            raise
        return _complain(inside)


def _missing_value(error):
    """Returns gin's complaint about a parameter without a value as a sentence."""
    text = str(error)
    if text.startswith("Required bindings"):
        return error
    found = re.search(
        r"^(\S+)\(\) missing .*No values supplied by Gin .*?: \['(\w+)'", text, re.S
    )
    if not found:
        return None
    return ValueError(f"{found[1]}.{found[2]} has no value: set it in a gin file")


def _plain_log() -> None:
    """Prints our own lines as they are, and of TensorFlow's only warnings."""
    logging.use_absl_handler()
    handler = logging.get_absl_handler()
    handler.setFormatter(None)
    package = str(Path(__file__).parents[1])
    handler.addFilter(
        lambda record: (
            record.levelno >= std_logging.WARNING or record.pathname.startswith(package)
        )
    )


def _inside_tensorflow(error):
    """Returns the error of Python code that tf.data called, such as a bad image."""
    if not type(error).__module__.startswith("tensorflow"):
        return None
    found = re.search(r"\b(?:ValueError|\w*OSError|\w+FoundError): (.+)", str(error))
    return ValueError(found.group(1)) if found else None


def _complain(error, code=USER_ERROR):
    if "traceback" in flags.FLAGS and flags.FLAGS["traceback"].value:
        traceback.print_exception(error)
    command = Path(sys.argv[0]).name
    print(f"{command}: {sentence(error)}", file=sys.stderr)
    return code
