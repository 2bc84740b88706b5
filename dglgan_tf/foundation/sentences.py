"""Sentences: of an error, of what was probably meant, of what to run next."""

import difflib
import errno
import re
import shlex
from collections.abc import Iterable

_IN_LAYER = re.compile(
    r"Exception encountered when calling (?:layer )?.*?\(type \w+\)\.\s+(.*?)"
    r"(?:\s+Call arguments received by .*)?$",
    re.S,
)


def sentence(error: BaseException) -> str:
    """Returns an exception's message on one line, without gin's and Keras's trails."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        where = error.filename or "what is to be written"
        return f"{where}: {error.strerror}; make room and run the same command again"
    text = str(error).split("\n  In call to configurable")[0]
    while inside := _IN_LAYER.match(text):
        text = inside[1]
    text = text.split('In file "')[0] if text.startswith("In file") else text
    if undefined := re.match(r"No bindings specified for '(.+)/gin\.macro'", text):
        text = f"%{undefined[1]} is used and no line says {undefined[1]} = ..."
    return " ".join(text.split()) or type(error).__name__


def near(word: str, known: Iterable[str], cutoff: float = 0.4) -> str:
    """Returns '; did you mean A, B?' with up to three known words, or ''.

    Args:
      word: what was written.
      known: what could have been meant.
      cutoff: least likeness, from 0 (anything) to 1 (the same word).
    """
    close = difflib.get_close_matches(word, list(known), 3, cutoff)
    return f"; did you mean {', '.join(close)}?" if close else ""


def command(*words) -> str:
    """Returns a command line that a shell splits into these words again."""
    return shlex.join(str(word) for word in words)


def short(text: str, length: int = 80) -> str:
    """Returns a text of at most `length` characters; the middle of a long one goes."""
    if len(text) <= length:
        return text
    tail = (length - 3) // 2
    return f"{text[: length - 3 - tail]}...{text[len(text) - tail :]}"
