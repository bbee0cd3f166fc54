"""How much this package says while it works, by the reference library's names; all of it is Python's own logging."""

from __future__ import annotations

import logging
from logging import CRITICAL, DEBUG, ERROR, FATAL, INFO, NOTSET, WARN, WARNING

__all__ = [
    "CRITICAL",
    "DEBUG",
    "ERROR",
    "FATAL",
    "INFO",
    "NOTSET",
    "WARN",
    "WARNING",
    "get_logger",
    "get_verbosity",
    "set_verbosity",
    "set_verbosity_debug",
    "set_verbosity_error",
    "set_verbosity_info",
    "set_verbosity_warning",
]

_PACKAGE = "bartleby"


def get_logger(name: str | None = None) -> logging.Logger:
    """The logger of a module; without a name, that of this package."""
    return logging.getLogger(name or _PACKAGE)


def get_verbosity() -> int:
    """The level from which on this package's messages are shown."""
    return logging.getLogger(_PACKAGE).getEffectiveLevel()


def set_verbosity(verbosity: int) -> None:
    """Show this package's messages from a level on."""
    logging.getLogger(_PACKAGE).setLevel(verbosity)


def set_verbosity_debug() -> None:
    set_verbosity(DEBUG)


def set_verbosity_info() -> None:
    set_verbosity(INFO)


def set_verbosity_warning() -> None:
    set_verbosity(WARNING)


def set_verbosity_error() -> None:
    set_verbosity(ERROR)
