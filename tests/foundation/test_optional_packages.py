"""Packages of an extra: there, or one sentence that says what to install."""

import pytest

from dglgan_tf.foundation import optional_packages


def test_what_is_installed_is_returned():
    assert optional_packages.require("json", "a test", "dev").loads("[1]") == [1]


def test_what_is_missing_is_named_with_its_extra():
    with pytest.raises(ValueError, match="^ONNX needs no_such_package, .*") as error:
        optional_packages.require("no_such_package", "ONNX", "export", ", or not")
    assert str(error.value).endswith("`pip install 'dglgan_tf[export]'`, or not")
