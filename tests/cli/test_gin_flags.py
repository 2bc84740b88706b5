"""The flags of commands that read gin files."""

import pytest
from absl import flags

from dglgan_tf.cli import gin_flags


@pytest.fixture
def given(monkeypatch):
    """Returns a function that parses a command line with these flags alone."""
    values = flags.FlagValues()
    monkeypatch.setattr(flags, "FLAGS", values)
    for name in ("DEFINE_multi_string",):
        define = getattr(flags, name)
        monkeypatch.setattr(
            flags, name, lambda *a, define=define: define(*a, flag_values=values)
        )
    gin_flags.define_flags()
    return lambda *arguments: values(["x", *arguments])


def test_files_and_bindings_in_the_order_in_which_they_win(given):
    given(
        "--gin_file=quickstart", "--gin_file=data/embedded", "--gin_param=A = 1",
        "--gin_bindings=A = 3", "--gin_param=A = 2", "--gin_import=json",
    )  # fmt: skip
    found = gin_flags.read(bindings=["A = 0"])
    assert [path.split("/")[-1] for path in found.paths] == [
        "quickstart.gin", "embedded.gin",
    ]  # fmt: skip
    assert found.bindings == ["A = 0", "A = 1", "A = 2", "A = 3"]
    assert found.imports == ["json"]
    assert gin_flags.default_run_dir() == "runs/embedded"  # of the last one


def test_other_files_take_the_place_of_the_flags(given):
    given()
    found = gin_flags.read(["presets/biggan.gin"])
    assert len(found.paths) == 1 and found.paths[0].endswith("presets/biggan.gin")
    with pytest.raises(ValueError, match="no --gin_file given"):
        gin_flags.read()
