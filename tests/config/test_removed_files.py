"""What earlier versions named differently is answered with what stands there now."""

import gin
import pytest

from dglgan_tf.config import gin_files, removed_files


@pytest.mark.parametrize("name", removed_files._STAGES)
def test_a_stage_that_was_a_file(name):
    recipe, stage = removed_files._STAGES[name]
    for given in (name, f"gin/{name}.gin"):
        with pytest.raises(ValueError, match=f"is now the stage {stage!r}") as raised:
            gin_files.find_gin_file(given)
    advice = f"train --gin_file=gin/{recipe}.gin --stage={stage}"
    assert str(raised.value).endswith(advice)
    gin_files.parse([recipe], [])
    assert stage in gin.query_parameter("compress.stages")
    assert removed_files.earlier_run(recipe, stage).as_posix() == f"runs/{name}"


@pytest.mark.parametrize("name", removed_files._MOVED)
def test_a_file_that_moved(name, tmp_path):
    there = f"gin/{removed_files._MOVED[name]}.gin"
    assert gin_files.find_gin_file(there)
    with pytest.raises(ValueError, match=f"gin/{name}.gin is {there} now"):
        gin_files.find_gin_file(f"{name}.gin")
    path = tmp_path / "mine.gin"
    path.write_text(f"include '{name}.gin'\n")
    with pytest.raises(ValueError, match=f"^configuration: gin/{name}.gin is {there}"):
        gin_files.parse([str(path)], [])


def test_other_names_have_no_advice():
    assert removed_files.advice("gin/biggan128.gin") is None
    assert removed_files.earlier_run("biggan128", "guided") is None
