"""What the synthetic market trades: well-known instruments under their true tokens, then generated ones.

The data stand in ``config/sim.yaml``, dated. Shares come first, what is computed from them (indices, the other
exchange's shares, contracts) after, so that the first N are a market of their own for every N. Contracts are those of
the month of the simulated day: an expiry is a weekday of the exchange's, holidays not looked at.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Literal, NamedTuple, TypedDict

from kitecli.errors import UsageError
from kitecli.market.instruments import Instrument
from kitecli.market.segments import INDICES, SEGMENTS
from kitecli.sim.shipped import shipped_file

Kind = Literal["walk", "index", "future", "option"]

INTEREST: Final = 0.065  # a year; what a future costs over its underlying
YEAR_DAYS: Final = 365
STOCK_VOLATILITY: Final = 0.011  # a day, of a share's own movement, beside the market's
FILLER_VOLATILITY: Final = 0.02
FIRST_FILLER: Final = 900_000  # exchange tokens no real share of the NSE comes near
MAX_INSTRUMENTS: Final = 1_000_000
OPTION_TICK: Final = 0.05
LEAST_DAYS_TO_EXPIRY: Final = 3  # a chain about to expire moves like nothing else

_SEGMENT_CODES: Final = {row.exchange: row.code for row in SEGMENTS.values() if row.tradable}
_EXPIRY_WEEKDAY: Final = {"NFO": 1, "BFO": 3, "CDS": 2, "BCD": 2, "MCX": 3, "NCO": 3}  # Monday is 0
_CRORE: Final = 10_000_000
_MONTHS: Final = "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"  # strftime's depend on the locale


@dataclass(frozen=True, slots=True)
class Listing:
    """An instrument and how the synthetic market moves it.

    ``close``: previous close in rupees. ``beta``: share of the market's movement. ``volatility``: of its own movement,
    a day, as a fraction; of an option: implied, a year. ``volume``: traded in a day. ``underlying``: token a future or
    option follows, 0 for none. ``members``: (token, weight) of an index.
    """

    instrument: Instrument
    kind: Kind
    close: float
    beta: float = 0.0
    volatility: float = 0.0
    volume: int = 0
    underlying: int = 0
    members: tuple[tuple[int, float], ...] = ()


class _Stock(NamedTuple):
    symbol: str
    exchange_token: int
    name: str
    close: float
    tick_size: float
    beta: float
    weight: float


class _Future(NamedTuple):
    name: str
    underlying: str
    exchange: str
    exchange_token: int
    tick_size: float
    lot: int


class _Other(NamedTuple):
    name: str
    exchange: str
    exchange_token: int
    close: float
    tick_size: float
    lot: int
    volatility_percent: float


class _Index(TypedDict):
    symbol: str
    token: int
    exchange: str
    close: float
    members: str | dict[str, float]


class _Chain(TypedDict):
    name: str
    underlying: str
    exchange: str
    first_token: int
    step: float
    strikes: int
    lot: int
    volatility: float


class Sheet(TypedDict):
    """``config/sim.yaml``; its comments say what each column is."""

    stocks: list[list[Any]]
    indices: list[_Index]
    bse: list[tuple[str, int, float]]
    futures: list[list[Any]]
    chains: list[_Chain]
    others: list[list[Any]]


def load_sheet() -> Sheet:
    import yaml

    with shipped_file("sim.yaml").open(encoding="utf-8") as stream:
        # LibYAML reads it in a tenth of the time, which was a third of the exchange's start.
        sheet: Sheet = yaml.load(stream, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - safe ones
    return sheet


def build_universe(day: date, count: int = 0) -> tuple[Listing, ...]:
    """The listings of ``day``: exactly ``count`` of them, or all that have names if ``count`` is 0.

    The same day and count give the same listings. Raises UsageError for a count below 0 or above a million.
    """
    if not 0 <= count <= MAX_INSTRUMENTS:
        raise UsageError(
            f"A market of {count} instruments can't be simulated",
            why=f"the generated tokens reach to {MAX_INSTRUMENTS:,}",
            hint="Give --instruments a number from 1, or leave it out for those that have names",
        )
    named = list(_named(load_sheet(), day))
    if not count:
        return tuple(named)
    return tuple(named[:count] + [_filler(number) for number in range(1, count - len(named) + 1)])


def _named(sheet: Sheet, day: date) -> Iterator[Listing]:
    rows = [_Stock(*row) for row in sheet["stocks"]]
    stocks = {row.symbol: _stock(row) for row in rows}
    yield from stocks.values()
    weights = {row.symbol: row.weight for row in rows if row.weight}
    indices = {row["symbol"]: _index(row, weights, stocks) for row in sheet["indices"]}
    yield from indices.values()
    for symbol, exchange_token, tick_size in sheet["bse"]:
        yield _other_exchange(stocks[symbol], exchange_token, tick_size)
    underlyings = stocks | indices
    for row in (_Future(*fields) for fields in sheet["futures"]):
        yield _future(row, underlyings[row.underlying], day)
    for chain in sheet["chains"]:
        yield from _chain(chain, underlyings[chain["underlying"]], day)
    for fields in sheet["others"]:
        yield _other(_Other(*fields), day)


def _share(exchange: str, exchange_token: int, symbol: str, name: str, *, tick_size: float) -> Instrument:
    token = exchange_token << 8 | _SEGMENT_CODES[exchange]
    return Instrument(token, str(exchange_token), symbol, name, 0.0, None, 0.0, tick_size, 1, "EQ", exchange, exchange)


def _contract(row: _Future | _Other, expiry: date, kind: str = "FUT", strike: float = 0.0) -> Instrument:
    month = f"{expiry.year % 100:02}{_MONTHS[expiry.month * 3 - 3 : expiry.month * 3]}"
    return Instrument(
        instrument_token=row.exchange_token << 8 | _SEGMENT_CODES[row.exchange],
        exchange_token=str(row.exchange_token),
        tradingsymbol=row.name + month + (f"{strike:g}" if strike else "") + kind,
        name=row.name,
        last_price=0.0,
        expiry=expiry,
        strike=strike,
        tick_size=row.tick_size,
        lot_size=row.lot,
        instrument_type=kind,
        segment=f"{row.exchange}-{'OPT' if strike else 'FUT'}",
        exchange=row.exchange,
    )


def _stock(row: _Stock) -> Listing:
    # Rupees a day go with a company's weight: about 30 crore for the smallest, 1,700 for the largest.
    volume = int((30 + 130 * row.weight) * _CRORE / row.close)
    instrument = _share("NSE", row.exchange_token, row.symbol, row.name, tick_size=row.tick_size)
    return Listing(instrument, "walk", row.close, row.beta, STOCK_VOLATILITY, volume)


def _index(row: _Index, weights: Mapping[str, float], stocks: Mapping[str, Listing]) -> Listing:
    token, symbol, given = row["token"], row["symbol"], row["members"]
    if token & 0xFF != INDICES:
        raise ValueError(f"{token} isn't an index's token")
    chosen = given if isinstance(given, dict) else weights
    members = tuple((stocks[member].instrument.instrument_token, weight) for member, weight in chosen.items())
    exchange_token, exchange = str(token >> 8), row["exchange"]
    instrument = Instrument(token, exchange_token, symbol, symbol, 0.0, None, 0.0, 0.0, 0, "EQ", "INDICES", exchange)
    return Listing(instrument, "index", row["close"], members=members)


def _other_exchange(stock: Listing, exchange_token: int, tick_size: float) -> Listing:
    first = stock.instrument
    instrument = _share("BSE", exchange_token, first.tradingsymbol, first.name, tick_size=tick_size)
    return Listing(instrument, "future", stock.close, volume=stock.volume // 20, underlying=first.instrument_token)


def _future(row: _Future, underlying: Listing, day: date) -> Listing:
    expiry = monthly_expiry(row.exchange, day)
    close = underlying.close * (1 + INTEREST * (expiry - day).days / YEAR_DAYS)
    follows = underlying.instrument.instrument_token
    return Listing(_contract(row, expiry), "future", close, volume=40_000 * row.lot, underlying=follows)


def _chain(chain: _Chain, underlying: Listing, day: date) -> Iterator[Listing]:
    """Calls and puts around the money. Their closes follow from the underlying's; the market computes them."""
    expiry, reach = monthly_expiry(chain["exchange"], day), chain["strikes"]
    money = round(underlying.close / chain["step"])
    token = chain["first_token"]
    for at in range(-reach, reach + 1):
        volume = int(300_000 * chain["lot"] * math.exp(-abs(at) / 6))
        for kind in ("CE", "PE"):
            row = _Future(chain["name"], chain["underlying"], chain["exchange"], token, OPTION_TICK, chain["lot"])
            instrument = _contract(row, expiry, kind, float((money + at) * chain["step"]))
            follows = underlying.instrument.instrument_token
            yield Listing(instrument, "option", 0.0, 0.0, chain["volatility"], volume, follows)
            token += 1


