"""Lines of the log on a terminal, in colours, or for another program."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Final

from kitecli.logs.lines import LogLine, text_of

_COLOURS: Final = {"debug": "2", "warning": "33", "error": "31"}
"""Codes of the terminal: dim, yellow, red; what goes well has none."""


def printer(*, as_json: bool) -> Callable[[LogLine], None]:
    """Prints a line on stdout at once: who follows a log wants to see it now."""
    colours = not as_json and sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def show(line: LogLine) -> None:
        text = line.text if as_json else text_of(line)
        code = _COLOURS.get(line.level) if colours else None
        sys.stdout.write(f"\x1b[{code}m{text}\x1b[0m\n" if code else f"{text}\n")
        sys.stdout.flush()

    return show
