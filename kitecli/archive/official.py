"""Ticks as the official client hands them out, saved as pickles or JSON, into a table's columns.

::

    [tick, tick, …]                     what on_ticks was given, one list or one after the other
    (stamp, [tick, …])                  with the time they were received
    {"received": stamp, "ticks": […]}   the same

A pickle may hold several of them, a JSON file one document, an NDJSON file one a line.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from kitecli.archive.unpickling import load_pickles
from kitecli.clock import IST
from kitecli.errors import DataError
from kitecli.tables.reading import Column

PICKLES: Final = (".pkl", ".pickle", ".p")
LINES: Final = (".ndjson", ".jsonl")
SUFFIXES: Final = (*PICKLES, *LINES, ".json")
_STAMPS: Final = ("ts_recv_ns", "received", "received_at", "time", "timestamp", "ts")
_OF_TICK: Final = ("ts_recv_ns", "received", "received_at")
_TIMES: Final = ("exchange_timestamp", "timestamp", "last_trade_time")
_NUMBERS: Final = (
    "instrument_token",
    "last_price",
    "last_traded_quantity",
    "last_quantity",
    "average_traded_price",
    "average_price",
    "volume_traded",
    "volume",
    "total_buy_quantity",
    "buy_quantity",
    "total_sell_quantity",
    "sell_quantity",
    "oi",
    "oi_day_high",
    "oi_day_low",
    "connection",
)
_DERIVED: Final = frozenset({"tradable", "change", "sequence", "snapshot", "ticks"})
"""What the official client, or kite, makes of the others; nothing is lost without them."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS: Final = ((1e11, 1_000_000_000), (1e14, 1_000_000), (1e17, 1_000))


class Stamped(NamedTuple):
    """A tick and when it was received, epoch nanoseconds; 0: its file doesn't say."""

    tick: Mapping[str, object]
    ts_recv_ns: int


def is_official(path: Path) -> bool:
    """Whether the file's name is that of saved ticks, not of a table."""
    return (Path(path.stem) if path.suffix.lower() == ".gz" else path).suffix.lower() in SUFFIXES


def read_official(path: Path) -> tuple[dict[str, Column], Counter[str]]:
    """The columns of a file of saved ticks, and what of it has no column, with how often.

    Raises DataError where it can't be read, holds no ticks, or no tick of it says when it was.
    """
    ticks = [stamped for thing in _things(path) for stamped in _ticks_in(thing, 0, path.name)]
    if not ticks:
        raise DataError(f"{path.name} has no ticks", hint="Give what on_ticks was called with")
    stamps, guessed = _stamps(ticks, path.name)
    columns = _columns([one.tick for one in ticks], path.name)
    columns["ts_recv_ns"] = np.array(stamps, np.int64)
    lost = Counter({"ticks without a time, given that of the tick before": guessed} if guessed else {})
    for one in ticks:
        lost.update(f"{key}: no such field in a packet" for key in one.tick.keys() - _KNOWN)
    return columns, lost


def _things(path: Path) -> Iterator[object]:
    try:
        data = path.read_bytes()
        packed = path.suffix.lower() == ".gz"
        data = gzip.decompress(data) if packed else data
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} can't be read", why=getattr(error, "strerror", None) or str(error)) from error
    suffix = (Path(path.stem) if packed else path).suffix.lower()
    if suffix in PICKLES:
        yield from load_pickles(data, path.name)
    elif suffix in LINES:
        lines = enumerate(data.splitlines(), start=1)
        yield from (_json(line, f"Line {number} of {path.name}") for number, line in lines if line.strip())
    else:
        yield _json(data, path.name)


def _json(data: bytes, what: str) -> object:
    try:
        found: object = json.loads(data)
    except ValueError as error:
        raise DataError(f"{what} can't be read", why=str(error), hint="Is it whole, and JSON?") from None
    return found


def _ticks_in(thing: object, stamp_ns: int, name: str) -> Iterator[Stamped]:
    if isinstance(thing, Mapping):
        if "ticks" in thing:
            own = next((_time_ns(thing[key], name) for key in _STAMPS if key in thing), stamp_ns)
            yield from _ticks_in(thing["ticks"], own, name)
            return
        own = next((_time_ns(thing[key], name) for key in _OF_TICK if thing.get(key)), stamp_ns)
        yield Stamped(thing, own)
    elif isinstance(thing, list | tuple):
        if len(thing) == 2 and isinstance(thing[1], list | tuple) and not isinstance(thing[0], Mapping | list | tuple):
            yield from _ticks_in(thing[1], _time_ns(thing[0], name), name)
            return
        for one in thing:
            yield from _ticks_in(one, stamp_ns, name)
    else:
        raise DataError(
            f"{name} holds something that is no tick",
            why=f"a {type(thing).__name__} where a dictionary or a list of them belongs",
            hint="Give what on_ticks was called with",
        )


