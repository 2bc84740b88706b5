"""What every command does alike: flags, help, exit codes, sentences for errors."""

import logging as std_logging
import math
import os
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from absl import app, flags, logging

from dglgan_tf.cli import peers
from dglgan_tf.foundation import sentences

USER_ERROR = 2
DIVERGED = 3
RETRY = 75  # EX_TEMPFAIL: another host is gone, the same command may work
INTERRUPTED = 130


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
        said, notes = peers.translate(argv[1:], _known())
        for note in notes:
            print(f"note: {note}", file=sys.stderr)
        left = flags.FLAGS([argv[0], *said])
        for name in flags.FLAGS:
            value = flags.FLAGS[name].value
            if isinstance(value, float) and not math.isfinite(value):
                raise flags.Error(f"--{name}={value} must be a finite number")
        return left
    except flags.UnrecognizedFlagError as error:
        name = str(error.flagname)
        near = sentences.near(f"--{name.replace('-', '_')}", _own_flags(), 0.6)
        hint = near or "; --help lists the flags"
        sys.exit(_complain(ValueError(f"unknown flag --{name}{hint}")))
    except (flags.Error, ValueError) as error:
        sys.exit(_complain(error))


def _known() -> dict[str, bool]:
    """Returns {flag: whether it is a switch} of all flags."""
    return {name: bool(flags.FLAGS[name].boolean) for name in flags.FLAGS}


def _own_modules() -> list[str]:
    """Returns the modules whose flags are the command's own, not the libraries'."""
    modules = flags.FLAGS.flags_by_module_dict()
    return [name for name in modules if name == sys.argv[0] or "dglgan_tf" in name]


def _own_flags() -> list[str]:
    """Returns the names of the command's own flags, with their dashes."""
    defined = flags.FLAGS.flags_by_module_dict()
    return [f"--{flag.name}" for name in _own_modules() for flag in defined[name]]


def _help(main):
    """Returns the command's text and its flags, not those of the libraries."""
    lines = [(sys.modules[main.__module__].__doc__ or "").strip(), "", "flags:"]
    for module in _own_modules():
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
        code = main(argv) or 0
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        stopped = RuntimeError("stopped; the same command continues a saved run")
        return _complain(stopped, INTERRUPTED)
    except FloatingPointError as error:
        return _complain(error, DIVERGED)
    except BrokenPipeError:  # ... | head: the reader has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
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
    print(f"{command}: {sentences.sentence(error)}", file=sys.stderr)
    return code
