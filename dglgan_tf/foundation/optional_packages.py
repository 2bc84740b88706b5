"""Packages that only some commands need."""

import importlib
import warnings


def require(package: str, what: str, extra: str, otherwise: str = ""):
    """Returns a package of an extra.

    Args:
      package: name to import.
      what: who needs it, for the message.
      extra: of setup.py, that brings it.
      otherwise: what else one could do.

    Raises:
      ValueError: it is not installed; says what to install.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(package)
    except ImportError as error:
        raise ValueError(
            f"{what} needs {package}, which is not available here ({error}): install "
            f"the extra with `pip install 'dglgan_tf[{extra}]'`{otherwise}"
        ) from error
