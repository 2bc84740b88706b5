"""Documents agree with what there is: links, paths, modules, command lines, flags."""

import ast
import dataclasses
import re

import pytest

import dglgan_tf
from dglgan_tf.cli import peers
from tests.support import documents

REPOSITORY = documents.REPOSITORY
DOCUMENTS = documents.DOCUMENTS
GIN = REPOSITORY / "gin"
CHANGELOG = REPOSITORY / "CHANGELOG.md"
# CHANGELOG speaks of what was; its table of new names has a test of its own.
PRESENT = [path for path in DOCUMENTS if path != CHANGELOG]


def name_of(path):
    return path.relative_to(REPOSITORY).as_posix()


COMMANDS = [command for path in PRESENT for command in documents.commands(path)]


def in_our_words(command):
    """Returns another tool's command line of docs/peers.md as ours."""
    ours = peers.command("".join(command.words[1:2]), command.words[2:])
    if ours is None:
        return command
    command = dataclasses.replace(command, words=("dglgan", ours[0]))
    known = dict.fromkeys(documents.defined_flags(command.script), False)
    said, _ = peers.translate(ours[1], known)
    return dataclasses.replace(command, words=(*command.words, *said))


def test_there_is_something_to_read():
    """The patterns of `documents` still find what they are for."""
    assert len(DOCUMENTS) > 12
    assert len(COMMANDS) > 60 and sum(len(c.flags) for c in COMMANDS) > 100
    assert sum(len(list(documents.paths(path))) for path in PRESENT) > 40
    assert sum(len(documents.links(path)) for path in PRESENT) > 50


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_link_leads_to_a_file_and_a_heading(path):
    for link in documents.links(path):
        target, _, anchor = link.partition("#")
        found = (path.parent / target).resolve() if target else path
        assert found.exists(), f"{name_of(path)} links to {link}"
        if anchor:
            assert anchor in documents.anchors(found), f"{name_of(path)}: {link}"


def test_every_file_of_docs_is_linked():
    linked = {
        (path.parent / link.partition("#")[0]).resolve()
        for path in DOCUMENTS
        for link in documents.links(path)
        if link.partition("#")[0] not in ("", path.name)
    }
    files = {path for path in (REPOSITORY / "docs").rglob("*") if path.is_file()}
    assert not sorted(map(name_of, files - linked))


def test_readme_leads_to_every_page():
    """Notes are linked from the page that they belong to."""
    readme = REPOSITORY / "README.md"
    pages = {f"docs/{path.name}" for path in (REPOSITORY / "docs").glob("*.md")}
    pages |= {"CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "CITATION.cff"}
    linked = {link.partition("#")[0] for link in documents.links(readme)}
    assert not sorted(pages - linked)


@pytest.mark.parametrize("path", PRESENT, ids=name_of)
def test_paths_and_modules_in_backticks_exist(path):
    for named in documents.paths(path):
        assert list(REPOSITORY.glob(named.rstrip("/"))), f"{name_of(path)}: {named}"
    for dotted in documents.modules(path):
        assert documents.exists(dotted), f"{name_of(path)}: {dotted}"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.text)
def test_a_command_names_a_script_and_flags_that_exist(command):
    if command.words[0] == "make":
        targets = re.findall(r"^([\w-]+):", (REPOSITORY / "Makefile").read_text(), re.M)
        assert command.words[1] in targets
        return
    if command.words[0] == "dglgan":
        command = in_our_words(command)
    if command.script is None:  # pytest, venv, pip
        return
    assert command.script.is_file(), command.text
    if command.script.name == "__main__.py":  # lists commands: tests/test_main.py
        return
    known = documents.defined_flags(command.script)
    for name, value in command.flags:
        name = name.replace("-", "_")
        assert name in known or f"no{name}" in known, f"--{name} of {command.text}"
        if name == "gin_file" and value and not value.isupper():
            files = [value, f"gin/{value}", f"gin/{value}.gin"]
            assert any((REPOSITORY / f).is_file() for f in files), command.text


def test_rows_of_the_paper_stand_in_the_readme():
    """`biggan128.gin`, `_ch64`, ...: the shortened names are files as well."""
    text = (REPOSITORY / "README.md").read_text()
    rows = text[text.index("## The paper's rows") :]
    found = set()
    for line in re.findall(r"^\| `gin/.*", rows, re.M):
        first, *others = re.findall(r"`([\w/.]+)`", line.split("|")[1])
        stem = first.removesuffix(".gin")
        base = re.sub(r"_(boost|half)$", "", stem)
        found |= {first, *(f"{base}{other}.gin" for other in others)}
    files = {
        f"gin/{path.name}"
        for pattern in ("biggan*.gin", "stylegan2_*.gin")
        for path in GIN.glob(pattern)
    }
    assert found == files


def test_extras_exist():
    tree = ast.parse((REPOSITORY / "setup.py").read_text())
    (extras,) = [
        set(ast.literal_eval(node.value))
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "EXTRAS"
    ]
    for path in PRESENT:
        asked = re.findall(r"(?:dglgan_tf|\.)\[([\w,]+)\]", path.read_text())
        named = re.findall(r"\bextra `(\w+)`", path.read_text())
        assert {x for text in asked for x in text.split(",")} | set(named) <= extras


def test_new_names_of_the_changelog_exist():
    """The table 'old name -> new name': modules as `dglgan_tf.room.module`."""
    rows = re.findall(r"^\| `dglgan_tf\..*$", CHANGELOG.read_text(), re.M)
    assert len(rows) > 20
    for row in rows:
        for new in re.findall(r"`(dglgan_tf[\w.]+)`", row.split("|")[2]):
            assert documents.exists(new), row


@pytest.mark.parametrize(
    "name", ["CITATION.cff", ".pre-commit-config.yaml", ".github/workflows/ci.yml"]
)
def test_yaml_can_be_read(name):
    yaml = pytest.importorskip("yaml")
    assert isinstance(yaml.safe_load((REPOSITORY / name).read_text()), dict)


def test_citation_is_of_this_version():
    text = (REPOSITORY / "CITATION.cff").read_text()
    assert f"\nversion: {dglgan_tf.__version__}\n" in text
    assert "arXiv:2112.06502" in text


def test_the_hosted_workflow_runs_what_ci_runs():
    """Lint, all tests and a minimum of them, by the same make targets."""
    hosted = (REPOSITORY / ".github/workflows/ci.yml").read_text()
    ours = (REPOSITORY / ".ci/run").read_text()
    for step in ("make lint", "make test", "EXPECTED_TESTS", "--last-failed"):
        assert step in hosted and step in ours
    number = re.compile(r"EXPECTED_TESTS[=:] *\"?(\d+)")
    assert int(number.search(hosted)[1]) <= int(number.search(ours)[1])
