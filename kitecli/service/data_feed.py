"""``DataFeedService``: the feed as users call it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from kitecli.bars.frames import FrameKind, bars_frame, ticks_frame
from kitecli.bars.intervals import Interval
from kitecli.bars.table import TABLE_DTYPE, Bar
from kitecli.errors import UsageError
from kitecli.gateway.feed import Feed
from kitecli.gateway.spec import GatewayEvent
from kitecli.market.book import InstrumentBook
from kitecli.market.gap import Gap
from kitecli.market.tick import TICK_DTYPE
from kitecli.market.view import Tick
from kitecli.ring.policy import Policy
from kitecli.ring.reader import DEFAULT_MAX_LAG, Batch
from kitecli.secret import Secret
from kitecli.service.callbacks import Callbacks, Kind
from kitecli.service.failures import FailureLog
from kitecli.service.history import history
from kitecli.service.interest import Instruments, Interest, modes_of, tokens_of
from kitecli.service.run import LOG, Hear, Run
from kitecli.service.statistics import NOTHING
from kitecli.service.supply import policy_named
from kitecli.service.venue import Venue, as_whom, secret, secret_or_none, simulation
from kitecli.settings import Settings
from kitecli.settings.endpoints import load_feed_limits
from kitecli.settings.live import LiveConfig
from kitecli.settings.live import config as process_config
from kitecli.sim.options import SimOptions
from kitecli.wiring import FeedPlan, start_feed

if TYPE_CHECKING:
    from kitecli.bars.frames import Frame

STOP_TIMEOUT_S: Final = 5.0
"""How long stop() waits for a callback that is running."""

Function = TypeVar("Function", bound=Callable[..., object])
TickFunction = TypeVar("TickFunction", bound=Callable[[Tick], object])
BatchFunction = TypeVar("BatchFunction", bound=Callable[[Batch], object])
BarFunction = TypeVar("BarFunction", bound=Callable[[Bar], object])
OrderFunction = TypeVar("OrderFunction", bound=Callable[[dict[str, object]], object])
GapFunction = TypeVar("GapFunction", bound=Callable[[Gap], object])
EventFunction = TypeVar("EventFunction", bound=Callable[[GatewayEvent], object])


class DataFeedService:
    """Live ticks by callback; docs/library.md tells how it behaves.

    ::

        with DataFeedService() as service:
            service.add_tick_callback(lambda tick: print(tick.instrument_token, tick.last_price))
            service.subscribe(["NSE:INFY", 738561], mode="quote")
            service.wait()

    Credentials that aren't given come from the environment (``KITE_API_KEY``, ``KITE_ACCESS_TOKEN``, or a file of
    today's token, ``KITE_ACCESS_TOKEN_FILE``); with ``simulated`` none are needed. Every method may be called from any
    thread, from callbacks and beside a running event loop, before, during and after a run. ``policy``: what a callback
    that can't keep up would rather miss: ``every``, ``latest`` or ``drop-oldest`` (never more than ``max_lag`` ticks
    behind). ``quarantine_after``: so many failures in a row retire a callback; None: none does.
    """

    def __init__(
        self,
        api_key: str | Secret | None = None,
        access_token: str | Secret | None = None,
        *,
        policy: str | Policy = Policy.EVERY,
        max_lag: int = DEFAULT_MAX_LAG,
        simulated: bool | SimOptions = False,
        config: LiveConfig | None = None,
        quarantine_after: int | None = None,
    ) -> None:
        self.config = process_config if config is None else config
        self._api_key, self._access_token = secret_or_none(api_key), secret_or_none(access_token)
        self._plan = FeedPlan(policy=policy_named(policy), max_lag=max_lag)
        self._venue = Venue(self._settings, simulation(simulated))
        self._interest = Interest(load_feed_limits())
        self._callbacks = Callbacks()
        self._failures = FailureLog(LOG, time.monotonic, quarantine_after)
        self._starting = threading.Lock()
        self._run: Run | None = None

    # What to stream

    def subscribe(self, instruments: Instruments, mode: str | None = None) -> None:
        """Stream these too, or in another mode: tokens, or names as ``NSE:INFY``, one or many.

        Without ``mode``, the settings' for the kind of instrument. The first name fetches the day's instruments, which
        takes seconds with the broker's. All of them are taken or, with the error raised, none: UnknownInstrument,
        TooManyInstruments, another SubscriptionError, and for names AuthError and BrokerError.
        """
        self._interest.want(modes_of(instruments, mode, self._settings(), self._venue.book, self._venue.prices))

    def unsubscribe(self, instruments: Instruments) -> None:
        """Stream these no longer; those that weren't streamed are passed over."""
        self._interest.drop(tokens_of(instruments, self._venue.book))

    @property
    def instruments(self) -> InstrumentBook:
        """The day's instruments, downloaded when first asked for. Raises AuthError and BrokerError."""
        return self._venue.book()

    @property
    def subscriptions(self) -> dict[int, str]:
        """What is wanted: token → mode."""
        return self._interest.modes

    # What to call

    def add_tick_callback(self, function: TickFunction) -> TickFunction:
        """Call ``function(tick)`` for each tick, on the one tick thread. A decorator too, as the others."""
        return self._add("tick", function)

    def add_batch_callback(self, function: BatchFunction) -> BatchFunction:
        """Call ``function(batch)`` for ticks as they were read, as arrays: before the tick callbacks, on their thread.

        A batch's arrays are overwritten after the call: copy what is kept.
        """
        return self._add("batch", function)

    def add_bar_callback(self, function: BarFunction, interval: str = "1m") -> BarFunction:
        """Call ``function(bar)`` with each bar that is closed, and again when a late tick has changed it.

        Before the tick callbacks, on their thread. Raises UsageError for what is no interval or, while it runs, one
        that its feed doesn't build; else that is raised by :meth:`wait`.
        """
        asked = Interval.parse(interval)
        if (feed := self._feed) is not None:
            feed.closed_bars(asked)
        self._callbacks.add("bar", function, asked)
        return function

    def add_order_callback(self, function: OrderFunction) -> OrderFunction:
        """Call ``function(order)`` with each order update as the broker sends it, on a thread that no tick occupies."""
        return self._add("order", function)

    def add_gap_callback(self, function: GapFunction) -> GapFunction:
        """Call ``function(gap)`` when an outage begins (``to_ns`` None) and when it ends, on the tick thread."""
        return self._add("gap", function)

    def add_event_callback(self, function: EventFunction) -> EventFunction:
        """Call ``function(event)`` for all else the feed says of itself, failures among it, on the tick thread."""
        return self._add("event", function)

    def remove_callback(self, function: Callable[..., object]) -> None:
        """Call it no longer, whatever it was added for."""
        self._callbacks.remove(function)

    # Running

    def start(self) -> None:
        """Start streaming in the background and return at once; while it streams already, nothing happens.

        Raises AuthError where credentials are missing, ConfigError for a wrong setting; what comes later is raised by
        :meth:`wait`, logged and told to event callbacks. The settings can't be changed until it has stopped.
        """
        with self._starting:
            if self.running and not self._ended_in_time():
                return
            self.config.freeze()
            try:
                self._venue.check()
                run = Run(self._open, self._leave, self._end, self._callbacks, self._failures, self._plan.max_lag)
            except BaseException:
                self.config.thaw()
                raise
            self._run = run
            run.start()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Until it ends, for ``timeout_s`` at most; whether it has. Raises what ended it, if nobody asked for that.

        What a callback raised to end the program, a SystemExit or KeyboardInterrupt, is raised here too.
        """
        if self._run is None:
            raise UsageError("The service isn't running", hint="start() it first")
        return self._run.wait(timeout_s)

    def stop(self) -> None:
        """End it; no callback is called after this returns. In a callback it returns at once, and ends what follows."""
        run = self._run
        if run is None:
            self._venue.close()
        else:
            run.stop(STOP_TIMEOUT_S)

    @property
    def running(self) -> bool:
        return self._run is not None and not self._run.over

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def set_access_token(self, access_token: str | Secret) -> None:
        """Use this token from now on: a feed that was refused goes on with it, without a restart."""
        token = self._access_token = secret(access_token)
        if (feed := self._interest.feed) is not None:
            feed.give_access_token(token)

    # What it knows

    @property
    def gaps(self) -> list[Gap]:
        """The last 1,000 outages since the start, in the order they began."""
        feed = self._feed
        return [] if feed is None else feed.gaps

    def missed_volume(self, gap: Gap) -> NDArray[np.void]:
        """What was traded in each instrument across an outage; see :meth:`Feed.missed_volume`. While it runs."""
        feed = self._feed
        if feed is None:
            raise UsageError("The service isn't running", why="an outage is measured by its feed's history")
        return feed.missed_volume(gap)

    @overload
    def get_latest_ticks(self, instrument: int | str, count: int = 1000, *, frame: None = None) -> NDArray[np.void]: ...
    @overload
    def get_latest_ticks(self, instrument: int | str, count: int = 1000, *, frame: FrameKind) -> Frame: ...
    def get_latest_ticks(
        self, instrument: int | str, count: int = 1000, *, frame: FrameKind | None = None
    ) -> NDArray[np.void] | Frame:
        """The last ``count`` ticks of one instrument, newest last: a structured array of ``TICK_DTYPE``, a copy.

        Takes some 50 us for a thousand. Where the ring has moved on they are read from today's recording, if there is
        one, which takes half a second at most and gives those there was time for. None while it isn't running.
        ``frame``: "pandas" or "polars" for a frame in rupees; raises EnvironmentProblem where that isn't installed.
        """
        ticks, feed = np.zeros(0, TICK_DTYPE), self._feed
        if feed is not None:
            (token,) = tokens_of(instrument, self._venue.book)
            ticks = history(feed, token, count)
        return ticks if frame is None else ticks_frame(ticks, frame)

    @overload
    def get_ohlc_bars(
        self,
        instrument: int | str,
        count: int = 100,
        interval: str = "1m",
        *,
        forming: bool = False,
        auctions: bool = False,
        fill: bool = False,
        frame: None = None,
    ) -> NDArray[np.void]: ...
    @overload
    def get_ohlc_bars(
        self,
        instrument: int | str,
        count: int = 100,
        interval: str = "1m",
        *,
        forming: bool = False,
        auctions: bool = False,
        fill: bool = False,
        frame: FrameKind,
    ) -> Frame: ...
    def get_ohlc_bars(
        self,
        instrument: int | str,
        count: int = 100,
        interval: str = "1m",
        *,
        forming: bool = False,
        auctions: bool = False,
        fill: bool = False,
        frame: FrameKind | None = None,
    ) -> NDArray[np.void] | Frame:
        """The last ``count`` bars of one instrument, oldest first: a structured array of ``TABLE_DTYPE``, a copy.

        ``interval``: one of the settings' ``datafeed.bars`` or a multiple, as "5m"; raises UsageError for another.
        ``forming``, ``auctions``, ``fill``: as :meth:`Feed.bars`. ``frame``: as :meth:`get_latest_ticks`. None while it
        isn't running.
        """
        bars, feed = np.zeros(0, TABLE_DTYPE), self._feed
        if feed is not None:
            (token,) = tokens_of(instrument, self._venue.book)
            bars = feed.bars(token, interval, count, forming=forming, auctions=auctions, fill=fill)
        return bars if frame is None else bars_frame(bars, frame)

    def get_statistics(self) -> dict[str, object]:
        """Figures, see docs/library.md: ``ticks_per_second``, ``active_connections``, ``buffer_usage`` (0 to 1), …"""
        run = self._run
        return {
            **(NOTHING if run is None else run.statistics()),
            "running": self.running,
            "subscriptions": len(self.subscriptions),
            "callback_errors": self._callbacks.errors(),
        }

    @property
    def _feed(self) -> Feed | None:
        return None if self._run is None else self._run.feed

    def _add(self, kind: Kind, function: Function) -> Function:
        self._callbacks.add(kind, function)
        return function

    def _settings(self) -> Settings:
        return as_whom(self.config.settings, self._api_key, self._access_token)

    def _open(self, hear: Hear) -> Feed:
        token = self._access_token
        feed = start_feed(self._settings(), self._venue.market(), {}, self._plan, hear)
        try:
            self._interest.attach(feed)
            if self._access_token is not token and self._access_token is not None:  # another came meanwhile
                feed.give_access_token(self._access_token)
        except BaseException:
            feed.close()
            raise
        for warning in feed.warnings:
            LOG.warning("%s", warning)
        return feed

    def _leave(self, feed: Feed) -> None:
        self._interest.detach(feed)
        feed.close()

    def _end(self) -> None:
        self._venue.close()
        self.config.thaw()

    def _ended_in_time(self) -> bool:
        """Whether the run under way was asked to stop; then it has."""
        if self._run is None or not self._run.stopping:
            return False
        if self._run.own:
            raise UsageError("A callback can't start again what it has stopped", hint="start() on another thread")
        self._run.stop(STOP_TIMEOUT_S)
        return True
