"""Instruments and what changed of them as rows of text, and a table that fits a narrow terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from rich.console import Console

    from kitecli.broker.rest import Progress
    from kitecli.market.instruments import Instrument

HEADS: Final = ("instrument", "token", "type", "expiry", "strike", "lot", "tick", "segment", "name")
GAP: Final = 2


def instrument_rows(instruments: Iterable[Instrument]) -> Iterator[tuple[str, ...]]:
    """A row of ``HEADS`` for each, the most telling columns first."""
    for row in instruments:
        yield (
            row.key,
            str(row.instrument_token),
            row.instrument_type,
            row.expiry.isoformat() if row.expiry else "",
            f"{row.strike:g}" if row.strike else "",
            str(row.lot_size),
            f"{row.tick_size:g}",
            row.segment,
            row.name,
        )


def instrument_dict(row: Instrument) -> dict[str, object]:
    """An instrument for JSON: the master's columns, the expiry as text or null."""
    names = [name for name in row.__slots__ if name != "expiry"]
    return {"key": row.key, **{name: getattr(row, name) for name in names}, "expiry": row.expiry and str(row.expiry)}


def write_rows(heads: Sequence[str], rows: Iterable[Sequence[str]], out: TextIO, width: int | None = None) -> None:
    """A table, as many columns from the left as fit on a terminal; tab-separated, with all, where a program reads.

    ``width``: the terminal's; None: no terminal.
    """
    if width is None:
        out.writelines("\t".join(row) + "\n" for row in rows)
        return
    kept = [tuple(heads), *map(tuple, rows)]
    widths = [max(map(len, column)) for column in zip(*kept, strict=True)]
    fitting = _fitting(widths, width)
    for row in kept:
        cells = [cell.ljust(size) for cell, size in zip(row, widths, strict=True)]
        out.write((" " * GAP).join(cells[:fitting]).rstrip()[:width] + "\n")


def _fitting(widths: Sequence[int], width: int) -> int:
    """How many columns fit; the first always does, cut if it must be."""
    used = 0
    for number, size in enumerate(widths):
        used += size + (GAP if number else 0)
        if used > width:
            return max(1, number)
    return len(widths)


@contextmanager
def download_progress(console: Console, what: str) -> Iterator[Progress | None]:
    """What to call with the bytes that came: a bar on a terminal, nothing elsewhere, gone when it is done."""
    if not console.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def terminal_width() -> int | None:
    """Columns of the terminal that stdout is; None where it is none."""
    import shutil

    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
