"""Discriminator-guided GAN compression: `dglgan COMMAND`.

`dglgan help COMMAND` says what a command takes; `dglgan COMMAND ...` is the same as
`python -m dglgan_tf COMMAND ...` and as `python -m dglgan_tf.COMMAND ...`.
"""

import importlib
import sys
import textwrap
from collections.abc import Sequence

import dglgan_tf
from dglgan_tf.cli import peers
from dglgan_tf.foundation import sentences

USER_ERROR = 2
COMMANDS = {
    "train": "trains one pair of networks from a gin file or on your own images",
    "compress": "runs the stages of a recipe: teacher, student, guided student",
    "design": "finds the widths of a student for a budget",
    "sample": "draws images from a network",
    "explore": "draws walks, mixtures, directions and projections of a network",
    "demo": "serves a page on which one draws from networks",
    "evaluate": "measures a network against real images",
    "profile": "counts and times what networks cost",
    "export": "writes a SavedModel, TFLite or ONNX file and proves it",
    "report": "writes one page about runs",
    "convert": "reads official checkpoints, and writes them",
    "prepare": "converts image data, or checks it",
    "doctor": "looks for what would keep a training from running",
}


def main(argv: Sequence[str]) -> int:
    """Runs a command, or lists them.

    Args:
      argv: the program's name, then what was given.

    Returns:
      the exit code: 0, or 2 where there is no such command. A command that runs ends
      the process with its own.
    """
    given = list(argv[1:])
    if given[:1] == ["help"]:
        given = [*given[1:2], "--help"]
    if not given or given[0] in ("--help", "-help", "-h"):
        print(_overview())
        return 0
    if given[0] in ("--version", "-version"):
        print(f"dglgan_tf {dglgan_tf.__version__}")
        return 0
    name = given[0]
    sys.argv = [f"dglgan {name}", *given[1:]]
    if name not in COMMANDS and (ours := peers.command(name, given[1:])):
        name, sys.argv[1:] = ours
    if name not in COMMANDS:
        hint = sentences.near(name, COMMANDS, 0.5) or "; dglgan --help lists them"
        print(f"dglgan: no command {sentences.short(name)!r}{hint}", file=sys.stderr)
        return USER_ERROR
    importlib.import_module(f"dglgan_tf.{name}").entry()
    return 0


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {text}" for name, text in COMMANDS.items()]
    others = "other tools' names of these: " + ", ".join(
        name.replace("_", "-") for name in peers.COMMANDS
    )
    text = (__doc__ or "").strip()
    return "\n".join([text, "", "commands:", *lines, "", *textwrap.wrap(others, 88)])


def entry() -> None:
    """Console script."""
    sys.exit(main(sys.argv))


if __name__ == "__main__":
    entry()
