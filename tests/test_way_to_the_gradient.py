"""The files that CONTRIBUTING lists from the command line to the tape."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MOST_LINES = 1500


def listed() -> list[Path]:
    """Returns the numbered files of the section, in reading order."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.split("## The way to the gradient")[1].split("\n## ")[0]
    return [ROOT / name for name in re.findall(r"^\d+\. `(.+?)`", section, re.M)]


def imports(path: Path) -> set[str]:
    """Returns the names of our modules, and of what is in them, that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_it_is_short():
    lines = sum(len(path.read_text().splitlines()) for path in listed())
    assert lines <= MOST_LINES, lines


def test_it_begins_at_the_command_and_passes_the_tape():
    names = [path.relative_to(ROOT / "dglgan_tf").as_posix() for path in listed()]
    assert names[0] == "train.py" and names[-1].startswith("networks/")
    tapes = [p.name for p in listed() if "tape.gradient(" in p.read_text()]
    assert tapes == ["gradient.py"]


def test_each_file_is_imported_by_one_before_it():
    """Except the last two, the guidance and the network: gin names them."""
    files = listed()
    assert [path.stem for path in files[-2:]] == ["guidance", "biggan"]
    for number, path in enumerate(files[1:-2], 1):
        relative = path.relative_to(ROOT).with_suffix("")
        module = ".".join(relative.parts)
        assert any(module in imports(before) for before in files[:number]), module
