"""The download: request by request at the shared pace, again after what passes, each piece kept as it comes.

Whoever runs it hands in the request, the pace, the clock and the waiting, so a three-year pull is tested in a second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final, Protocol

from kitecli.broker.historical import SETTLED_AFTER_S, CandleRequest, Candles
from kitecli.candles.parts import Parts
from kitecli.candles.plan import ONE_DAY, Days, last_settled_day, missing, pieces
from kitecli.clock import IST, NS_PER_S, Clock
from kitecli.errors import BrokerUnavailable
from kitecli.market.calendar import midnight_s
from kitecli.market.instruments import Instrument

BACKOFF_S: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0)
"""A gateway's bad minute is outlasted; what takes longer is for another time, and nothing that came is lost."""

GO_ON: Final = "Run the same command again later: what came is kept, and it goes on where it was"


class Fetch(Protocol):
    """One request. Raises :class:`BrokerUnavailable` for what may work in a moment."""

    def __call__(self, request: CandleRequest, now_s: float) -> Candles: ...


@dataclass(frozen=True, slots=True)
class Series:
    """What is downloaded of an instrument, and where its pieces are."""

    instrument: Instrument
    interval: str
    parts: Parts
    continuous: bool = False
    oi: bool = False


def requests_for(series: Series, days: Days, spans: Mapping[str, int]) -> list[Days]:
    """The days of each request that is still to be made; ``spans``: how many one may reach, by interval."""
    gaps = missing(days, series.parts.had())
    return [piece for gap in gaps for piece in pieces(gap, spans[series.interval])]


class Downloader:
    """``spans`` as in :func:`requests_for`. ``turn`` waits until a request may be made.

    ``on_request`` is called after each with the seconds it will be tried again in, None where it was answered.
    """

    def __init__(
        self,
        fetch: Fetch,
        turn: Callable[[], object],
        spans: Mapping[str, int],
        clock: Clock,
        wait: Callable[[float], None],
        on_request: Callable[[float | None], None] = lambda _: None,
    ) -> None:
        self._fetch = fetch
        self._turn = turn
        self._spans = spans
        self._clock = clock
        self._wait = wait
        self._on_request = on_request

    def bring(self, series: Series, days: Days) -> Candles:
        """Ask for what is missing of ``days`` and return all of them; (n,) CANDLE_DTYPE by time.

        :raises BrokerUnavailable: it didn't work for two minutes. :raises KiteError: as the broker's refusal.
        """
        for piece in requests_for(series, days, self._spans):
            self._keep(series, piece, self._asked(series, piece))
        return series.parts.read(days)

    def settled(self, days: Days) -> Days:
        """Those of the days that are over; ``last`` before ``first`` where none is."""
        return Days(days.first, min(days.last, last_settled_day(self._now_s(), SETTLED_AFTER_S)))

    def _asked(self, series: Series, piece: Days) -> tuple[Candles, float]:
        """The answer and when it was asked for."""
        request = CandleRequest(
            series.instrument.instrument_token,
            series.interval,
            datetime.combine(piece.first, time(), IST),
            datetime.combine(piece.last + ONE_DAY, time(), IST) - timedelta(seconds=1),
            series.continuous,
            series.oi,
        )
        for pause_s in BACKOFF_S:
            try:
                return self._once(request)
            except BrokerUnavailable:
                self._on_request(pause_s)
                self._wait(pause_s)
        try:
            return self._once(request)
        except BrokerUnavailable as error:
            tried = f"{error.why}; it was tried {len(BACKOFF_S) + 1} times"
            raise BrokerUnavailable(error.what, why=tried, hint=GO_ON) from error

    def _once(self, request: CandleRequest) -> tuple[Candles, float]:
        self._turn()
        now_s = self._now_s()
        found = self._fetch(request, now_s)
        self._on_request(None)
        return found, now_s

    def _keep(self, series: Series, piece: Days, answer: tuple[Candles, float]) -> None:
        """What is over is kept for good; a day that isn't is asked for again next time."""
        candles, asked_s = answer
        over = min(piece.last, last_settled_day(asked_s, SETTLED_AFTER_S))
        done = candles["start_s"] < midnight_s(over + ONE_DAY)
        if piece.first <= over:
            series.parts.keep(Days(piece.first, over), candles[done])
        if over < piece.last:
            series.parts.keep(Days(max(piece.first, over + ONE_DAY), piece.last), candles[~done], is_open=True)

    def _now_s(self) -> float:
        return self._clock.now_ns() / NS_PER_S
