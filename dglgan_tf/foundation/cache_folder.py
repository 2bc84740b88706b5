"""Where statistics, weight files and compiled code are kept from one start to the next.

The caller gives what its user named, usually by $DGLGAN_CACHE: the environment is not
read here.
"""

import functools
import os
import tempfile
from pathlib import Path

from dglgan_tf.foundation import atomic

DEFAULT = "~/.cache/dglgan_tf"


def find(named: str | None) -> Path:
    """Returns a folder that exists and can be written.

    Args:
      named: what the environment names; None or empty means `DEFAULT`.

    Returns:
      that folder; a folder of this process alone where it cannot be made or written.
    """
    folder = Path(os.path.expanduser(named or DEFAULT))
    try:
        if str(folder).startswith("~"):  # nobody knows that home
            return _own()
        atomic.check_folder(folder, "cache folder")
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except (OSError, ValueError):
        pass
    return _own()


@functools.cache
def _own() -> Path:
    return Path(tempfile.mkdtemp(prefix="dglgan_tf-"))
