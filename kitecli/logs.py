"""Loggers whose records carry no secret that this process holds, whoever formats and keeps them."""

from __future__ import annotations

import logging
import traceback

from kitecli.secret import redacted


def logger(name: str) -> logging.Logger:
    """The logger of that name, ours or another package's, with secrets masked by value."""
    found = logging.getLogger(name)
    found.addFilter(_mask)  # the same one again changes nothing
    return found


def _mask(record: logging.LogRecord) -> bool:
    record.msg, record.args = redacted(record.getMessage()), ()
    if record.exc_info and not record.exc_text:
        # Formatters take this text where it is there, and would make their own otherwise.
        record.exc_text = redacted("".join(traceback.format_exception(*record.exc_info)).rstrip())
    return True
