"""Data sets that people reported; the right outcomes stand in the cases' README."""

import numpy as np
import pytest

from dglgan_tf.data import check, encoded, images, plan, prepare, readers, sources
from dglgan_tf.foundation import seeding


def _histogram(source, labels="auto"):
    listing = sources.find(str(source), labels)
    return listing.class_names, np.bincount(listing.labels).tolist()


def _looked(source, conditional=True):
    return check.check(sources.find(str(source)), conditional)


@pytest.mark.parametrize(
    ("start", "name", "class_names"),
    [
        ("01", "pets.zip", ["0", "1"]),
        ("01", "pets_folders.zip", ["cat", "dog"]),
        ("02b", "bs_zip.zip", ["cat", "dog"]),
    ],
)
def test_zips(case, start, name, class_names):
    assert _histogram(case(start) / name) == (class_names, [4, 4])


@pytest.mark.parametrize("table", ["bom", "bom_swapped", "bom_nohead", "semi", "tab"])
def test_tables(case, table):
    folder = case("03")
    found = _histogram(folder / "csv", str(folder / f"csv_{table}.csv"))
    assert found == (["cat", "dog"], [3, 3])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("blank_class", "csv_blank_class.csv: no class for 3.png"),
        ("latin1", "csv_latin1.csv: .* save it as UTF-8"),
    ],
)
def test_wrong_tables(case, table, message):
    folder = case("03")
    with pytest.raises(ValueError, match=message):
        _histogram(folder / "csv", str(folder / f"csv_{table}.csv"))


def test_json(case):
    folder = case("04")
    assert _histogram(folder / "json_bom") == (["0", "1"], [4, 4])
    assert _histogram(folder / "json_empty") == ([], [8])
    with pytest.raises(ValueError, match="dataset.json: is UTF-16 .*save it as UTF-8"):
        _histogram(folder / "json_utf16")


def test_decomposed_names(case):
    assert sum(_histogram(case("05") / "nfd")[1]) == 6


def test_links(case):
    folder = case("06")
    for name in ("links", "links_up"):
        assert _histogram(folder / name) == (["cat", "dog"], [3, 3])
    reader = readers.FolderReader(folder / "links_broken")
    assert len(reader.names) == 4
    assert reader.notes == ["1 links lead to nothing: 9.png"]


def test_other_endings(case):
    (note,) = [n for n in _looked(case("07") / "heic").warnings if "not read" in n]
    assert "1 .jp2" in note and "1 without ending" in note
    for ending, count in ((".heic", 5), (".avif", 1)):
        assert (f"{count} {ending}" in note) == (ending not in images.suffixes())


def test_lmdb_of_rosinality(case):
    pytest.importorskip("lmdb")
    source = sources.open_source(str(case("10") / "ros_lmdb"))
    assert (source.num_examples, source.resolution) == (8, 32)


def test_class_folders_named_by_numbers(case):
    names = sources.find(str(case("13") / "numbers")).class_names
    by_range = seeding.parse_classes("9-11", len(names), names)
    assert [names[k] for k in by_range] == ["9", "10", "11"]
    assert by_range == seeding.parse_classes("9,10,11", len(names), names)


def test_transparent_grey_of_sixteen_bits(case):
    (path,) = case("16a").glob("*.png")
    assert (images.decode(path)[:4] == 255).all()


def test_grey_of_twelve_bits(case):
    assert any("use only 12 of them" in w for w in _looked(case("16b"), False).warnings)


def test_splits(case):
    (problem,) = _looked(case("21") / "splits").problems
    assert "name the folder train as the source" in problem


def test_thumbnails(case):
    assert _histogram(case("22") / "nas") == (["cat", "dog"], [4, 4])


def test_names_that_are_no_utf8(case, tmp_path):
    folder = case("25") / "sjis"
    found = sources.find(str(folder))
    size = plan.Settings(height=16, width=16)
    manifest = prepare.prepare(found, tmp_path / "out.zip", "zip", size)
    assert manifest["num_examples"] == 8
    assert sources.open_source(str(folder)).fingerprint()


def test_several_sizes(case):
    with pytest.raises(
        ValueError, match="convert them with python -m dglgan_tf.prepare "
    ):
        encoded.EncodedSource(sources.find(str(case("61") / "mixed_sizes")))
