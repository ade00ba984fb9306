"""Puts the parts together: plain functions, no container. Commands call these and render what comes back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kitecli.errors import AuthError, EnvironmentProblem
from kitecli.ring.policy import Policy
from kitecli.secret import Secret
from kitecli.settings import Settings
from kitecli.settings.endpoints import load_endpoints, load_feed_limits

if TYPE_CHECKING:
    from kitecli.broker.rest import BrokerSession
    from kitecli.gateway.feed import Feed
    from kitecli.gateway.spec import GatewayEvent, GatewaySpec
    from kitecli.market.instruments import InstrumentBook
    from kitecli.market.selection import Selection, Wish
    from kitecli.sim.launcher import SimProcess
    from kitecli.sim.options import SimOptions


@dataclass(frozen=True, slots=True)
class Market:
    """Where ticks and instruments come from, and as whom we ask."""

    ws_root: str
    session: BrokerSession
    user_id: Secret | None = None
    """Only the sandbox's ticker asks for it."""
    token_file: str | None = None
    """Where the access token is read, and read again, instead of being known."""
    simulated: bool = False
    ended: Callable[[], bool] = lambda: False
    """Whether all ticks there are have been sent: true of a recorded table in time, never of a market."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a user asks to stream, as he said it."""

    symbols: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    watchlist: Path | None = None
    mode: str | None = None

    def __bool__(self) -> bool:
        return bool(self.symbols or self.patterns or self.watchlist)


@dataclass(frozen=True, slots=True)
class FeedPlan:
    """How to run a feed. ``connections`` at least that many; None: as many as the instruments need. ``client``: what
    ``kite status`` calls this process.

    ``policy``: what this reader would rather miss when it can't keep up; ``max_lag`` in ticks, for ``drop-oldest``.
    """

    connections: int | None = None
    depth: bool = True
    spin: bool = False
    policy: Policy = Policy.EVERY
    max_lag: int = 10_000
    client: str = ""


def open_market(settings: Settings, sim: SimOptions | None) -> AbstractContextManager[Market]:
    """The market to stream from: a simulated exchange started for the occasion, or the configured environment.

    Raises :class:`AuthError` where the environment needs an api_key and access_token and there are none.
    """
    return _simulated(sim) if sim is not None else nullcontext(_configured(settings))


def load_book(market: Market, progress: Callable[[int, int | None], None] | None = None) -> InstrumentBook:
    """Download the day's instruments."""
    from kitecli.broker.rest import fetch_instruments
    from kitecli.market.instruments import InstrumentBook, parse_instruments

    return InstrumentBook(parse_instruments(fetch_instruments(market.session, progress=progress)))


def choose(settings: Settings, market: Market, book: InstrumentBook, wanted: Wanted) -> Selection:
    """Resolve what was asked for against the instruments and the account's limits."""
    from kitecli.market.selection import read_watchlist, select, split_names

    limits = load_feed_limits()
    wishes = [wish for symbol in wanted.symbols for wish in split_names(symbol)]
    wishes += read_watchlist(wanted.watchlist) if wanted.watchlist else []
    if not wanted:
        wishes = _unasked(market, book)
    return select(
        book,
        wishes,
        wanted.patterns,
        mode=wanted.mode,
        equity_mode=settings.datafeed.equity_mode,
        futures_mode=settings.datafeed.futures_mode,
        limit=limits.connections * limits.instruments_per_connection,
    )