def _other(row: _Other, day: date) -> Listing:
    instrument = _contract(row, monthly_expiry(row.exchange, day))
    return Listing(instrument, "walk", row.close, 0.0, row.volatility_percent / 100, 20_000 * row.lot)


def _filler(number: int) -> Listing:
    """Share ``number`` of a company that doesn't exist, at a price between 20 and 3,000 rupees."""
    spread = number * 0.618_033_988_75 % 1  # the golden ratio's multiples fill an interval evenly
    price = 20 * 150**spread
    tick_size = nse_tick_size(price)
    symbol = f"SIM{number:05d}"
    name = f"SIMULATED COMPANY {number}"
    instrument = _share("NSE", FIRST_FILLER + number, symbol, name, tick_size=tick_size)
    close = round(round(price / tick_size) * tick_size, 2)
    return Listing(instrument, "walk", close, 0.5 + spread, FILLER_VOLATILITY, int(20 * _CRORE / close))


def nse_tick_size(price: float) -> float:
    """The NSE's tick size of a share at ``price`` rupees, as reviewed monthly since April 2025."""
    bands = ((250, 0.01), (1000, 0.05), (5000, 0.1), (10_000, 0.5), (20_000, 1.0))
    return next((tick_size for below, tick_size in bands if price < below), 5.0)


def monthly_expiry(exchange: str, day: date) -> date:
    """The last of the exchange's expiry weekdays in ``day``'s month; in the next month's when that is too near."""
    weekday = _EXPIRY_WEEKDAY[exchange]
    expiry = _last_weekday(day.year, day.month, weekday)
    if (expiry - day).days >= LEAST_DAYS_TO_EXPIRY:
        return expiry
    following = day.replace(day=28) + timedelta(days=4)
    return _last_weekday(following.year, following.month, weekday)


def _last_weekday(year: int, month: int, weekday: int) -> date:
    last = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
    return last - timedelta(days=(last.weekday() - weekday) % 7)


def instruments_of(universe: Sequence[Listing]) -> list[Instrument]:
    return [listing.instrument for listing in universe]
