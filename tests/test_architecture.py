"""The house rules that a machine can check: imports one way, light entries, layout."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "dglgan_tf"
NEUTRAL = {"compat", "atomic", "arguments", "containers", "extras"}
# What each folder may import of ours, besides itself and the neutral modules.
ALLOWED = {
    "ops": set(),
    "layers": {"ops"},
    "networks": {"ops", "layers"},
    "losses": {"ops"},
    "training": {"losses", "layers", "ops", "networks"},
    "data": set(),
    "metrics": {"ops", "layers"},
    "containers": set(),
    "cost": {"networks", "ops", "layers"},
    "convert": {"networks", "layers", "ops", "images", "latents", "losses"},
    "deploy": {"networks", "layers", "ops", "images", "latents", "runs", "cost",
               "metrics", "data"},
}  # fmt: skip
ALLOWED["reporting"] = {"deploy", "networks", "cost", "images", "latents", "runs"}
ALLOWED["views"] = ALLOWED["deploy"] | {"deploy"}
ENTRIES = ("train", "compress", "sample", "export", "evaluate", "profile", "report")
ENTRIES += ("design", "explore", "demo")
FAMILIES = {"stylegan2", "biggan", "biggan_deep"}


def _imports(path):
    """(our module's parts) of every import in a file, function bodies included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "dglgan_tf" and len(parts) > 1:
                yield parts[1:]


@pytest.mark.parametrize("folder", sorted(ALLOWED))
def test_imports_go_one_way(folder):
    allowed = ALLOWED[folder] | NEUTRAL | {folder, "__version__"}
    for path in (PACKAGE / folder).rglob("*.py"):
        for parts in _imports(path):
            assert parts[0] in allowed, f"{path.name} imports {'.'.join(parts)}"


def test_the_trainer_knows_no_family():
    for path in (PACKAGE / "training").rglob("*.py"):
        for parts in _imports(path):
            assert not (parts[0] == "networks" and parts[1] in FAMILIES), path.name


def test_nobody_imports_an_entry():
    for path in PACKAGE.rglob("*.py"):
        for parts in _imports(path):
            assert parts[0] not in ENTRIES, f"{path} imports {parts[0]}"


def test_no_gin_below_composition():
    for folder in ("ops", "layers", "losses", "convert", "containers"):
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


@pytest.mark.parametrize("name", ENTRIES)
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
