"""The form of JSON that comes from a disk: checked before it is used."""

import pytest

from dglgan_tf.foundation import json_files

FORM = {"name": str, "sizes": [json_files.NUMBER], "more?": {str: {"on": bool}}}


@pytest.mark.parametrize("more", [{}, {"more": None}, {"more": {"a": {"on": True}}}])
def test_the_right_form(more):
    json_files.check({"name": "x", "sizes": [1, 2.5], "other": 3, **more}, FORM, "f")


@pytest.mark.parametrize(
    "found, message",
    [
        ([], "f: it is list, not an object"),
        ({"sizes": []}, "f: name is missing"),
        ({"name": None, "sizes": []}, "f: name is missing"),
        ({"name": 1, "sizes": []}, "f: name is int, not a text"),
        ({"name": "x", "sizes": [1, True]}, r"f: sizes\[1\] is bool, not a number"),
        ({"name": "x", "sizes": [], "more": {"a": 1}}, "f: more.a is int, not an"),
        ({"name": "x", "sizes": [], "more": {"a": {}}}, "f: more.a.on is missing"),
    ],
)
def test_another_form_is_told_with_its_place(found, message):
    with pytest.raises(ValueError, match=message):
        json_files.check(found, FORM, "f")
