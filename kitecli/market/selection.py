"""Instruments as people say them: names, tokens, patterns, contracts and files, resolved against the day's instruments.

=================================  ===========================================================================
``NSE:INFY``, ``INFY``             a symbol; a bare one means NSE, then BSE, then the one exchange that lists it
``408065``                         an instrument token
``NFO:NIFTY*``, ``*:GOLD*``        a shell pattern of ``EXCHANGE:SYMBOL``
``NFO:NIFTY:weekly:ATM±10``        contracts: see kitecli.market.contracts
``@FILE``                          the lines of a file, a watchlist
=================================  ===========================================================================

A watchlist is text: one instrument a line or several between commas, each with a mode behind it if it wants one,
and comments from ``#`` to the end of the line::

    # my banks
    NSE:HDFCBANK full
    ICICIBANK, NIFTY BANK quote     # a bare symbol means NSE, then BSE
    408065
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from kitecli.errors import DataError, SubscriptionError, TooManyInstruments, UnknownInstrument
from kitecli.market.book import InstrumentBook
from kitecli.market.contracts import Prices, parse_contracts, rows_of, underlyings_at_the_money
from kitecli.market.instruments import Instrument
from kitecli.market.modes import MODES

# An error that lists a thousand names helps nobody; looking for the nearest takes 0.1 s each.
NAMED_MISSES: Final = 10
PATTERN_LETTERS: Final = frozenset("*?[")
LIMIT: Final = 9000
"""What one api_key may stream: three connections of 3,000 instruments."""


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
    wishes: Iterable[Wish],
    *,
    mode: str | None = None,
    equity_mode: str = "quote",
    futures_mode: str = "full",
    limit: int = LIMIT,
    today: date | None = None,
    prices: Prices | None = None,
) -> Selection:
    """Resolve what somebody asked for, in his order; patterns and contracts in the master's and by expiry and strike.

    A mode written behind a name wins over ``mode``; without either, derivatives get ``futures_mode`` and all else
    ``equity_mode``. An instrument named twice keeps its first place and its last mode. Contracts that expired before
    ``today`` (default: the master's day) are left out of selectors; ``prices`` is asked once, for ATM alone.

    :raises UnknownInstrument: names, tokens, patterns or contracts the book hasn't got, each with the nearest it has.
    :raises SubscriptionError: a bare symbol several exchanges list; a selector that is none; ATM without a price;
        nothing was asked for.
    :raises DataError: a file of symbols that can't be read.
    :raises TooManyInstruments: more than ``limit``.
    """
    asked = list(_with_files(wishes))
    day = today or date.fromordinal(max(book.index.day, 1))
    known = _known_prices(book, asked, day, prices)
    chosen: dict[int, tuple[Instrument, str | None]] = {}
    misses: list[str] = []
    for wish in asked:
        found = find(book, wish.name, day, known)
        misses.extend([] if found else [wish.name])
        for row in found:
            _, earlier = chosen.get(row.instrument_token, (row, None))
            chosen[row.instrument_token] = (row, wish.mode or earlier)
    _check(book, misses, len(chosen), limit)
    return Selection(
        tuple(
            Selected(token, row.key, own or mode or (futures_mode if row.is_derivative else equity_mode))
            for token, (row, own) in chosen.items()
        )
    )


def find(book: InstrumentBook, name: str, today: date, prices: Prices | None = None) -> list[Instrument]:
    """The instruments of a name, a token in digits, a pattern or a selector; a symbol of digits wins over a token.

    :raises UnknownInstrument: a selector that means no contract. :raises SubscriptionError: as :func:`select`.
    """
    if is_pattern(name):
        return [book.row(row) for row in book.match(name)]
    contracts = parse_contracts(name)
    if contracts:
        return [book.row(row) for row in rows_of(book, contracts, today, prices)]
    found = book.find(name)
    if found is None and name.isascii() and name.isdigit():
        found = book.get(int(name))
    return [found] if found else []


def is_pattern(name: str) -> bool:
    """Whether a name is a shell pattern: no symbol has one of its letters."""
    return bool(set(name) & PATTERN_LETTERS)


def _with_files(wishes: Iterable[Wish]) -> Iterator[Wish]:
    """Wishes, with the lines of a file in the place of ``@FILE``."""
    for wish in wishes:
        if wish.name.startswith("@"):
            yield from (Wish(one.name, one.mode or wish.mode) for one in read_watchlist(Path(wish.name[1:])))
        else:
            yield wish


def _known_prices(book: InstrumentBook, wishes: list[Wish], today: date, prices: Prices | None) -> Prices | None:
    """Prices asked for in one call: the broker allows one a second."""
    selectors = [found for wish in wishes if not is_pattern(wish.name) and (found := parse_contracts(wish.name))]
    names = underlyings_at_the_money(book, selectors, today)
    known = dict(prices(names)) if prices and names else {}
    return lambda keys: {key: known[key] for key in keys if key in known}


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
            hint="Narrow the pattern or shorten the list; kite instruments show counts before a feed does",
        )


def _unknown(book: InstrumentBook, misses: list[str]) -> UnknownInstrument:
    named = misses[:NAMED_MISSES]
    more = len(misses) - len(named)
    suggestions = [said for name in named if (said := _suggestion(book, name))]
    hint = "; ".join(suggestions) if suggestions else "Write EXCHANGE:SYMBOL, for example NSE:INFY"
    torn = any(name.isdigit() and not book.of_exchange_token(name) for name in named)
    return UnknownInstrument(
        f"Unknown {'instrument' if len(misses) == 1 else 'instruments'}: {', '.join(map(repr, named))}"
        + (f" and {more} more" if more else ""),
        why="the day's instrument master lists no such symbol, token or match",
        hint=hint[:1].upper() + hint[1:] + ('; a name with a space needs quotes: "NIFTY 50"' if torn else ""),
    )


def _suggestion(book: InstrumentBook, name: str) -> str:
    """What a miss may have meant. A token has no spelling, but may be the exchange's own; a pattern has no slip."""
    if name.isdigit():
        found = book.of_exchange_token(name)[:3]
        meant = ", ".join(f"{row.instrument_token} of {row.key}" for row in found)
        return f"{name} is an exchange token; the instrument token is {meant}" if meant else ""
    near = [] if is_pattern(name) else book.nearest(name)
    return f"nearest for {name}: {', '.join(near)}" if near else ""
