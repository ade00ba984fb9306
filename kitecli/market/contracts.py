"""Contracts as traders say them: ``NFO:NIFTY:weekly:ATM±10``, ``NFO:NIFTY:FUT:near``, ``MCX:GOLD:near:CE``.

::

    EXCHANGE:UNDERLYING:PART[:PART…]      parts in any order, each of a kind at most once

    expiry   near, next, far              the first, second and third to come
             weekly                       the first to come, of an underlying that has several a month
             monthly                      the first to come that is the last of its month
             2026-12-31                   that day
    type     FUT, CE, PE, OPT (both)
    strike   ATM, ATM±10, ATM+2, ATM-3    as many strikes on both sides or one of the one nearest the spot price;
                                          ± may be written +-
             25000, 24000..26000          a strike, or all from one to another

Expiry words count the contracts of the chosen type: the third future isn't the third option. On its last day a
contract is still the nearest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from difflib import get_close_matches
from typing import Final

from kitecli.errors import SubscriptionError, UnknownInstrument
from kitecli.market.book import InstrumentBook
from kitecli.market.instruments import Instrument

Prices = Callable[[Sequence[str]], Mapping[str, float]]
"""Last prices in rupees by ``NSE:NIFTY 50``; names without one are left out."""

TYPES: Final = {"FUT": ("FUT",), "CE": ("CE",), "PE": ("PE",), "OPT": ("CE", "PE")}
COUNTED: Final = {"NEAR": 0, "NEXT": 1, "FAR": 2}
WORDS: Final = (*TYPES, *COUNTED, "WEEKLY", "MONTHLY", "ATM")
# The index behind a name of contracts. Source: the exchanges' contract specifications, 2026; shares are their own.
INDICES: Final = {
    "NIFTY": "NSE:NIFTY 50",
    "BANKNIFTY": "NSE:NIFTY BANK",
    "FINNIFTY": "NSE:NIFTY FIN SERVICE",
    "MIDCPNIFTY": "NSE:NIFTY MID SELECT",
    "NIFTYNXT50": "NSE:NIFTY NEXT 50",
    "SENSEX": "BSE:SENSEX",
    "BANKEX": "BSE:BANKEX",
    "SENSEX50": "BSE:SNSX50",
}
_AT_THE_MONEY: Final = re.compile(r"ATM(?:(±|\+-|\+/-|\+|-)(\d{1,4}))?")
_STRIKES: Final = re.compile(r"(\d+(?:\.\d+)?)(?:\.\.(\d+(?:\.\d+)?))?")
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Contracts:
    """A selector taken apart. ``below`` and ``above``: strikes beside the money; None: no money in it."""

    text: str
    exchange: str
    name: str
    types: tuple[str, ...] = ()
    expiry: str = ""
    below: int | None = None
    above: int | None = None
    strikes: tuple[float, float] | None = None


def parse_contracts(text: str) -> Contracts | None:
    """Take a selector apart; None for what has no two colons and is therefore none.

    :raises SubscriptionError: a part that is none, or two of a kind.
    """
    exchange, *rest = (part.strip() for part in text.strip().upper().split(":"))
    if len(rest) < 2:
        return None
    found = Contracts(text.strip(), exchange, rest[0])
    for part in rest[1:]:
        found = _with_part(found, part)
    if found.types == TYPES["FUT"] and (found.below is not None or found.strikes):
        raise _mistake(text, "a future has no strike", "leave the strike out, or write CE, PE or OPT instead of FUT")
    return found


def rows_of(book: InstrumentBook, wanted: Contracts, today: date, prices: Prices | None) -> list[int]:
    """The rows a selector means, by expiry, strike and type; ``prices`` is asked for ATM alone.

    :raises UnknownInstrument: an underlying without contracts, or an expiry or strike not listed.
    :raises SubscriptionError: ATM without a spot price.
    """
    rows = _live(book, wanted, today)
    if wanted.expiry:
        rows = _of_expiry(book, wanted, rows)
    strikes = book.index.real("strike")
    if wanted.below is not None or wanted.strikes:
        listed = sorted({strikes[row] for row in rows if strikes[row] > 0})
        chosen = _strikes(book, wanted, listed, today, prices)
        rows = [row for row in rows if strikes[row] in chosen]
    expiries, kinds = book.index.column("expiry"), book.index.column("kind")
    return sorted(rows, key=lambda row: (expiries[row], strikes[row], book.index.kind_words(kinds[row])[0]))


def underlyings_at_the_money(book: InstrumentBook, wanted: Iterable[Contracts], today: date) -> list[str]:
    """Whose prices selectors need, each once, so that one call can ask for all."""
    found = [underlying(book, one.exchange, one.name, today) for one in wanted if one.below is not None]
    return list(dict.fromkeys(behind.key for behind in found if behind))


def underlying(book: InstrumentBook, exchange: str, name: str, today: date) -> Instrument | None:
    """What contracts on ``name`` are on: an index, a share, or the nearest future of a commodity or currency."""
    shares = ("BSE", "NSE") if exchange == "BFO" else ("NSE", "BSE")
    for key in (INDICES.get(name), *(f"{share}:{name}" for share in shares)):
        if key and exchange in {"NFO", "BFO"} and (found := book.find(key)):
            return found
    futures = _live(book, Contracts("", exchange, name, TYPES["FUT"]), today, required=False)
    expiries = book.index.column("expiry")
    return book.row(min(futures, key=lambda row: expiries[row])) if futures else None


def _with_part(found: Contracts, part: str) -> Contracts:
    changed = _as_type(found, part) or _as_expiry(found, part) or _as_strike(found, part)
    if changed is None:
        near = get_close_matches(part, WORDS, 1)
        raise _mistake(
            found.text,
            f"{part!r} is no expiry, type or strike",
            (
                f"did you mean {near[0].lower() if near[0] not in TYPES else near[0]}?"
                if near
                else "write it as NFO:NIFTY:weekly:ATM±10 or NFO:NIFTY:FUT:near"
            ),
        )
    return changed


def _as_type(found: Contracts, part: str) -> Contracts | None:
    if part not in TYPES:
        return None
    _refuse_second(found, "types", bool(found.types))
    return replace(found, types=TYPES[part])


def _as_expiry(found: Contracts, part: str) -> Contracts | None:
    if part not in (*COUNTED, "WEEKLY", "MONTHLY") and not _DAY.fullmatch(part):
        return None
    _refuse_second(found, "expiries", bool(found.expiry))
    return replace(found, expiry=part)


def _as_strike(found: Contracts, part: str) -> Contracts | None:
    money, plain = _AT_THE_MONEY.fullmatch(part), _STRIKES.fullmatch(part)
    if not money and not plain:
        return None
    _refuse_second(found, "strikes", found.below is not None or found.strikes is not None)
    if plain:
        low = float(plain[1])
        return replace(found, strikes=(low, float(plain[2] or low)))
    sign, count = money[1], int(money[2] or 0)  # type: ignore[index]  # one of the two matched
    return replace(found, below=0 if sign == "+" else count, above=0 if sign == "-" else count)


def _refuse_second(found: Contracts, what: str, already: bool) -> None:
    if already:
        raise _mistake(found.text, f"it names two {what}", "write two selectors")


def _live(book: InstrumentBook, wanted: Contracts, today: date, *, required: bool = True) -> list[int]:
    """Rows of the underlying and types that haven't expired."""
    index = book.index
    expiries, kinds = index.column("expiry"), index.column("kind")
    types = wanted.types or (TYPES["OPT"] if wanted.below is not None or wanted.strikes else ("FUT", "CE", "PE"))
    rows = [
        row
        for row in book.contracts_on(wanted.exchange, wanted.name)
        if expiries[row] >= today.toordinal() and index.kind_words(kinds[row])[0] in types
    ]
    if not rows and required:
        raise _no_contracts(book, wanted)
    return rows


