"""What our documents name: links, paths, modules and command lines; nothing runs."""

import ast
import dataclasses
import functools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "dglgan_tf"
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "gin/*.md", "dglgan_tf/**/*.md",
                    "tests/support/*.md")
    for path in REPOSITORY.glob(pattern)
)  # fmt: skip

_FENCED = re.compile(r"^```.*?^```", re.M | re.S)
_SPAN = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_COMMAND = re.compile(
    r"(?:^|\s)((?:python3?(?: -m [\w.]+| [\w/]+\.py)|dglgan(?:-\w+| \w+)?|make \w)"
    r"(?:\s.*)?)$"
)
_ROOTS = (
    ".github", "benchmarks", "dglgan_tf", "docs", "examples", "experiments", "gin",
    "proofs", "tests", "tools",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Command:
    """A command line of a document.

    Attributes:
      where: the document, from the repository's root.
      words: as a shell would split it, without brackets of what is optional.
    """

    where: str
    words: tuple[str, ...]

    @property
    def text(self) -> str:
        """The line, for messages."""
        return f"{self.where}: {' '.join(self.words)}"

    @property
    def script(self) -> Path | None:
        """The Python file that runs; None for strangers' modules and for make."""
        first, second = (*self.words, "")[:2]
        if first.startswith("dglgan"):
            name = first.removeprefix("dglgan").lstrip("-") or second
            return (
                PACKAGE
                / f"{name if name.islower() and name.isidentifier() else '__main__'}.py"
            )
        if not first.startswith("python"):
            return None
        if second != "-m":
            return REPOSITORY / second
        parts = self.words[2].split(".")
        if parts[0] not in _ROOTS:
            return None
        path = REPOSITORY.joinpath(*parts)
        return path / "__main__.py" if path.is_dir() else path.with_suffix(".py")

    @property
    def flags(self) -> list[tuple[str, str]]:
        """[(name, value)] of what begins with two dashes; '' where no value is."""
        return [
            (word[2:].partition("=")[0], word.partition("=")[2])
            for word in self.words
            if re.match(r"--\w", word)
        ]


def links(path: Path) -> list[str]:
    """Returns the targets of a document's links that lead to files of ours."""
    prose = _FENCED.sub("", path.read_text())
    found = _LINK.findall(prose)
    return [target for target in found if not re.match(r"\w+:", target)]


def anchors(path: Path) -> set[str]:
    """Returns the anchors that a document's headings have on a repository's page."""
    heads = re.findall(r"^#+ +(.+?) *$", _FENCED.sub("", path.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def spans(path: Path) -> list[str]:
    """Returns what stands in backticks, on one line each."""
    prose = _FENCED.sub("", path.read_text())
    return [" ".join(span.split()) for span in _SPAN.findall(prose)]


def paths(path: Path) -> Iterator[str]:
    """Yields what is in backticks and looks like a file or folder of ours.

    From the repository's root, or from the package's: `layers/updates.py`.
    """
    rooms = {room.name for room in PACKAGE.iterdir() if room.is_dir()}
    rooms -= {"runs", "bundled"}  # folders of trainings, names of networks
    for span in spans(path):
        if not re.fullmatch(r"[\w./*-]+", span) or "/" not in span:
            continue
        first = span.split("/")[0]
        if first in _ROOTS:
            yield span
        elif first in rooms or (first == "runs" and span.endswith(".py")):
            yield f"dglgan_tf/{span}"


def modules(path: Path) -> Iterator[str]:
    """Yields dotted names below `dglgan_tf` that stand in backticks."""
    for span in spans(path):
        if re.fullmatch(r"dglgan_tf(\.\w+)+", span.split(" ")[0].split("(")[0]):
            yield span.split(" ")[0].split("(")[0]


def exists(dotted: str) -> bool:
    """Whether a dotted name is a module of ours, or a name inside one."""
    parts = dotted.split(".")
    for end in range(len(parts), 0, -1):
        place = REPOSITORY.joinpath(*parts[:end])
        if place.is_dir() and end == len(parts):
            return True
        place = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
        if place.is_file():
            rest = parts[end : end + 1]
            return not rest or rest[0] in _defined(place)
    return False


@functools.cache
def _defined(path: Path) -> set[str]:
    """Names that a module's own statements bind."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {t.id for t in node.targets if isinstance(t, ast.Name)}
    return found


def commands(path: Path) -> Iterator[Command]:
    """Yields the command lines of a document: in blocks and in backticks."""
    text = path.read_text()
    blocks = [block.split("\n", 1)[1] for block in _FENCED.findall(text)]
    blocks += re.findall(r"(?:^    .+\n?)+", _FENCED.sub("", text), re.M)
    lines = re.sub(r" *\\\n *", " ", "\n".join(blocks)).splitlines()
    lines += [re.sub(r"^(dglgan_tf\.\w+ --)", r"python -m \1", s) for s in spans(path)]
    for line in lines:
        line = re.split(r"\s#|\s\|\s|&&|;\s", line.strip().strip("`"))[0]
        if match := _COMMAND.search(line):
            words = shlex.split(match[1].replace("[--", "--").rstrip("`"))
            words = [word.rstrip("]") if "--" in word else word for word in words]
            yield Command(path.relative_to(REPOSITORY).as_posix(), tuple(words))


@functools.cache
def defined_flags(script: Path) -> frozenset[str]:
    """Returns the flags that a script defines, or what it imports of ours."""
    found, pending, seen = set(), [script], set()
    while pending:
        path = pending.pop()
        if path in seen:
            continue
        seen.add(path)
        tree = ast.parse(path.read_text())
        found |= set(_flags(tree))
        pending += _imported(tree)
    return frozenset(found | {f"no{name}" for name in found} | {"help", "helpfull"})


def _flags(tree):
    """Yields names given to absl's DEFINE, or standing in a table of flags."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = getattr(node.func, "attr", "")
            if called.startswith("DEFINE") or called == "add_argument":
                named = [k.value for k in node.keywords if k.arg == "short_name"]
                for value in (*node.args[:1], *named):
                    if isinstance(value, ast.Constant):
                        yield value.value.lstrip("-")
        elif isinstance(node, ast.Tuple) and len(node.elts) > 1:
            kind, name = node.elts[:2]
            if re.fullmatch(r"_[A-Z]+", getattr(kind, "id", "")):
                yield getattr(name, "value", "")


def _imported(tree):
    """Yields files of ours that hold flags and that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for parts in (name.split(".") for name in names):
            if parts[0] not in _ROOTS or parts[0] == "tests":
                continue
            inside = len(parts) > 2 and parts[0] == "dglgan_tf"
            if inside and parts[1] not in ("cli", "config"):
                continue  # rooms define no flags
            path = REPOSITORY.joinpath(*parts).with_suffix(".py")
            if path.is_file():
                yield path
