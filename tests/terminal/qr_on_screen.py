"""A QR code read off a screen, half block by half block, and the one it has to be."""

from __future__ import annotations

import re

import pytest

# Black on white, of 16 or of 256 colours: light on dark isn't read by every camera.
_LINE = re.compile(r"\x1b\[(?:30;107|38;5;16;48;5;231)m([ ▀▄█]+)\x1b\[0m\r?\n")


def cells_on(screen: str) -> list[list[bool]]:
    """What the lines of half blocks on the screen show, true for dark; of an odd number the last row is none."""
    cells = [[letter in half for letter in line] for line in _LINE.findall(screen) for half in ("▀█", "▄█")]
    return cells[: len(cells[0])] if cells else []


def cells_of(text: str, margin: int) -> list[list[bool]]:
    """The same of segno's own matrix; the test is skipped where the package isn't installed."""
    code = pytest.importorskip("segno").make_qr(text, error="l")
    return [[bool(cell) for cell in row] for row in code.matrix_iter(border=margin)]
