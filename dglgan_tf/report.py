"""Writes the compression report: `python -m dglgan_tf.report --runs=runs/fashion`.

One HTML file: pictures, scores, costs, curves, exports. Several runs add a plot of
distance against cost.
"""

from pathlib import Path

from absl import flags

from dglgan_tf.cli import entry as command_line

_MOST = 100  # runs after the first
_RUNS = flags.DEFINE_list(
    "runs",
    [],
    "Folders of recipes or runs, separated by commas or spaces; the first is shown.",
)
_OUT = flags.DEFINE_string(
    "out", None, "File to write. Default: FIRST_RUN/report.html."
)
_PICTURES = flags.DEFINE_bool("pictures", True, "Draw samples of the networks.")


def main(argv) -> int:
    """Writes the report and prints its path."""
    if not all(_RUNS.value or [""]):
        raise ValueError("no --runs given: name the folder of a recipe or a run")
    from dglgan_tf.reporting import report

    roots = [*_RUNS.value, *argv[1:]]
    out = _OUT.value or str(Path(roots[0]) / "report.html")
    print(report.write(roots, out, _PICTURES.value))
    print("next: open it in a browser; it needs no network and no server")
    return 0


def entry() -> None:
    """Console script."""
    command_line.run_entry(main, arguments=_MOST)


if __name__ == "__main__":
    entry()