def _of_expiry(book: InstrumentBook, wanted: Contracts, rows: Sequence[int]) -> list[int]:
    expiries = book.index.column("expiry")
    listed = sorted({expiries[row] for row in rows})
    chosen = _expiry(wanted, listed)
    return [row for row in rows if expiries[row] == chosen]


def _expiry(wanted: Contracts, listed: list[int]) -> int:
    """The ordinal an expiry word means among those listed, which ascend."""
    if _DAY.fullmatch(wanted.expiry):
        return _named_day(wanted, listed)
    monthly = _last_of_months(listed)
    if wanted.expiry == "MONTHLY":
        return monthly[0]
    if wanted.expiry == "WEEKLY":
        if len(monthly) == len(listed):
            raise _not_listed(wanted, "it has no weekly expiries", listed)
        return listed[0]
    place = COUNTED[wanted.expiry]
    if place >= len(listed):
        raise _not_listed(
            wanted, f"it has {len(listed)} {'expiry' if len(listed) == 1 else 'expiries'} to come", listed
        )
    return listed[place]


def _named_day(wanted: Contracts, listed: list[int]) -> int:
    try:
        ordinal = date.fromisoformat(wanted.expiry).toordinal()
    except ValueError:
        raise _mistake(wanted.text, f"{wanted.expiry} is no date", "write YYYY-MM-DD") from None
    if ordinal not in listed:
        near = sorted(listed, key=lambda other: abs(other - ordinal))[:3]
        raise _not_listed(wanted, f"nothing expires on {wanted.expiry}", sorted(near))
    return ordinal


