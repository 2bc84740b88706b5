"""Labels as spreadsheets and scripts leave them."""

import codecs
import json

import pytest

from dglgan_tf.data import class_numbers, label_tables, labels

NAMES = [f"{k}.png" for k in range(6)]
PETS = ["cat", "dog"] * 3


def _csv(tmp_path, content, names=NAMES):
    path = tmp_path / "labels.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    numbers, class_names = labels.find(names, {}.get, str(path))
    return numbers.tolist(), class_names


def _table(separator=",", header="filename,label", columns=(0, 1), end="\n"):
    rows = [header.split(",")] if header else []
    rows += [[name, pet] for name, pet in zip(NAMES, PETS, strict=True)]
    lines = [separator.join(row[k] for k in columns) for row in rows]
    return end.join(lines) + end


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("header", ["filename,label", "bild,klasse", None])
@pytest.mark.parametrize("columns", [(0, 1), (1, 0)])
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
def test_tables_of_spreadsheets(tmp_path, separator, header, columns, mark):
    content = mark + _table(separator, header, columns, "\r\n").encode()
    assert _csv(tmp_path, content) == ([0, 1] * 3, ["cat", "dog"])


def test_excel_s_statement_on_the_separator_and_empty_lines(tmp_path):
    content = "sep=;\n\n" + _table(";") + "\n;\n"
    assert _csv(tmp_path, content) == ([0, 1] * 3, ["cat", "dog"])


def test_cells_that_hold_separators(tmp_path):
    names = ["a, b.png", "c;d.png"]
    content = '"a, b.png",cat; small\n"c;d.png","dog, big"\n'
    assert _csv(tmp_path, content, names) == ([0, 1], ["cat; small", "dog, big"])


@pytest.mark.parametrize("empty", ["", "  ", '""', "nan", "NaN"])
def test_an_empty_cell_is_no_class(tmp_path, empty):
    content = _table().replace("3.png,dog", f"3.png,{empty}")
    with pytest.raises(ValueError, match="no class for 3.png: its cell is empty"):
        _csv(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_table().replace("cat", "caf\u00e9").encode("latin-1"), "line 2 is not UTF-8"),
        (_table().encode("utf-16"), "is UTF-16 or no text at all; save it as UTF-8"),
        (_table().encode("utf-16-le"), "is UTF-16 or no text"),
        (_table().encode("utf-16-be"), "is UTF-16 or no text"),
        (b"", "is empty: it must have lines"),
        (b"\n\n", "is empty"),
        (_table().replace("4.png,cat", "4.png").encode(), "line 6 has 1 column"),
        (_table().encode() + b"0.png,dog\n", "0.png is there twice, as 'cat' and as"),
        (_table().replace("dog", "1.5").replace("cat", "0").encode(), "'1.5', not a"),
        (_table().replace("dog", "-1").replace("cat", "0").encode(), "label -1 is out"),
        (_table().replace("dog", "1e300").replace("cat", "0").encode(), "at most 1000"),
        (
            _table().replace("dog", "1500000000").replace("cat", "0").encode(),
            "a label is 1500000000, but at most 1000000 classes",
        ),
        (
            _table().replace("dog", "9" * 400).replace("cat", "0").encode(),
            "label of 1.png is '999.*|at most 1000000",
        ),
    ],
)
def test_wrong_tables_name_the_file_and_the_line(tmp_path, content, message):
    with pytest.raises(ValueError, match=f"labels.csv.*({message})"):
        _csv(tmp_path, content)


def test_numbers_written_as_decimals_are_numbers(tmp_path):
    content = _table().replace("cat", "0.0").replace("dog", "10.0")
    numbers, class_names = _csv(tmp_path, content)
    assert numbers == [0, 10] * 3 and len(class_names) == 11


def test_images_are_found_by_composed_bare_and_short_names(tmp_path):
    names = ["00000/e\u0301.png", "00000/b.png", "00001/c.png"]
    assert _csv(tmp_path, "\u00e9.png,2\n./00000/b,1\n00001\\c.png,0\n", names) == (
        [2, 1, 0],
        ["0", "1", "2"],
    )
    twice = ["a/0.png", "b/0.png"]
    with pytest.raises(ValueError, match="no class for a/0.png .and 1 other"):
        _csv(tmp_path, "0.png,1\n", twice)


