"""Candles as the broker's historical interface words them. Sans I/O.

``GET /instruments/historical/{token}/{interval}?from=…&to=…&continuous=0|1&oi=0|1``: both ends included, days and
times Indian, a candle stamped with its start. The running candle is given too, as the broker does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from kitecli.clock import IST
from kitecli.errors import HoursUnknown, OutsideCalendar
from kitecli.market.calendar import Calendar, Kind, midnight_s
from kitecli.market.calendar.session import DAY_S, IST_OFFSET_S, day_of
from kitecli.market.instruments import Instrument
from kitecli.market.segments import divisor_of
from kitecli.sim.history import History
from kitecli.sim.minutes import MINUTE_S, Ints, roll_up
from kitecli.sim.sessions import Refusal
from kitecli.sim.shipped import shipped_file
from kitecli.sim.source import Records

SIZES_S: Final[Mapping[str, int]] = {
    "minute": MINUTE_S,
    "3minute": 3 * MINUTE_S,
    "5minute": 5 * MINUTE_S,
    "10minute": 10 * MINUTE_S,
    "15minute": 15 * MINUTE_S,
    "30minute": 30 * MINUTE_S,
    "60minute": 60 * MINUTE_S,
    "day": DAY_S,
}
USUAL_OPEN_S: Final = (9 * 60 + 15) * 60  # where buckets begin on a day without sessions
_FORMS: Final = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_ROLLING: Final = frozenset({"NFO", "MCX"})  # exchanges whose futures have continuous days

Data = dict[str, list[list[object]]]


@dataclass(frozen=True, slots=True)
class _Asked:
    slot: int
    interval: str
    first_s: int
    last_s: int
    with_oi: bool
    continuous: bool


class Candles:
    """``spans``: days one request may reach, by interval; ``calendar`` is called when it is first needed."""

    def __init__(
        self,
        instruments: Sequence[Instrument],
        history: History,
        spans: Mapping[str, int],
        calendar: Callable[[], Calendar],
    ) -> None:
        self._instruments = instruments
        self._slot_of = {str(row.instrument_token): slot for slot, row in enumerate(instruments)}
        self._history = history
        self._spans = spans
        self._calendar = calendar

    def answer(self, token: str, interval: str, fields: Mapping[str, str]) -> Data | Refusal:
        """``fields``: from, to, continuous and oi, as the query has them."""
        asked = self._understood(token, interval, fields)
        if isinstance(asked, Refusal):
            return asked
        found = self._rolled(asked)
        row = self._instruments[asked.slot]
        return {"candles": _worded(found, divisor_of(row.instrument_token), with_oi=asked.with_oi)}

    def _understood(self, token: str, interval: str, fields: Mapping[str, str]) -> _Asked | Refusal:
        slot = self._slot_of.get(token)
        if slot is None:
            return _wrong("invalid token")
        if interval not in self._spans:
            return _wrong("invalid interval")
        first, last = (_moment(fields.get(name, "")) for name in ("from", "to"))
        if first is None or last is None:
            return _wrong(f"invalid {'to' if first else 'from'} date")
        if last < first:
            return _wrong("from date cannot be after to date")
        if last - first > timedelta(days=self._spans[interval]):
            return _wrong(f"interval exceeds max limit: {self._spans[interval]} days")
        row, continuous = self._instruments[slot], fields.get("continuous") == "1"
        rolls = interval == "day" and row.instrument_type == "FUT" and row.exchange in _ROLLING
        if continuous and not rolls:
            return _wrong("invalid token for continuous data" if interval == "day" else "invalid interval")
        span_s = int(first.timestamp()), int(last.timestamp())
        return _Asked(slot, interval, *span_s, with_oi=fields.get("oi") == "1", continuous=continuous)

    def _rolled(self, asked: _Asked) -> Records:
        """Candles whose start lies in the time asked for; a day's if any of the day does."""
        size_s = SIZES_S[asked.interval]
        first_s, last_s = asked.first_s, asked.last_s
        if size_s == DAY_S:
            first_s = midnight_s(day_of(first_s))
        minutes = self._history.minutes(asked.slot, first_s, last_s + size_s, continuous=asked.continuous)
        starts = self._starts(minutes["start_s"], size_s, self._instruments[asked.slot].exchange)
        inside = (starts >= first_s) & (starts <= last_s)
        return roll_up(minutes[inside], starts[inside])

    def _starts(self, at_s: Ints, size_s: int, exchange: str) -> Ints:
        """(n,) when the candles begin that these minutes belong to."""
        day = (at_s + IST_OFFSET_S) // DAY_S * DAY_S - IST_OFFSET_S
        if size_s in (MINUTE_S, DAY_S):
            return at_s if size_s == MINUTE_S else day
        days, which = np.unique(day, return_inverse=True)
        opens = np.array([self._opens_s(exchange, int(one)) for one in days], np.int64)[which]
        starts: Ints = opens + (at_s - opens) // size_s * size_s
        return starts

    def _opens_s(self, exchange: str, midnight: int) -> int:
        calendar = self._calendar()
        try:
            sessions = calendar.sessions_on(exchange, day_of(midnight)) if exchange in calendar.segments else ()
        except (HoursUnknown, OutsideCalendar):
            sessions = ()
        opens = (one.open_s for one in sessions if one.kind is Kind.CONTINUOUS)
        return next(opens, midnight + USUAL_OPEN_S)


def load_spans() -> dict[str, int]:
    """Days one request may reach, by interval."""
    import yaml

    with shipped_file("limits.yaml").open(encoding="utf-8") as stream:
        spans: dict[str, int] = yaml.safe_load(stream)["historical"]["days_per_request"]
    return spans


def _wrong(message: str) -> Refusal:
    return Refusal(400, message, "InputException")


def _moment(text: str) -> datetime | None:
    for form in _FORMS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=IST)
        except ValueError:
            continue
    return None


def _worded(candles: Records, divisor: int, *, with_oi: bool) -> list[list[object]]:
    clocks = np.datetime_as_string((candles["start_s"] + IST_OFFSET_S).astype("M8[s]"))
    stamps = [f"{clock}+0530" for clock in clocks.tolist()]
    prices = [(candles[name] / divisor).tolist() for name in ("open", "high", "low", "close")]
    counts = [candles[name].tolist() for name in (("volume", "oi") if with_oi else ("volume",))]
    return [list(row) for row in zip(stamps, *prices, *counts, strict=True)]
