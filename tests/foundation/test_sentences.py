"""Sentences: one line from an error, near words, quoted commands, short texts."""

import errno
import shlex

import pytest

from dglgan_tf.foundation import atomic, sentences


@pytest.mark.parametrize(
    "error, text",
    [
        (ValueError("a=1 must\n  be 2"), "a=1 must be 2"),
        (ValueError("wrong\n  In call to configurable 'x' (<f>)"), "wrong"),
        (KeyError(), "KeyError"),
        (
            ValueError("No bindings specified for 'WIDTH/gin.macro' in config string"),
            "%WIDTH is used and no line says WIDTH = ...",
        ),
        (
            ValueError(
                "Exception encountered when calling layer 'd' (type D).\n\nException "
                "encountered when calling layer 'std' (type Std).\n\na batch of 10\n\n"
                "Call arguments received by layer 'std' (type Std):\n  • x=tf.Tensor()"
                "\n\nCall arguments received by layer 'd' (type D):\n  • x=1"
            ),
            "a batch of 10",
        ),
    ],
)
def test_an_error_becomes_one_line(error, text):
    assert sentences.sentence(error) == text


def test_near_words():
    assert sentences.near("studnt", ["student", "teacher"]) == "; did you mean student?"
    assert sentences.near("x", ["student", "teacher"]) == ""


@pytest.mark.parametrize("name", ["plain", "two words", "it's", "a;b", "$HOME", "`x`"])
def test_a_command_is_split_by_a_shell_as_it_was_given(name):
    words = ["python", "-m", "dglgan_tf.sample", f"--network={name}"]
    assert shlex.split(sentences.command(*words)) == words


def test_long_texts_lose_their_middle():
    assert sentences.short("a" * 80) == "a" * 80
    assert sentences.short("abcdefghij", 7) == "ab...ij"
    assert len(sentences.short("x" * 5000, 81)) == 81


def test_a_full_disk_is_named_with_what_to_do():
    error = OSError(errno.ENOSPC, "No space left on device")
    assert sentences.sentence(error).startswith("what is to be written: No space left")
    with pytest.raises(OSError) as caught, atomic.naming("runs/log.txt"):
        raise error
    said = sentences.sentence(caught.value)
    assert said.startswith("runs/log.txt: No space left on device; make room and")
