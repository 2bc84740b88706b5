"""How far the manifest beside converted images is believed (`manifests`)."""

import types

import pytest

from dglgan_tf.data import manifests


def read(content):
    return manifests.of(types.SimpleNamespace(extra=lambda name: content))


@pytest.mark.parametrize("content", [None, b"", b"{", b"[1]", b"\xff\xfe", b"[" * 9000])
def test_what_is_no_manifest_says_nothing(content):
    assert read(content) == {}
