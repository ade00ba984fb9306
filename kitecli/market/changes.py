"""What differs between two days' masters. Tokens are reused and symbols renamed, so both are followed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import date
from typing import Final

from kitecli.market.book import InstrumentBook
from kitecli.market.instruments import Instrument

KINDS: Final = ("renamed", "token-moved", "token-reused", "lot-size", "tick-size", "expiry", "new", "gone", "expired")
"""In the order of how much they hurt somebody who kept yesterday's master."""

_Watched = tuple[tuple[str, str], ...]
_WATCHED: Final[_Watched] = (("lot-size", "lot_size"), ("tick-size", "tick_size"), ("expiry", "expiry"))


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. ``key``: the newer name where there is one; ``before`` and ``after``: what changed, as text."""

    kind: str
    key: str
    token: int
    before: str = ""
    after: str = ""

    def cells(self) -> tuple[str, str, str, str, str]:
        """As a row of text."""
        return self.kind, self.key, str(self.token), self.before, self.after

    def as_dict(self) -> dict[str, str | int]:
        return asdict(self)


def changes(old: InstrumentBook, new: InstrumentBook, day: date | None = None) -> list[Change]:
    """Every difference, by kind in the order of ``KINDS``, then by name.

    ``day``: contracts that were to expire before it are ``expired`` rather than ``gone``; default: the newer book's.

    * ``renamed``: another symbol for the same exchange token, and the same company or contract behind it;
    * ``token-moved``: the same symbol under another instrument token;
    * ``token-reused``: the same token for another contract. Both also stand under ``gone`` and ``new``.
    """
    before, after = _by_key(old), _by_key(new)
    gone = {key: row for key, row in before.items() if key not in after}
    fresh = {key: row for key, row in after.items() if key not in before}
    today = (day or date.fromordinal(max(new.index.day, 1))).toordinal()
    found = [
        *_tokens(old, new, gone, fresh),
        *_values(old, new, [(row, after[key]) for key, row in before.items() if key in after]),
    ]
    renamed = {change.before for change in found if change.kind == "renamed"}
    arrived = {change.key for change in found if change.kind == "renamed"}
    found += [Change("new", key, new.index.token(row)) for key, row in fresh.items() if key not in arrived]
    expiries = old.index.column("expiry")
    found += [
        Change("expired" if 0 < expiries[row] < today else "gone", key, old.index.token(row))
        for key, row in gone.items()
        if key not in renamed
    ]
    return sorted(found, key=lambda change: (KINDS.index(change.kind), change.key))


def tally(found: Iterable[Change]) -> dict[str, int]:
    """How many there are of each kind there are any of."""
    counts = Counter(change.kind for change in found)
    return {kind: counts[kind] for kind in KINDS if counts[kind]}


def _by_key(book: InstrumentBook) -> dict[str, int]:
    """Rows by ``EXCHANGE:SYMBOL``; the first where one stands twice."""
    rows: dict[str, int] = {}
    for row, key in enumerate(book.keys):
        rows.setdefault(key, row)
    return rows


def _tokens(old: InstrumentBook, new: InstrumentBook, gone: dict[str, int], fresh: dict[str, int]) -> Iterator[Change]:
    """A name that went and one that came under the same exchange token: renamed, or the token reused."""
    arrived = {_place(new, row): (key, row) for key, row in fresh.items()}
    for key, row in gone.items():
        if (found := arrived.get(_place(old, row))) is None:
            continue
        other, at = found
        kind = "renamed" if _is_same(old.row(row), new.row(at)) else "token-reused"
        yield Change(kind, other, new.index.token(at), key, other)


def _place(book: InstrumentBook, row: int) -> tuple[str, str]:
    return book.index.exchange(row), book.index.exchange_token(row)


def _is_same(old: Instrument, new: Instrument) -> bool:
    """Shares keep their exchange token for life; a contract's goes to another when it has expired."""
    if not old.is_derivative or not new.is_derivative:
        return old.is_derivative == new.is_derivative
    terms = [(row.name, row.expiry, row.strike, row.instrument_type) for row in (old, new)]
    return terms[0] == terms[1]


def _values(old: InstrumentBook, new: InstrumentBook, pairs: list[tuple[int, int]]) -> Iterator[Change]:
    tokens = old.index.column("token").tolist(), new.index.column("token").tolist()
    for row, at in pairs:
        if tokens[0][row] != tokens[1][at]:
            yield Change("token-moved", new.keys[at], tokens[1][at], str(tokens[0][row]), str(tokens[1][at]))
    for kind, name in _WATCHED:
        was, now = old.index.column(name).tolist(), new.index.column(name).tolist()
        for row, at in pairs:
            if was[row] != now[at]:
                yield Change(kind, new.keys[at], tokens[1][at], _shown(name, was[row]), _shown(name, now[at]))


def _shown(name: str, value: float) -> str:
    if name != "expiry":
        return f"{value:g}"
    return date.fromordinal(int(value)).isoformat() if value else "none"
