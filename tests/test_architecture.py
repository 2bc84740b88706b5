"""The house rules that a machine can check: imports one way, light entries, layout."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest
from support import imports

from dglgan_tf import __main__ as dglgan

PACKAGE = Path(__file__).resolve().parents[1] / "dglgan_tf"
COMMANDS = {*dglgan.COMMANDS, "__main__"}
FAMILIES = {"networks.stylegan2", "networks.biggan", "networks.biggan_deep"}
# What each room may import of ours, besides itself, `compat` and the version.
GROUND = {"foundation", "config", "native", "devices", "ops"}
CORE = GROUND | {"layers", "networks", "losses", "data", "containers", "metrics"}
HIGH = CORE | {"cost", "sampling", "converters", "training", "narrowing", "deploy"}
ALLOWED = {
    "foundation": set(),
    "config": {"foundation"},
    "native": {"foundation", "config"},
    "devices": {"foundation", "config", "native"},
    "ops": GROUND,
    "layers": GROUND,
    "networks": GROUND | {"layers"},
    "losses": GROUND,
    "data": GROUND,
    "containers": GROUND,
    "metrics": GROUND | {"layers", "containers"},
    "cost": CORE,
    "sampling": CORE,
    "converters": CORE,
    "training": GROUND | {"layers", "networks", "losses"},
    "narrowing": CORE | {"cost"},
    "deploy": CORE | {"cost", "sampling"},
    "evaluation": HIGH,
    "gallery": HIGH,
    "demo_page": HIGH,
    "reporting": HIGH,
    "runs": HIGH | {"evaluation", "reporting"},
    "cli": {"foundation", "config", "data"},
}
ROOT = {"", "compat", "api", *COMMANDS}


@functools.cache
def _edges():
    """(module, line, module of ours that it imports), function bodies included."""
    return [
        (imports.name(PACKAGE, path), line, found)
        for path in sorted(PACKAGE.rglob("*.py"))
        for line, found in imports.of(PACKAGE, path)
    ]


def test_every_file_lies_in_a_room_or_is_a_command():
    for path in PACKAGE.rglob("*.py"):
        module = imports.name(PACKAGE, path)
        room = module.split(".")[0]
        assert room in ALLOWED if path.parent != PACKAGE else module in ROOT, path


def test_imports_go_one_way():
    """Every file, the root's too, and imports inside of functions."""
    seen, wrong = set(), []
    for module, line, found in _edges():
        room, target = module.split(".")[0], found.split(".")[0]
        seen.add(room)
        free = target in ("", "compat", room) or module in {*COMMANDS, "api"}
        allowed = free or target in ALLOWED.get(room, ())
        if not allowed:
            wrong.append(f"{module}, line {line}: imports {found}")
    assert not wrong, "\n".join(wrong)
    assert seen >= set(ALLOWED) - {"foundation"}  # which imports nothing of ours


def test_no_modules_import_each_other():
    assert imports.circles(imports.graph(PACKAGE)) == []


def test_circles_are_found():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"d"}}
    assert imports.circles(graph) == [["b", "c"]]


def test_the_trainer_knows_no_family():
    for module, line, found in _edges():
        if module.startswith("training."):
            assert found not in FAMILIES, f"{module}, line {line}: imports {found}"


def test_nobody_imports_a_command():
    for module, line, found in _edges():
        assert found not in COMMANDS, f"{module}, line {line}: imports {found}"


def test_the_registry_is_for_commands_and_past_runs():
    known = COMMANDS | {"runs.finished_runs"}
    users = {module for module, _, found in _edges() if found == "runs.registry"}
    assert users and users <= known


def test_few_read_the_environment():
    """Commands, their flags, the builder of native code, and compat."""
    for path in PACKAGE.rglob("*.py"):
        module = imports.name(PACKAGE, path)
        # Lanes look for TensorFlow's own names of its threads.
        may = {*COMMANDS, "compat", "native.library", "devices.lanes"}
        if module in may or module.startswith("cli."):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            text = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
            assert text not in ("os.environ", "os.getenv"), f"{module}, {node.lineno}"


def test_no_gin_below_composition():
    for folder in ("ops", "layers", "losses", "converters", "containers"):
        for path in (PACKAGE / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    assert "gin" not in [a.name for a in node.names], path.name


def _run(code):
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=PACKAGE.parent,
        check=True,
        timeout=300,
    ).stdout


def test_importing_the_package_imports_no_tensorflow():
    out = _run("import dglgan_tf, sys; print('tensorflow' in sys.modules)")
    assert out.strip() == "False"


@pytest.mark.parametrize("name", [*dglgan.COMMANDS])
def test_help_imports_no_tensorflow(name):
    code = (
        "import sys; sys.argv = ['x', '--helpfull']\n"
        f"import dglgan_tf.{name} as entry\n"
        "try:\n  entry.entry()\nexcept SystemExit: pass\n"
        "print('tensorflow' in sys.modules, 'numpy' in sys.modules)"
    )
    out = _run(code)
    assert out.strip().endswith("False False"), out[-500:]


def test_every_wait_for_a_process_has_a_limit():
    """A process that hangs must fail its test, not the whole suite."""
    root, waits = PACKAGE.parent, 0
    for folder in ("tests", "tools", "proofs", "benchmarks"):
        for path in sorted((root / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.Call):
                    continue
                call = ast.unparse(node.func)
                if not call.endswith(
                    ("subprocess.run", "process.wait", ".communicate")
                ):
                    continue
                waits += 1
                given = [keyword.arg for keyword in node.keywords]
                if node.args and not call.endswith("run"):
                    given.append("timeout")  # by position
                assert "timeout" in given, (
                    f"{path}:{node.lineno}: {call} has no timeout"
                )
    assert waits > 15
