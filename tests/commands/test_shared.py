"""Rows and JSON: drawn on a terminal, plain where another program reads."""

from __future__ import annotations

import io
import json
import sys

import pytest

from kitecli.commands._shared import print_json, print_rows

ROWS = [("performance.buffer_size", "10000"), ("[red]odd[/red]", "₹")]


def test_without_a_terminal_rows_are_tab_separated(capsys: pytest.CaptureFixture[str]):
    print_rows(("setting", "value"), ROWS)
    assert capsys.readouterr().out == "performance.buffer_size\t10000\n[red]odd[/red]\t₹\n"


def test_on_a_terminal_rows_have_heads_and_markup_is_text(monkeypatch: pytest.MonkeyPatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    print_rows(("setting", "value"), ROWS)
    assert "setting" in terminal.getvalue()
    assert "[red]odd[/red]" in terminal.getvalue()


def test_json_is_one_line(capsys: pytest.CaptureFixture[str]):
    print_json({"rupees": "₹", "lines": "a\nb"})
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert "₹" in printed
    assert json.loads(printed) == {"rupees": "₹", "lines": "a\nb"}
