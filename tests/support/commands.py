"""Runs commands in process, one after the other, each with its own flags."""

import contextlib
import importlib.util
import io
import sys
from pathlib import Path

from absl import flags

from dglgan_tf.cli import entry

REPOSITORY = Path(__file__).resolve().parents[2]


class Command:
    """A module with flags and `main`, loaded apart from any other import of it."""

    def __init__(self, path: str):
        """Loads e.g. 'dglgan_tf/sample.py'."""
        self.file = path.split("/")[-1]
        name = f"in_process_{Path(path).stem}"
        spec = importlib.util.spec_from_file_location(name, REPOSITORY / path)
        self.module = importlib.util.module_from_spec(spec)
        with _flags(_of_libraries()) as own:
            sys.modules[name] = self.module
            spec.loader.exec_module(self.module)
            flags.DEFINE_bool("traceback", False, "Show the traceback of an error.")
            self.flags = dict(own)

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Returns (exit code, standard output, standard error)."""
        out, said = io.StringIO(), io.StringIO()
        argv = [self.file, *arguments]
        with (
            _flags(self.flags),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(said),
            _argv(argv),
        ):
            flags.FLAGS.unparse_flags()
            for flag in self.flags.values():
                flag.unparse()
            try:
                left = entry._parse_flags(self.module.main, argv)
                code = entry._guarded(self.module.main, left)
            except SystemExit as stopped:
                code = stopped.code
        return code, out.getvalue(), said.getvalue()


def _of_libraries():
    found = {}
    for module, defined in flags.FLAGS.flags_by_module_dict().items():
        if module.startswith("absl"):
            found |= {flag.name: flag for flag in defined}
    return found


@contextlib.contextmanager
def _flags(wanted):
    """Makes these the only flags there are; yields the dictionary that holds them."""
    holder = flags.FLAGS._flags()
    before, parsed = dict(holder), flags.FLAGS.is_parsed()
    holder.clear()
    holder.update(wanted)
    try:
        yield holder
    finally:
        holder.clear()
        holder.update(before)
        if parsed:
            flags.FLAGS.mark_as_parsed()


@contextlib.contextmanager
def _argv(argv):
    before, sys.argv = sys.argv, argv
    try:
        yield
    finally:
        sys.argv = before
