"""The cache folder: the one named, else the usual one, else one of this process."""

import os
from pathlib import Path

import pytest

from dglgan_tf.foundation import cache_folder


def test_the_named_folder_then_the_usual_one(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder.find(str(tmp_path / "mine")) == tmp_path / "mine"
    for named in (None, ""):
        assert cache_folder.find(named) == tmp_path / ".cache/dglgan_tf"
    assert cache_folder.find("~/own") == tmp_path / "own"


@pytest.mark.parametrize("place", ("file/below", "~nobody-of-this-name/cache"))
def test_a_place_that_cannot_be_gives_a_folder_of_this_process(tmp_path, place):
    (tmp_path / "file").write_text("")
    named = place if place.startswith("~") else str(tmp_path / place)
    found = cache_folder.find(named)
    assert os.access(found, os.W_OK) and tmp_path not in found.parents
    assert found == cache_folder.find(named)
    assert not Path("~nobody-of-this-name").exists()
