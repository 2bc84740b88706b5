"""gin's private names: the versions they were checked with, and what they give."""

import importlib.metadata

import gin
import pytest

from dglgan_tf.config import gin_internals


def test_the_installed_version_was_checked():
    assert importlib.metadata.version("gin-config") in gin_internals.CHECKED_WITH


def test_no_other_file_uses_a_private_name_of_gin():
    import re
    from pathlib import Path

    package = Path(gin_internals.__file__).parents[1]
    for path in package.rglob("*.py"):
        if path.name != "gin_internals.py":
            assert not re.search(r"\bgin\.config\b|\bgin\._", path.read_text()), path


def test_statements_are_read_without_looking_anything_up():
    text = "a/Nobody.x = [@b/c(), %M]\nM = 3\nimport os\ninclude 'x.gin'\n"
    seen = []
    delegate = gin_internals.Delegate(seen.append, seen.append)
    found = list(gin_internals.statements(text, "f.gin", delegate))
    kinds = [gin_internals.Binding] * 2 + [gin_internals.Import, gin_internals.Include]
    assert [type(statement) for statement in found] == kinds
    assert seen == ["b/c", "M"]
    assert (found[0].scope, found[0].selector, found[0].arg_name) == (
        "a",
        "Nobody",
        "x",
    )
    assert found[2].location.filename == "f.gin" and found[2].location.line_num == 3


def test_parsing_reads_the_given_texts_alone(tmp_path):
    (tmp_path / "other.gin").write_text("Schedule.total_images = 9\n")
    gin_internals.parse({"a": "Schedule.total_images = 5\n"}, ["a"], [])
    assert gin.query_parameter("Schedule.total_images") == 5
    with pytest.raises(OSError, match="other.gin"):
        gin_internals.parse({}, [str(tmp_path / "other.gin")], [])
    gin.clear_config()
    gin.parse_config_file(str(tmp_path / "other.gin"))  # gin's own way is as before
    assert gin.query_parameter("Schedule.total_images") == 9


def test_bindings_macros_and_references():
    texts = {"a": "s/Schedule.total_images = %N\nN = 5\nSchedule.tick_images = %N\n"}
    gin_internals.parse(texts, ["a"], ["Objective.d_loss = @d_hinge"])
    found = {
        (scope, name): values
        for scope, name, function, values in gin_internals.bindings()
        if not gin_internals.is_macro(function)
    }
    assert set(found) == {("s", "Schedule"), ("", "Schedule"), ("", "Objective")}
    macro = found["", "Schedule"]["tick_images"]
    loss = found["", "Objective"]["d_loss"]
    assert gin_internals.is_reference(macro) and gin_internals.is_reference(loss)
    assert gin_internals.macro_of(macro) == "N" and gin_internals.macro_of(loss) is None
    assert gin_internals.macro_values("N") == {"value": 5}
    assert gin_internals.macro_values("M") == {}
