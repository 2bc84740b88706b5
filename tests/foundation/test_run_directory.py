"""Run directories: what may be started where, and what is kept."""

import hashlib
import json

import pytest
from support import tiny_training as tiny

from dglgan_tf.data import sources
from dglgan_tf.foundation import run_directory
from dglgan_tf.networks import files


def test_a_new_folder_becomes_a_run(tmp_path):
    directory = run_directory.RunDirectory(tmp_path / "new" / "run")
    assert directory.check() is False
    assert not (tmp_path / "new").exists()
    assert directory.prepare({"seed": 3}) is False
    marker = directory.path / run_directory.MARKER
    assert json.loads(marker.read_text()) == {"seed": 3}
    assert directory.prepare({"seed": 4}) is True
    assert json.loads(marker.read_text()) == {"seed": 3}


def test_an_empty_folder_is_taken(tmp_path):
    assert run_directory.RunDirectory(tmp_path).prepare({}) is False


def test_a_folder_that_was_killed_at_birth_is_taken(tmp_path):
    (tmp_path / f".{run_directory.MARKER}.x1y2").write_text("{")
    assert run_directory.RunDirectory(tmp_path).prepare({"seed": 1}) is False
    assert run_directory.RunDirectory(tmp_path).check() is True


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(ValueError, match="is not empty and holds no run"):
        run_directory.RunDirectory(tmp_path).prepare({})
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_refused(tmp_path):
    path = tmp_path / "run"
    path.write_text("x")
    with pytest.raises(ValueError, match="is a file: name a folder"):
        run_directory.RunDirectory(path).check()


def test_snapshots_are_ordered_by_number_and_pruned(tmp_path):
    directory = run_directory.RunDirectory(tmp_path)
    for images in (9_000, 1_000_000_000, 20_000, 999):
        directory.snapshot_path(images).write_bytes(b"")
    (tmp_path / ".network-snapshot-000001.safetensors.abc").write_bytes(b"")
    (tmp_path / "other.safetensors").write_bytes(b"")
    names = [path.name for path in directory.snapshots()]
    numbers = ["000000", "000009", "000020", "1000000"]
    assert names == [f"network-snapshot-{n}.safetensors" for n in numbers]
    directory.prune(2)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == sorted([*names[2:], "other.safetensors"])
    assert directory.latest_snapshot().name == names[-1]


def test_done_is_a_fact_about_a_total(tmp_path):
    directory = run_directory.RunDirectory(tmp_path)
    assert not directory.is_done and not directory.is_done_for(1)
    directory.mark_done("16 images")
    assert directory.is_done and (tmp_path / "DONE").read_text() == "16 images\n"
    with pytest.raises(ValueError, match="is done after 16 images, but holds no snap"):
        directory.is_done_for(8)
    directory.snapshot_path(16).write_bytes(b"")
    assert directory.is_done_for(16) and directory.is_done_for(8)
    assert not directory.is_done_for(17)
    for text in (b"", b"finished", b"\xff\xfe", b"-3 images", b"9" * 5000):
        (tmp_path / "DONE").write_bytes(text)
        assert directory.done_images == 0 and not directory.is_done_for(8)


def test_snapshots_newer_than_a_whole_one_are_set_aside(tmp_path):
    directory = run_directory.RunDirectory(tmp_path)
    for images in (1000, 2000, 3000):
        directory.snapshot_path(images).write_text(str(images))
    kept = directory.snapshot_path(2000)
    moved = directory.set_aside(kept)
    assert [path.read_text() for path in moved] == ["3000"]
    assert directory.latest_snapshot() == kept
    assert directory.set_aside(kept) == []


def test_weights_are_found_by_file_run_and_stage(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    newest = tmp_path / "recipe" / "teacher" / "network-snapshot-000010.safetensors"
    newest.parent.mkdir(parents=True)
    network = tiny.stylegan2_pair()[1]()
    files.save_networks(newest, {"discriminator": network})
    (newest.parent / "network-snapshot-000002.safetensors").write_bytes(b"")
    assert run_directory.find_weights(str(newest)) == newest
    assert run_directory.find_weights(str(newest.parent)) == newest
    assert run_directory.find_weights("teacher", tmp_path / "recipe") == newest


@pytest.mark.parametrize(
    "name, sentence",
    [
        ("nowhere", "no weights at 'nowhere': put a .safetensors file there"),
        ("bundled/nothing", "no bundled network 'bundled/nothing'; the package has"),
    ],
)
def test_missing_weights_say_what_to_do(tmp_path, monkeypatch, name, sentence):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=sentence):
        run_directory.find_weights(name)
    (tmp_path / "nowhere").mkdir()
    with pytest.raises(ValueError, match="no "):
        run_directory.find_weights(name)


@pytest.mark.parametrize("name", ["fashion_biggan", "fashion_stylegan2"])
def test_bundled_networks_are_those_of_their_provenance_and_know_their_classes(name):
    folder = run_directory.find_weights(f"bundled/{name}_teacher").parent
    stated = json.loads((folder / f"{name}.json").read_text())["sha256"]
    assert len(stated) == 2
    for file, digest in stated.items():
        assert hashlib.sha256((folder / file).read_bytes()).hexdigest() == digest
        held = files.read_header(folder / file)
        assert held["info"]["class_names"] == list(sources.FASHION_MNIST_CLASSES)
