"""stdin: whether somebody sits before it, and what comes from there. A closed one is nobody, and holds nothing."""

from __future__ import annotations

import sys
from typing import TextIO

from kitecli.errors import UsageError


def at_terminal() -> bool:
    """Whether somebody can be asked."""
    stdin = _stdin()
    return stdin is not None and stdin.isatty()


def whole() -> bytes:
    """All that was piped in."""
    stdin = _stdin()
    return stdin.buffer.read() if stdin is not None else b""


def line() -> str:
    """The next line, with its end; empty where nothing comes any more. Raises :class:`UsageError` for no UTF-8."""
    stdin = _stdin()
    try:
        return stdin.readline() if stdin is not None else ""
    except UnicodeDecodeError:
        raise not_text() from None


def not_text() -> UsageError:
    """The error for bytes, typed or piped, that are in another encoding."""
    return UsageError("What was given can't be read", why="it isn't UTF-8", hint="have terminal and files in UTF-8")


def _stdin() -> TextIO | None:
    """Python's answer to ``kite … <&-`` is None, which its type stubs deny."""
    return sys.stdin
