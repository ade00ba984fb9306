"""What to stream, as people say it: names, tokens, watchlists and patterns, resolved against the day's instruments.

A watchlist is text: one instrument a line or several between commas, each with a mode behind it if it wants one,
and comments from ``#`` to the end of the line::

    # my banks
    NSE:HDFCBANK full
    ICICIBANK, NIFTY BANK quote     # a bare symbol means NSE, then BSE
    408065
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import translate
from pathlib import Path
from typing import Final

from kitecli.errors import DataError, SubscriptionError, TooManyInstruments, UnknownInstrument
from kitecli.market.instruments import Instrument, InstrumentBook
from kitecli.market.modes import MODES

# An error that lists a thousand names helps nobody; looking for the nearest takes 0.1 s each.
NAMED_MISSES: Final = 10


@dataclass(frozen=True, slots=True)
class Selected:
    """One instrument to stream. ``label`` is its ``NSE:INFY``."""

    token: int
    label: str
    mode: str


@dataclass(frozen=True, slots=True)
class Selection:
    """Instruments to stream, in the order asked for, each once."""

    items: tuple[Selected, ...]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Selected]:
        return iter(self.items)

    @property
    def modes(self) -> dict[int, str]:
        """token → mode, as the feed's desired state wants it."""
        return {item.token: item.mode for item in self.items}

    @property
    def labels(self) -> dict[int, str]:
        """token → ``NSE:INFY``."""
        return {item.token: item.label for item in self.items}


@dataclass(frozen=True, slots=True)
class Wish:
    """A name or token as somebody wrote it, and the mode written behind it, if any."""

    name: str
    mode: str | None = None


def parse_watchlist(text: str) -> list[Wish]:
    """Read a watchlist's text."""
    wishes: list[Wish] = []
    for line in text.removeprefix("\ufeff").splitlines():
        wishes.extend(split_names(line.partition("#")[0]))
    return wishes


def split_names(text: str) -> list[Wish]:
    """``"INFY full, NIFTY 50"`` as wishes; a mode that stands alone between commas belongs to the name before it."""
    wishes: list[Wish] = []
    for piece in filter(None, (" ".join(piece.split()) for piece in text.split(","))):
        name, _, last = piece.rpartition(" ")
        if piece.lower() in MODES and wishes:
            wishes[-1] = Wish(wishes[-1].name, piece.lower())
        elif name and last.lower() in MODES:
            wishes.append(Wish(name, last.lower()))
        else:
            wishes.append(Wish(piece))
    return wishes


def read_watchlist(path: Path) -> list[Wish]:
    """Read a watchlist file.

    :raises DataError: no such file, unreadable, or nothing in it.
    """
    try:
        wishes = parse_watchlist(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise DataError(
            f"The watchlist {path} can't be read", why=reason or str(error), hint="Check the path given to --watchlist"
        ) from error
    if not wishes:
        raise DataError(
            f"The watchlist {path} is empty", why="it names no instrument", hint="Put one on each line, e.g. NSE:INFY"
        )
    return wishes


def select(
    book: InstrumentBook,
    wishes: Iterable[Wish] = (),
    patterns: Iterable[str] = (),
    *,
    mode: str | None = None,
    equity_mode: str = "quote",
    futures_mode: str = "full",
    limit: int = 9000,
) -> Selection:
    """Resolve what somebody asked for: first the names in their order, then the patterns in the master's order.

    A mode written behind a name wins over ``mode``; without either, derivatives get ``futures_mode`` and all else
    ``equity_mode``. An instrument named twice keeps its first place and its last mode.

    :raises UnknownInstrument: names, tokens or patterns the book hasn't got, each with the nearest it has.
    :raises SubscriptionError: a bare symbol several exchanges list; nothing was asked for.
    :raises TooManyInstruments: more than ``limit``.
    """
    chosen: dict[int, tuple[Instrument, str | None]] = {}
    misses: list[str] = []
    for wish in wishes:
        found = find(book, wish.name)
        if found is None:
            misses.append(wish.name)
        else:
            _, earlier = chosen.get(found.instrument_token, (found, None))
            chosen[found.instrument_token] = (found, wish.mode or earlier)
    for pattern in patterns:
        matched = match(book, pattern)
        misses.extend([] if matched else [pattern])
        for row in matched:
            chosen.setdefault(row.instrument_token, (row, None))
    _check(book, misses, len(chosen), limit)
    return Selection(
        tuple(
            Selected(token, row.key, own or mode or (futures_mode if row.is_derivative else equity_mode))
            for token, (row, own) in chosen.items()
        )
    )


def find(book: InstrumentBook, name: str) -> Instrument | None:
    """The instrument of a name or of a token written in digits; a symbol made of digits wins over a token."""
    by_name = book.find(name)
    return book.get(int(name)) if by_name is None and name.isascii() and name.isdigit() else by_name


def match(book: InstrumentBook, pattern: str) -> list[Instrument]:
    """Instruments whose ``EXCHANGE:SYMBOL`` fits a shell pattern, in the master's order; without a colon in any."""
    wanted = pattern.strip().upper()
    fits = re.compile(translate(wanted if ":" in wanted else f"*:{wanted}")).match
    return [row for row in book if fits(row.key.upper())]


def _check(book: InstrumentBook, misses: list[str], count: int, limit: int) -> None:
    if misses:
        raise _unknown(book, list(dict.fromkeys(misses)))
    if not count:
        raise SubscriptionError(
            "No instrument was chosen", why="no symbol, token or pattern was given", hint="Name one, e.g. NSE:INFY"
        )
    if count > limit:
        raise TooManyInstruments(
            f"{count:,} instruments were asked for and {limit:,} is the most",
            why="the broker allows three connections of 3,000 instruments each",
            hint="Narrow the pattern or shorten the list",
        )


def _unknown(book: InstrumentBook, misses: list[str]) -> UnknownInstrument:
    named = misses[:NAMED_MISSES]
    more = len(misses) - len(named)
    suggestions = [f"for {name}: {', '.join(near)}" for name in named if (near := _nearest(book, name))]
    hint = "Nearest " + "; ".join(suggestions) if suggestions else "Write EXCHANGE:SYMBOL, for example NSE:INFY"
    return UnknownInstrument(
        f"Unknown {'instrument' if len(misses) == 1 else 'instruments'}: {', '.join(map(repr, named))}"
        + (f" and {more} more" if more else ""),
        why="the day's instrument master lists no such symbol, token or match",
        hint=hint + ('; a name with a space needs quotes: "NIFTY 50"' if any(map(str.isdigit, named)) else ""),
    )


def _nearest(book: InstrumentBook, name: str) -> list[str]:
    """A token has no spelling and a pattern no slip: only names have neighbours."""
    return [] if name.isdigit() or set(name) & set("*?[") else book.nearest(name)