def start_feed(
    settings: Settings,
    market: Market,
    modes: Mapping[int, str],
    plan: FeedPlan,
    on_event: Callable[[GatewayEvent], None],
    released: Callable[[], None] = lambda: None,
) -> Feed:
    """Start a gateway for ``modes`` and attach a reader: in a process of its own where that can be had.

    ``released`` is called when the feed has been closed.
    """
    from kitecli.gateway.feed import Feed
    from kitecli.gateway.handle import attach, open_gateway

    handle = open_gateway(_spec(settings, market, plan), client=plan.client or Path(sys.argv[0]).name)
    try:
        reader = attach(
            handle.memory,
            batch=settings.performance.buffer_size,
            depth=plan.depth,
            spin=plan.spin,
            from_oldest=False,  # what streamed before we came was for others
            policy=plan.policy,
            max_lag=plan.max_lag,
        )
    except BaseException:
        handle.close()
        raise
    feed = Feed(handle, reader, on_event, market.ended, wanted={}, released=released)
    try:
        feed.subscribe(modes)  # after the reader, which so misses none of the answers
    except BaseException:
        feed.close()
        raise
    return feed


def _unasked(market: Market, book: InstrumentBook) -> list[Wish]:
    """What to stream when nobody says: all of a simulated exchange, a few well-known names of a real one."""
    from kitecli.market.selection import Wish, read_watchlist
    from kitecli.settings.layers import defaults_dir

    if market.simulated:
        return [Wish(str(row.instrument_token)) for row in book]
    return read_watchlist(defaults_dir() / "watchlist.txt")


def _spec(settings: Settings, market: Market, plan: FeedPlan) -> GatewaySpec:
    from kitecli.gateway.spec import GatewaySpec
    from kitecli.ring.location import runtime_dir

    limits = load_feed_limits()
    return GatewaySpec(
        ws_root=market.ws_root,
        api_key=market.session.api_key,
        access_token=market.session.access_token or None,
        token_file=market.token_file,
        user_id=market.user_id,
        modes={},
        ring_size=settings.performance.ring_buffer_size,
        folder=str(runtime_dir()) if settings.performance.use_mmap else None,
        connections=limits.connections,
        instruments_per_connection=limits.instruments_per_connection,
        at_least=plan.connections or 1,
        label="simulated" if market.simulated else settings.kite.environment,
    )


@contextmanager
def _simulated(options: SimOptions) -> Iterator[Market]:
    from kitecli.broker.rest import BrokerSession
    from kitecli.sim.launcher import launch

    with launch(options) as sim:
        session = BrokerSession(sim.api_url, sim.api_key, Secret(sim.access_token))
        yield Market(sim.ws_url, session, simulated=True, ended=partial(_has_ended, options, sim))


def _has_ended(options: SimOptions, sim: SimProcess) -> bool:
    """Only a table ends. An exchange that doesn't answer hasn't said so; if it died, its socket tells the feed."""
    if options.is_synthetic:
        return False
    try:
        return bool(sim.status()["state"] == "ended")
    except EnvironmentProblem:
        return False


def _configured(settings: Settings) -> Market:
    from kitecli.broker.rest import BrokerSession

    endpoints = load_endpoints(settings.kite)
    api_key = settings.kite.api_key.reveal() if settings.kite.api_key else endpoints.shared_api_key
    token, token_file = settings.kite.access_token, settings.kite.access_token_file
    if not api_key or not (token or token_file):
        raise AuthError(
            f"No {'access_token' if api_key else 'api_key'} for the {settings.kite.environment} environment",
            why="streaming from the broker needs both, and neither is ever kept in YAML",
            hint="set KITE_API_KEY and KITE_ACCESS_TOKEN (or KITE_ACCESS_TOKEN_FILE) in the environment, "
            "or try it without: kite feed --sim, DataFeedService(simulated=True)",
        )
    if endpoints.ws_needs_user_id and not settings.kite.user_id:
        raise AuthError(
            f"No user_id for the {settings.kite.environment} environment",
            why="its ticker asks for one",
            hint="set KITE_USER_ID in the environment",
        )
    session = BrokerSession(endpoints.api_root, api_key, token or Secret(""), endpoints.route_prefix)
    user_id = settings.kite.user_id if endpoints.ws_needs_user_id else None
    return Market(endpoints.ws_root, session, user_id, None if token else token_file)
