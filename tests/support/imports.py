"""Which of our modules import which, read from the files: nothing is imported."""

import ast
from collections.abc import Iterator
from pathlib import Path


def name(package: Path, path: Path) -> str:
    """Returns 'runs.loop' of a file; '' of the package's own __init__."""
    parts = path.relative_to(package).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def of(package: Path, path: Path, lazy: bool = True) -> Iterator[tuple[int, str]]:
    """Yields (line, module of ours) of every import in a file.

    Args:
      package: its folder.
      path: of the file.
      lazy: whether imports inside functions count.
    """
    tree = ast.parse(path.read_text())
    inside = set()
    if not lazy:
        for function in ast.walk(tree):
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                inside |= {id(node) for node in ast.walk(function)}
    for node in ast.walk(tree):
        if id(node) in inside:
            continue
        for found in _modules(node, path.parent.relative_to(package.parent)):
            parts = found.split(".")
            if parts[0] == package.name:
                yield node.lineno, _existing(package, parts[1:])


def _modules(node, folder):
    """Yields dotted names; `from a import b` gives a.b, whatever b is."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        start = node.module or ""
        if node.level:
            up = folder.parts[: len(folder.parts) - node.level + 1]
            start = ".".join([*up, *filter(None, [node.module])])
        yield from (f"{start}.{alias.name}" for alias in node.names)


def _existing(package, parts):
    """Returns the module that a dotted name means; names inside a module go."""
    while parts:
        path = package.joinpath(*parts)
        if path.with_suffix(".py").is_file() or path.is_dir():
            break
        parts = parts[:-1]
    return ".".join(parts)


def graph(package: Path, lazy: bool = True) -> dict[str, set[str]]:
    """Returns {module: modules of ours that it imports}."""
    return {
        name(package, path): {found for _, found in of(package, path, lazy)}
        for path in sorted(package.rglob("*.py"))
    }


def circles(graph_of: dict[str, set[str]]) -> list[list[str]]:
    """Returns the groups of modules of which each reaches every other one."""
    reach = {module: _reached(graph_of, module) for module in graph_of}
    groups = {
        tuple(sorted({module, *(o for o in reach[module] if module in reach[o])}))
        for module in graph_of
    }
    return [list(group) for group in sorted(groups) if len(group) > 1]


def _reached(graph_of, start):
    found, pending = set(), list(graph_of[start] - {start})
    while pending:
        module = pending.pop()
        if module not in found:
            found.add(module)
            pending += graph_of.get(module, ())
    return found - {start}
