"""Masters that went through a spreadsheet or a data frame, put back into Kite's own form, with a note of each change.

Only what can be read in one way is mended. A date such as 04-05-2024 is, if another one of the same file shows which
of the two numbers is the day; a token in scientific notation has lost digits, and is not.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from kitecli.errors import DataError
from kitecli.market.instruments import COLUMNS, column_positions, csv_lines

# Columns a file can do without, and what stands for them: Kite's own last_price is always 0.
OPTIONAL: Final = {"name": "", "last_price": "0.0", "exchange_token": ""}
WHOLE: Final = ("instrument_token", "exchange_token", "lot_size")
REAL: Final = ("last_price", "strike", "tick_size")
NOTHING: Final = frozenset({"", "nan", "none", "null", "nat", "-"})
_FLOATED: Final = re.compile(r"(\d+)\.0*")
_TURNED: Final = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})")
_WITH_TIME: Final = re.compile(r"(\d{4}-\d{2}-\d{2})[ T]00:00:00(?:\.0+)?")


@dataclass(frozen=True, slots=True)
class Oddity:
    """``count`` rows or columns are odd in one way. ``kind`` is a stable name; ``taken``: what was made of them."""

    kind: str
    what: str
    count: int
    example: str
    taken: str

    def __str__(self) -> str:
        return f"{self.what}: {self.count:,}, as {self.example}; {self.taken}"


def mend(text: str) -> tuple[str, tuple[Oddity, ...]]:
    """A master's text in Kite's own form, and what was changed; nothing, if it stands in that form.

    Rows keep their lines. What can't be mended is left for the strict reader to refuse.

    :raises DataError: no master at all, columns missing, or dates that could mean two days.
    """
    body = text.removeprefix("\ufeff").lstrip()
    lines = csv_lines(body)
    header = [name.strip().lower() for name in next(lines, [])]
    noted = _Notes()
    rows = _chosen(header, list(lines), body, noted)
    for name in WHOLE:
        _change(rows, name, _whole, noted.of("floats", f"{name} written as floats", "read as whole numbers"))
    for name in ("lot_size", *REAL):
        _change(rows, name, _blank, noted.of("blanks", f"{name} left blank", "read as 0"))
    _mend_dates(rows, noted)
    return _written(rows, ended=body.endswith("\n")), noted.oddities()


class _Notes:
    """Counts changes by what they are, with the first as an example."""

    def __init__(self) -> None:
        self._found: dict[str, Oddity] = {}

    def of(self, kind: str, what: str, taken: str) -> Callable[[str], None]:
        """What to call with each example of one kind of change."""

        def note(example: str) -> None:
            before = self._found.get(what, Oddity(kind, what, 0, example, taken))
            self._found[what] = replace(before, count=before.count + 1)

        return note

    def oddities(self) -> tuple[Oddity, ...]:
        return tuple(self._found.values())


_Rows = list[list[str]]


def _chosen(header: Sequence[str], lines: _Rows, body: str, noted: _Notes) -> _Rows:
    """The twelve columns of each row in Kite's order. A row of another width stays as it is, for the strict reader."""
    absent = [name for name in OPTIONAL if name not in header]
    positions = column_positions([*header, *absent], body)
    for name in header:
        if name not in COLUMNS:
            noted.of("columns-more", "columns more than Kite's", "left out")(name or "one without a name")
    for name in absent:
        noted.of("columns-fewer", "columns missing", "filled in")(name)
    if len(header) == len(COLUMNS) == len(set(header)) and positions == list(range(len(COLUMNS))):
        return lines
    filled = [OPTIONAL[name] for name in absent]
    rows = []
    for fields in lines:
        whole = [*fields, *filled]
        rows.append([whole[at] for at in positions] if len(fields) == len(header) else fields)
    return [_with_exchange_token(row) for row in rows] if "exchange_token" in absent else rows


def _with_exchange_token(row: list[str]) -> list[str]:
    token = _whole(row[0]) if len(row) == len(COLUMNS) else ""
    return [row[0], str(int(token) >> 8), *row[2:]] if token.isdigit() else row


def _change(rows: _Rows, column: str, mended: Callable[[str], str], note: Callable[[str], None]) -> None:
    at = COLUMNS.index(column)
    for row in rows:
        if len(row) == len(COLUMNS) and (text := mended(row[at])) != row[at]:
            note(repr(row[at]))
            row[at] = text


def _whole(text: str) -> str:
    floated = _FLOATED.fullmatch(text.strip())
    return floated[1] if floated else text


def _blank(text: str) -> str:
    return "0" if text.strip().lower() in NOTHING else text


def _mend_dates(rows: _Rows, noted: _Notes) -> None:
    note = noted.of("dates", "expiries with a time or a word for nothing", "read as the day, or as none")
    _change(rows, "expiry", _plain_date, note)
    at = COLUMNS.index("expiry")
    turned = {row[at] for row in rows if len(row) == len(COLUMNS) and _TURNED.fullmatch(row[at])}
    if turned:
        day, month, form = _order_of(turned)
        note = noted.of("dates", f"expiries as {form}, as a spreadsheet writes them", "read in that order")
        _change(rows, "expiry", lambda text: _turned_back(text, day, month), note)


def _plain_date(text: str) -> str:
    timed = _WITH_TIME.fullmatch(text)
    return timed[1] if timed else "" if text.strip().lower() in NOTHING else text


def _order_of(dates: Iterable[str]) -> tuple[int, int, str]:
    """The groups that hold day and month, and the order's name: a number above 12 is no month."""
    pairs = [(int(found[1]), int(found[2])) for text in dates if (found := _TURNED.fullmatch(text))]
    day_first, month_first = any(first > 12 for first, _ in pairs), any(second > 12 for _, second in pairs)
    if day_first == month_first:
        raise DataError(
            "The instrument master's expiries can be read in two ways",
            why=f"{min(dates)!r} could be a day of either month, and "
            + ("others of the file contradict each other" if day_first else "none of the file has a day above 12"),
            hint="Take the file as the broker serves it, with dates YYYY-MM-DD",
        )
    return (1, 2, "DD-MM-YYYY") if day_first else (2, 1, "MM-DD-YYYY")


def _turned_back(text: str, day: int, month: int) -> str:
    found = _TURNED.fullmatch(text)
    return f"{found[3]}-{int(found[month]):02}-{int(found[day]):02}" if found else text


def _written(rows: _Rows, *, ended: bool) -> str:
    """The rows as text; ``ended``: with a last line end, without which the strict reader looks for a cut."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    return out.getvalue() if ended else out.getvalue().removesuffix("\n")
