"""Loggers whose records carry no secret that this process holds, whoever formats and keeps them."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Final

from kitecli.secret import redactor

ABOUT: Final = "about"
"""The attribute of a record that holds its fields."""


def logger(name: str) -> logging.Logger:
    """The logger of that name, ours or another package's, with secrets masked by value."""
    found = logging.getLogger(name)
    found.addFilter(_mask)  # the same one again changes nothing
    return found


def about(**fields: object) -> dict[str, dict[str, object]]:
    """``LOG.info("connection 0 is live", extra=about(connection=0))``: the fields of a record, for programs."""
    return {ABOUT: fields}


def _mask(record: logging.LogRecord) -> bool:
    mask = redactor()
    record.msg, record.args = mask(record.getMessage()), ()
    if fields := getattr(record, ABOUT, None):
        setattr(record, ABOUT, _masked(fields, mask))
    if record.exc_info and not record.exc_text:
        # Formatters take this text where it is there, and would make their own otherwise.
        record.exc_text = mask("".join(traceback.format_exception(*record.exc_info)).rstrip())
    return True


def _masked(value: object, mask: Callable[[str], str]) -> object:
    """A copy: what is logged is written later, by another thread."""
    if isinstance(value, dict):
        return {str(name): _masked(one, mask) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(one, mask) for one in value]
    return value if value is None or isinstance(value, bool | int | float) else mask(str(value))