def _stamps(ticks: Sequence[Stamped], name: str) -> tuple[list[int], int]:
    """When each was received, or else sent, or else when the one before was; how many of these last there are."""
    own = [one.ts_recv_ns or _sent_ns(one.tick, name) for one in ticks]
    first = next((stamp for stamp in own if stamp), 0)
    if not first:
        raise DataError(
            f"No tick of {name} says when it was",
            why="ltp and quote ticks carry no time, and the file has none beside them",
            hint='Save {"received": time.time_ns(), "ticks": ticks} for each call of on_ticks',
        )
    stamps: list[int] = []
    for stamp in own:
        stamps.append(stamp or (stamps[-1] if stamps else first))
    return stamps, own.count(0)


def _sent_ns(tick: Mapping[str, object], name: str) -> int:
    return next((_time_ns(tick[key], name) for key in _TIMES if tick.get(key)), 0)


def _columns(ticks: Sequence[Mapping[str, object]], name: str) -> dict[str, Column]:
    found: dict[str, Column] = {"mode": np.array([_mode_of(tick) for tick in ticks])}
    keys = {key for tick in ticks for key in tick}
    for key in _NUMBERS:
        if key in keys:
            found[key] = _numbers((tick.get(key) for tick in ticks), key, name)
    for key in _TIMES:
        if key in keys:
            found[key] = np.array([_time_ns(tick.get(key), name) for tick in ticks], np.int64)
    if "ohlc" in keys:
        for key in ("open", "high", "low", "close"):
            found[key] = _numbers((_inside(tick, "ohlc").get(key) for tick in ticks), f"ohlc.{key}", name)
    if "depth" in keys:
        found.update(_depth_columns(ticks, name))
    if keys & {"instrument", "tradingsymbol"}:
        found["tradingsymbol"] = np.array(
            [str(tick.get("instrument") or tick.get("tradingsymbol") or "") for tick in ticks]
        )
    return found


def _depth_columns(ticks: Sequence[Mapping[str, object]], name: str) -> Iterator[tuple[str, Column]]:
    for side in ("buy", "sell"):
        books = [_levels(tick, side) for tick in ticks]
        for level in range(5):
            for field in ("price", "quantity", "orders"):
                values = (book[level].get(field) if level < len(book) else 0 for book in books)
                yield f"{side}_{field}_{level + 1}", _numbers(values, f"depth.{side}", name)


def _levels(tick: Mapping[str, object], side: str) -> Sequence[Mapping[str, object]]:
    book = _inside(tick, "depth").get(side)
    return [level for level in book if isinstance(level, Mapping)] if isinstance(book, list | tuple) else []


def _inside(tick: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = tick.get(key)
    return value if isinstance(value, Mapping) else {}


def _numbers(values: Iterable[object], key: str, name: str) -> Column:
    numbers = []
    for number, value in enumerate(values, start=1):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise DataError(f"Tick {number} of {name} can't be read", why=f"its {key} is {value!r}, no number")
        numbers.append(value or 0)
    return np.array(numbers, np.float64)


def _mode_of(tick: Mapping[str, object]) -> str:
    """What it says, or what its fields tell."""
    if isinstance(tick.get("mode"), str):
        return str(tick["mode"])
    return "full" if "depth" in tick else "quote" if "ohlc" in tick else "ltp"


def _time_ns(value: object, name: str) -> int:
    """A time as datetime, text or number; without a zone it is Indian. 0 for None."""
    if value is None or value == "":
        return 0
    if isinstance(value, int | float):
        unit = next((unit_ns for below, unit_ns in _UNITS if value < below), 1)
        return round(value * unit)
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        at = None
    if not isinstance(at, datetime):
        raise DataError(
            f"{value!r} in {name} is no time", hint="Times are datetimes, epoch seconds to nanoseconds, or ISO 8601"
        )
    since = (at if at.tzinfo else at.replace(tzinfo=IST)) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000


_KNOWN: Final = frozenset(
    {*_NUMBERS, *_TIMES, *_OF_TICK, *_DERIVED, "mode", "ohlc", "depth", "instrument", "tradingsymbol"}
)
