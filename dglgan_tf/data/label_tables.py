"""Tables of names and classes as spreadsheets and scripts write them."""

import csv
import io
import unicodedata

_SEPARATORS = (",", ";", "\t", "|")
_NAME_HEADERS = (
    "filename",
    "file",
    "file_name",
    "image",
    "image_id",
    "imageid",
    "path",
    "filepath",
    "name",
)
_CLASS_HEADERS = ("label", "class", "class_id", "category", "target", "y", "labels")


def pairs(text: str, names: set[str], where: str) -> list[tuple[str, str]]:
    """Returns (name, class) of each line of a table.

    The separator is the one with which most lines name an image. A header line tells
    the columns; without one, the column of names is the one that names images.

    Args:
      text: the table; empty lines are left out.
      names: of the images, composed (NFC).
      where: the file, for messages.

    Raises:
      ValueError: a line without a class; names the line.
    """
    known = names | {name.rsplit(".", 1)[0] for name in names}
    known |= {name.rsplit("/", 1)[-1] for name in known}
    tables = [_rows(text, separator, where) for separator in _SEPARATORS]
    scores = [_score(rows, known) for rows in tables]
    rows = tables[scores.index(max(scores))]
    if not rows:
        raise ValueError(f"{where}: is empty: it must have lines `name,class`.")
    name_column, class_column, first = _columns(rows, known)
    for number, row in rows[first:]:
        if len(row) <= max(name_column, class_column):
            raise ValueError(
                f"{where}: line {number} has {len(row)} column: every line must have "
                "an image name and a class, separated by a comma, a semicolon or a tab."
            )
    return [(row[name_column], row[class_column].strip()) for _, row in rows[first:]]


def _rows(text: str, separator: str, where: str) -> list[tuple[int, list[str]]]:
    """Returns (line, cells) of the lines that hold anything."""
    reader = csv.reader(io.StringIO(text), delimiter=separator)
    rows = []
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append((reader.line_num, row))
    except csv.Error as error:
        raise ValueError(f"{where}: line {reader.line_num}: {error}.") from error
    if rows and len(rows[0][1]) == 1 and rows[0][1][0].lower().startswith("sep="):
        del rows[0]  # what Excel takes for a statement on the separator
    return rows


def _key(cell: str) -> str:
    name = unicodedata.normalize("NFC", cell.strip().replace("\\", "/"))
    return name.removeprefix("./")


def _named(row: list[str], column: int, known: set[str]) -> bool:
    if column >= len(row):
        return False
    name = _key(row[column])
    return name in known or name.rsplit("/", 1)[-1] in known


def _score(rows, known: set[str]) -> tuple[int, int]:
    """Tells how well a separator suits: lines that name an image and have a class."""
    named = sum(
        any(_named(row, column, known) for column in range(len(row)))
        for _, row in rows
        if len(row) > 1
    )
    return named, sum(len(row) > 1 for _, row in rows)


def _columns(rows, known: set[str]) -> tuple[int, int, int]:
    """Returns the columns of names and classes, and the first line that counts."""
    words = [word.strip().lower() for word in rows[0][1]]
    by_header = [
        next((words.index(word) for word in headers if word in words), None)
        for headers in (_NAME_HEADERS, _CLASS_HEADERS)
    ]
    if None not in by_header:
        return *by_header, 1
    width = max(len(row) for _, row in rows)
    counts = [sum(_named(row, k, known) for _, row in rows) for k in range(width)]
    name_column = counts.index(max(counts))
    class_column = 1 if name_column == 0 else 0
    return name_column, class_column, 0
