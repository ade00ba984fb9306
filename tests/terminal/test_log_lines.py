"""Lines of the log as they are printed."""

from __future__ import annotations

import io
import sys

import pytest

from kitecli.logs.lines import LogLine, parse
from kitecli.terminal.log_lines import printer

TEXT = '{"at":"2026-02-20T09:15:00+05:30","level":"error","component":"feed","run":"r","pid":1,"what":"away"}'
SHOWN = "2026-02-20 09:15:00.000 IST error   feed        away"


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def line() -> LogLine:
    found = parse(TEXT)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("screen", "no_color", "as_json", "shown"),
    [
        (io.StringIO, "", False, SHOWN),
        (io.StringIO, "", True, TEXT),
        (Screen, "", False, f"\x1b[31m{SHOWN}\x1b[0m"),
        (Screen, "1", False, SHOWN),
        (Screen, "", True, TEXT),
    ],
)
def test_colours_are_for_people_at_a_terminal(
    line: LogLine, screen: type[io.StringIO], no_color: str, as_json: bool, shown: str, monkeypatch: pytest.MonkeyPatch
):
    out = screen()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setenv("NO_COLOR", no_color)
    printer(as_json=as_json)(line)
    assert out.getvalue() == f"{shown}\n"
