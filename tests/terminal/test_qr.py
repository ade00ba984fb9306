"""QR codes: what stands on the screen is the code, and nothing stands there where it couldn't be read."""

from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console

from kitecli.terminal.qr import draw_qr
from tests.terminal.qr_on_screen import cells_of, cells_on

PAGE = (
    "https://kite.zerodha.com/connect/login?v=3&api_key=abcdefghijklmnop&redirect_params=nonce%3DAAAAAAAAAAAAAAAAAAAAAA"
)
"""As long as the broker's: 41 modules and their margins."""


class Screen(io.StringIO):
    """A terminal's end of a file."""

    def __init__(self, *, encoding: str, terminal: bool) -> None:
        super().__init__()
        self._encoding, self._terminal = encoding, terminal

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return self._terminal


def drawn(width: int, height: int, *, encoding: str = "utf-8", terminal: bool = True, **environ: str) -> str:
    screen = Screen(encoding=encoding, terminal=terminal)
    about = {"TERM": "xterm-256color", **environ}
    draw_qr(PAGE, Console(file=screen, width=width, height=height, _environ=about))
    return screen.getvalue()


@pytest.mark.parametrize(("width", "height", "margin"), [(49, 26, 4), (48, 26, 2), (49, 25, 2), (45, 24, 2)])
def test_it_is_the_code_with_the_margin_there_is_room_for(width: int, height: int, margin: int):
    wanted = cells_of(PAGE, margin)
    shown = drawn(width, height)
    assert cells_on(shown) == wanted
    assert shown.count("\n") < height


@pytest.mark.parametrize(
    "where",
    [
        {"width": 44},
        {"height": 23},
        {"terminal": False},
        {"terminal": False, "FORCE_COLOR": "1"},
        {"encoding": "ascii"},
        {"TERM": "dumb"},
        {"NO_COLOR": "1"},
    ],
    ids=str,
)
def test_where_it_could_not_be_read_nothing_is_shown(where):
    assert drawn(**{"width": 80, "height": 40, **where}) == ""


def test_without_the_package_nothing_is_shown(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "segno", None)
    assert drawn(80, 40) == ""
