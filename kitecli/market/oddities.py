"""What is odd about a master: told, never hidden. Some of it was mended when the file was read, the rest stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Final

from kitecli.market.book import InstrumentBook
from kitecli.market.mending import Oddity
from kitecli.market.segments import INDICES, SEGMENTS

EXPECTED: Final = ("NSE", "BSE", "NFO", "BFO", "CDS", "BCD", "MCX")
"""What Kite's own master lists every day."""


@dataclass(frozen=True, slots=True)
class MasterReport:
    """What a master holds: rows, rows by segment, and what is odd about it."""

    rows: int
    segments: dict[str, int]
    oddities: tuple[Oddity, ...]

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def report_on(book: InstrumentBook, mended: tuple[Oddity, ...] = ()) -> MasterReport:
    """Look a book through, about 0.3 s for 156,000 rows. ``mended``: what reading its file had to mend."""
    index = book.index
    counts = Counter(index.column("kind").tolist())
    segments: Counter[str] = Counter()
    for kind, count in counts.items():
        segments[index.kind_words(kind)[1]] += count
    standing = (
        Oddity(kind, what, len(rows), f"{index.key(rows[0])} (token {index.token(rows[0])})", taken)
        for kind, what, rows, taken in _standing(book)
        if rows
    )
    return MasterReport(len(book), dict(sorted(segments.items())), (*mended, *standing, *_absent(book)))


def _absent(book: InstrumentBook) -> Iterator[Oddity]:
    """A master of one exchange is a fine file, and explains why a symbol of another is unknown."""
    missing = [name for name in EXPECTED if name not in book.index.exchanges()]
    if missing:
        yield Oddity("partial", "exchanges it doesn't list", len(missing), missing[0], "their instruments are unknown")


def _standing(book: InstrumentBook) -> Iterator[tuple[str, str, list[int], str]]:
    index = book.index
    tokens, day = index.column("token").tolist(), date.fromordinal(max(index.day, 1))
    yield "token-twice", "instrument tokens that stand twice", _again(tokens), "the first row counts"
    yield "symbol-twice", "symbols that stand twice on an exchange", _again(book.keys), "the first row counts"
    odd = index.column("odd_row").tolist()
    yield "exchange-token", "exchange tokens that aren't the instrument token without its last byte", odd, "kept"
    yield "segment-byte", "tokens whose last byte isn't their exchange's", _misplaced(book, tokens), "kept"
    ticks = index.real("tick_size").tolist()
    yield "tick-size", "rows without a tick size", [row for row, size in enumerate(ticks) if not size > 0], "kept"
    expiries = index.column("expiry").tolist()
    expired = [row for row, ordinal in enumerate(expiries) if 0 < ordinal < index.day]
    yield "expired", f"contracts that had expired on {day}", expired, "kept"


def _again(values: Sequence[int | str]) -> list[int]:
    """Where a value stands that stood before."""
    seen: set[int | str] = set()
    rows = []
    for row, value in enumerate(values):
        if value in seen:
            rows.append(row)
        seen.add(value)
    return rows


def _misplaced(book: InstrumentBook, tokens: list[int]) -> list[int]:
    """Prices on the wire are divided by what the last byte says: a wrong one makes them wrong 100 times."""
    exchanges = {code: segment.exchange for code, segment in SEGMENTS.items() if code != INDICES}
    fits: dict[tuple[int, int], bool] = {}
    rows = []
    for row, (token, kind) in enumerate(zip(tokens, book.index.column("kind").tolist(), strict=True)):
        pair = (token & 0xFF, kind)
        if pair not in fits:
            _, segment, exchange = book.index.kind_words(kind)
            fits[pair] = segment == "INDICES" if pair[0] == INDICES else exchanges.get(pair[0]) == exchange
        if not fits[pair]:
            rows.append(row)
    return rows
