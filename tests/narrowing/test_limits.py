"""Limits as people write them."""

import pytest

from dglgan_tf.narrowing import limits


@pytest.mark.parametrize(
    "text, measure, limit",
    [
        ("25%", "macs", "25%"),
        (" 12.5% ", "macs", "12.5%"),
        ("25%params", "params", "25%"),
        ("50%ms", "latency_ms", "50%"),
        ("5ms", "latency_ms", "5"),
        ("4.5ms", "latency_ms", "4.5"),
        ("300k", "params", "300k"),
        ("1.2M", "params", "1.2M"),
        ("1.2Mparams", "params", "1.2M"),
        ("80Mmacs", "macs", "80M"),
        ("5G", "macs", "5G"),
        ("2MB", "params", "500000"),
        ("500kB", "params", "125000"),
    ],
)
def test_forms(text, measure, limit):
    found = limits.read(text)
    assert (found.measure, found.limit) == (measure, limit)


@pytest.mark.parametrize(
    "text, words",
    [
        ("25", "must be a share of the teacher .25%"),
        ("", "must be a share"),
        ("0%", "must be a share"),
        ("-5ms", "must be a share"),
        ("5 parsecs", "must be a share"),
        ("50%b", "must be a share"),
        ("1e3k", "must be a share"),
        ("100%", "makes nothing smaller"),
        ("250%params", "makes nothing smaller"),
    ],
)
def test_other_forms_are_refused(text, words):
    with pytest.raises(ValueError, match=words):
        limits.read(text)


def test_several():
    assert list(limits.read_all("50%, 25%,5ms")) == ["50%", "25%", "5ms"]
    for text, words in [
        ("", "no budget"),
        (" , ", "no budget"),
        ("25%,25%", "same limit twice"),
        ("2MB,500000params,500k", "must be a share|same limit twice"),
    ]:
        with pytest.raises(ValueError, match=words):
            limits.read_all(text)