def _json(content, names=NAMES[:2], **more):
    if not isinstance(content, bytes):
        content = json.dumps({"labels": content, **more}).encode()
    numbers, class_names = labels.find(
        names, {"dataset.json": content}.get, "auto", "x"
    )
    return numbers.tolist(), class_names


def test_json_with_a_byte_order_mark():
    content = codecs.BOM_UTF8 + b'{"labels": [["0.png", 0], ["1.png", 1]]}'
    assert _json(content) == ([0, 1], ["0", "1"])


@pytest.mark.parametrize("rows", [[], {}, None])
def test_no_labels(rows):
    assert _json(rows) == ([0, 0], [])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["0.png", "1.png"], "not of the form .*row 0 of the labels is '0.png'"),
        (["ab", "cd"], "not of the form"),
        ([["0.png", 0], "1.png"], "row 1 of the labels is '1.png'"),
        ([["0.png", 0], ["1.png"]], "row 1 of the labels"),
        ([[0, 0], [1, 1]], "row 0 of the labels"),
        ("0.png", "not of the form"),
        (7, "not of the form"),
        ([["0.png", 0], ["1.png", [0, 1]]], "labels mix lists and other values"),
        ([["0.png", [1, 0]], ["1.png", [0, 1, 0]]], "one-hot list of 1.png has 3"),
        ([["0.png", [1, 0]], ["1.png", [0, []]]], "neither a class number nor one-hot"),
        ([["0.png", 0], ["1.png", None]], "no class for 1.png: its cell is empty"),
        ([["0.png", 0], ["1.png", 1e300]], "at most 1000000 classes"),
        ([["0.png", 0], ["1.png", 10**400]], "at most 1000000 classes"),
        ([["0.png", 0], ["1.png", 1_500_000_000]], "a label is 1500000000"),
        ([["0.png", 0], ["1.png", float("nan")]], "the label of 1.png is nan"),
        ([["0.png", 0], ["1.png", float("inf")]], "the label of 1.png is inf"),
        ([["0.png", 0], ["1.png", True]], "the label of 1.png is True"),
        ([["0.png", 0], ["1.png", {}]], "the label of 1.png is {}"),
        ([["0.png", 0], ["1.png", "dog"]], "the label of 1.png is 'dog', not a number"),
        ([["0.png", 0], ["1.png", 1], ["0.png", 1]], "0.png is there twice"),
    ],
)
def test_wrong_rows_of_json(rows, message):
    with pytest.raises(ValueError, match=f"x: dataset.json: .*{message}"):
        _json(rows)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '{"labels": []}'.encode("utf-16"),
            "dataset.json: is UTF-16 .*save it as UTF-8",
        ),
        (b"[]", 'no "labels" in it'),
        (b'{"0.png": 0}', 'no "labels" in it'),
        (b'{"labels": [["0.png", 0]', "is no JSON"),
    ],
)
def test_wrong_json(content, message):
    with pytest.raises(ValueError, match=message):
        _json(content)


def test_class_names_of_json_are_checked():
    rows = [["0.png", 0], ["1.png", 1]]
    assert _json(rows, class_names=["cat", "dog"]) == ([0, 1], ["cat", "dog"])
    named = [["0.png", "dog"], ["1.png", "cat"]]
    assert _json(named, class_names=["cat", "dog"]) == ([1, 0], ["cat", "dog"])
    for wrong in ("cat", [["cat"], "dog"], 3):
        with pytest.raises(ValueError, match='"class_names" must be a list of names'):
            _json(rows, class_names=wrong)
    with pytest.raises(ValueError, match="label 1 is out of range; there are 1"):
        _json(rows, class_names=["cat"])
    assert _json([["0.png", [0, 1, 0]], ["1.png", [1, 0, 0]]])[1] == ["0", "1", "2"]


def test_pairs_of_a_table_and_numbers_of_classes():
    pairs = label_tables.pairs("cat;0.png\n", {"0.png"}, "x")
    assert pairs == [("0.png", "cat")]
    assert class_numbers.numbered([2, 0], None, "x")[1] == ["0", "1", "2"]
    with pytest.raises(ValueError, match="x: label -3 is out of range; there are 3"):
        class_numbers.numbered([2, -3], None, "x")
