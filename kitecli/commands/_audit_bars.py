"""What ``kite audit-bars`` compares and with what: the running feed's bars, the broker's candles, what is known."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from kitecli.bars.audit import audit
from kitecli.bars.audit_pairs import Candle, Evidence, Outage
from kitecli.bars.intervals import DAY_MS, Interval
from kitecli.bars.record import AUCTIONS
from kitecli.bars.table import continuous
from kitecli.broker.historical import SETTLED_AFTER_S, CandleRequest, fetch_candles, interval_named
from kitecli.clock import IST, NS_PER_S, ist
from kitecli.commands._shared import print_json, print_rows, say
from kitecli.commands._stream import selected
from kitecli.errors import FeedError, UsageError
from kitecli.market.segments import divisor_of
from kitecli.market.tick import FLAG_OHLC
from kitecli.terminal.audit_rows import HEADS, Audited, audit_document, audit_line, audit_rows

if TYPE_CHECKING:
    from kitecli.broker.rest import BrokerSession
    from kitecli.gateway.feed import Feed
    from kitecli.settings import Settings
    from kitecli.wiring import Market

Table = NDArray[np.void]
_NEVER_MS: Final = 1 << 62
MOST: Final = 1 << 22
"""Bars asked for: all there are."""
_FORMS: Final = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_TIMES: Final = ("%H:%M", "%H:%M:%S")


@dataclass(frozen=True, slots=True)
class Period:
    """Which bars: of an interval the broker has too, that begin from ``first`` on and before ``last``."""

    interval: Interval
    word: str
    first: datetime | None
    last: datetime | None

    @classmethod
    def parse(cls, interval: str, first: str, last: str) -> Period:
        """Raises :class:`UsageError`."""
        plain = Interval.parse(interval)
        since, until = _moment("--from", first), _moment("--to", last, end_of_day=True)
        if since and until and until <= since:
            raise UsageError(f"--to {last} is before --from {first}", hint="swap them")
        return cls(plain, interval_named("day" if str(plain) == "day" else interval), since, until)

    def part_of(self, table: Table) -> Table:
        """Its rows; the auctions of its days stay."""
        starts, auction = table["start"].astype(np.int64), table["flags"] & AUCTIONS != 0
        since = _ms(self.first) if self.first else 0
        until = _ms(self.last) if self.last else _NEVER_MS
        inside = (starts >= since) & (starts < until)
        near = auction & (starts >= since - DAY_MS) & (starts < until + DAY_MS)
        kept: Table = table[inside | near]
        return kept


def audited(settings: Settings, market: Market, symbols: Sequence[str], period: Period) -> list[Audited]:
    """Each instrument's audit. Raises :class:`NoFeed`, :class:`FeedError` where no bar is closed, and as the broker."""
    from kitecli.wiring import Wanted, join_feed, rest_session

    with join_feed(settings, market) as feed:
        selection = selected(settings, market, Wanted(tuple(symbols)))
        session = rest_session(market)
        return [_audited(feed, session, one.token, one.label, period) for one in selection]


def print_audits(found: Sequence[Audited], period: Period, *, as_json: bool) -> None:
    """Differences on stdout, on stderr a sentence for each instrument."""
    if as_json:
        unexplained = sum(one.audit.unexplained for one in found)
        documents = [audit_document(one, period.interval) for one in found]
        print_json({"instruments": documents, "unexplained": unexplained})
        return
    rows = [row for one in found for row in audit_rows(one)]
    if rows:
        print_rows(HEADS, rows)
    for one in found:
        say(audit_line(one))


def _audited(feed: Feed, session: BrokerSession, token: int, label: str, period: Period) -> Audited:
    table = period.part_of(_bars(feed, token, period.interval))
    if not continuous(table).size:
        raise FeedError(
            f"The feed has no closed {period.interval} bar of {label}" + (" in that time" if period.first else ""),
            hint="it needs one that has ended; kite bars shows what there is, kite status what is streamed",
        )
    asked_s = time.time()
    candles = list(_candles(session, token, period, table, asked_s))
    return Audited(token, label, audit(table, candles, _evidence(feed, token, period, asked_s)))


def _bars(feed: Feed, token: int, interval: Interval) -> Table:
    """All the feed has: with earlier revisions where it builds the interval itself."""
    if interval in feed.intervals:
        return feed.published_bars(token, interval)
    return feed.bars(token, interval, MOST, auctions=True)


def _candles(session: BrokerSession, token: int, period: Period, table: Table, asked_s: float) -> Iterator[Candle]:
    """From the beginning of the first bar's day, for a day's first candle is another matter, to our last bar."""
    from kitecli.broker.pace import SharedPace, pace_file
    from kitecli.ring.location import runtime_dir
    from kitecli.settings.endpoints import load_rest_limits

    starts = continuous(table)["start"].astype(np.int64)
    midnight = ist(int(starts.min()) / 1000).replace(hour=0, minute=0, second=0, microsecond=0)
    last = ist(int(starts.max()) / 1000)
    SharedPace(pace_file(runtime_dir(), session), load_rest_limits().historical_requests_per_s).turn()
    found = fetch_candles(session, CandleRequest(token, period.word, midnight, last), asked_s)
    for row in found.tolist():
        start_s, open_, high, low, close, volume, *_ = row
        yield Candle(ist(start_s), open_, high, low, close, volume)


def _evidence(feed: Feed, token: int, period: Period, asked_s: float) -> Evidence:
    outages = [
        Outage(ist(gap.from_ns / NS_PER_S), None if gap.to_ns is None else ist(gap.to_ns / NS_PER_S))
        for gap in feed.known_gaps()
        if token in gap.tokens
    ]
    return Evidence(period.interval, outages, _day_opens(feed, token), ist(asked_s - SETTLED_AFTER_S))


def _day_opens(feed: Feed, token: int) -> dict[date, float]:
    """The open of the day of its latest tick, as the tick has it."""
    ticks, _ = feed.latest()
    mine = ticks[(ticks["token"] == token) & (ticks["flags"] & FLAG_OHLC != 0)]
    return {
        ist(tick["ts_event_s"] or tick["ts_recv_ns"] / NS_PER_S).date(): tick["open"] / divisor_of(token)
        for tick in mine
    }


def _moment(option: str, text: str, *, end_of_day: bool = False) -> datetime | None:
    """A time of today or of a day, in India; None where nothing was said."""
    if not text:
        return None
    for form in _TIMES:
        try:
            clock = datetime.strptime(text, form).time()  # noqa: DTZ007 - a time of day alone
        except ValueError:
            continue
        return datetime.combine(ist(time.time()).date(), clock, IST)
    for form in _FORMS:
        try:
            found = datetime.strptime(text, form).replace(tzinfo=IST)
        except ValueError:
            continue
        return found + timedelta(days=1) if end_of_day and form == _FORMS[-1] else found
    raise UsageError(f"{option} {text!r} is no time", hint="write 10:00, 2026-11-24 or '2026-11-24 10:00'")


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