def _last_of_months(listed: Iterable[int]) -> list[int]:
    last: dict[tuple[int, int], int] = {}
    for ordinal in listed:
        day = date.fromordinal(ordinal)
        last[day.year, day.month] = ordinal
    return list(last.values())


def _strikes(
    book: InstrumentBook, wanted: Contracts, listed: list[float], today: date, prices: Prices | None
) -> frozenset[float]:
    if wanted.strikes:
        low, high = wanted.strikes
        chosen = [strike for strike in listed if low <= strike <= high]
        if not chosen:
            near = sorted(listed, key=lambda strike: abs(strike - low))[:3]
            raise UnknownInstrument(
                f"{wanted.text} means no contract",
                why=f"no strike from {low:g} to {high:g} is listed",
                hint=f"Nearest: {', '.join(f'{strike:g}' for strike in sorted(near))}",
            )
        return frozenset(chosen)
    price = _spot_price(book, wanted, today, prices)
    money = min(range(len(listed)), key=lambda at: abs(listed[at] - price))
    return frozenset(listed[max(0, money - (wanted.below or 0)) : money + (wanted.above or 0) + 1])


def _spot_price(book: InstrumentBook, wanted: Contracts, today: date, prices: Prices | None) -> float:
    behind = underlying(book, wanted.exchange, wanted.name, today)
    price = prices([behind.key]).get(behind.key) if prices and behind else None
    if price is None or price <= 0:
        where = behind.key if behind else f"what {wanted.name} is written on"
        raise SubscriptionError(
            f"{wanted.text} needs a spot price",
            why=f"the last price of {where} isn't known here",
            hint="Give strikes instead, as 24000..26000, or log in so that the price can be asked for",
        )
    return price


def _no_contracts(book: InstrumentBook, wanted: Contracts) -> UnknownInstrument:
    names = book.underlyings(wanted.exchange)
    near = get_close_matches(wanted.name, names, 3)
    exchanges = ", ".join(book.index.exchanges())
    if not names:
        why, hint = f"{wanted.exchange} lists no contracts", f"The master's exchanges are {exchanges}"
    elif wanted.name in names:
        why, hint = "all its contracts of that type have expired", "kite instruments sync fetches today's"
    else:
        why = f"{wanted.exchange} lists no contracts on {wanted.name}"
        hint = f"Nearest: {', '.join(near)}" if near else f"kite instruments search {wanted.name}"
    return UnknownInstrument(f"{wanted.text} means no contract", why=why, hint=hint)


def _not_listed(wanted: Contracts, why: str, listed: Sequence[int]) -> UnknownInstrument:
    days = ", ".join(date.fromordinal(ordinal).isoformat() for ordinal in listed[:4])
    return UnknownInstrument(f"{wanted.text} means no contract", why=why, hint=f"Listed: {days}")


def _mistake(text: str, why: str, hint: str) -> SubscriptionError:
    return SubscriptionError(f"{text.strip()} can't be read", why=why, hint=hint)
