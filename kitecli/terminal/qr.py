"""An address as a QR code, for a phone's camera: where a terminal can show one that is read."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console

MARGINS: Final = (4, 2)
"""Light modules around the code: ISO/IEC 18004 asks for four; cameras make do with two, where four don't fit."""
COLOURS: Final = "color(16) on color(231)"
"""Black on white by number: a terminal's own colours may be light on dark, which not every camera reads."""
_HALVES: Final = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}


def draw_qr(text: str, console: Console | None = None) -> None:
    """Draw ``text`` on ``console``, by default stderr; nothing where that can't be read.

    So it is where no terminal is, where it is too small, or shows neither colours (as ``NO_COLOR`` wants it) nor
    half blocks, and where the optional package segno isn't installed.
    """
    from rich.console import Console

    screen = console or Console(stderr=True)
    if not screen.file.isatty() or screen.no_color or screen.color_system is None or screen.options.ascii_only:
        return
    try:
        import segno
    except ImportError:
        return
    code = segno.make_qr(text, error="l")
    for margin in MARGINS:
        columns, rows = code.symbol_size(border=margin)
        if columns <= screen.width and (rows + 1) // 2 < screen.height:  # the cursor has a line of its own
            for line in half_blocks(code.matrix_iter(border=margin)):
                screen.print(line, style=COLOURS, markup=False, highlight=False)
            return


def half_blocks(rows: Iterable[Iterable[int]]) -> list[str]:
    """Lines of a matrix, 1 for dark, of which each character shows two rows."""
    nothing: list[bool] = []
    both = iter([[bool(cell) for cell in row] for row in rows])
    return [
        "".join(_HALVES[cells] for cells in zip_longest(upper, lower, fillvalue=False))
        for upper, lower in zip_longest(both, both, fillvalue=nothing)
    ]
