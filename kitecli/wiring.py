"""Puts the parts together: plain functions, no container. Commands call these and render what comes back."""

from __future__ import annotations

import os
import queue
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kitecli.errors import AuthError, EnvironmentProblem, FeedError, NoFeed, UsageError
from kitecli.ring.policy import Policy
from kitecli.secret import Secret
from kitecli.settings import Settings
from kitecli.settings.endpoints import load_endpoints, load_feed_limits

if TYPE_CHECKING:
    from kitecli.bars.intervals import Interval
    from kitecli.broker.rest import BrokerSession
    from kitecli.gateway.feed import Feed
    from kitecli.gateway.handle import GatewayHandle
    from kitecli.gateway.spec import GatewayEvent, GatewaySpec, RecordPlan
    from kitecli.market.book import InstrumentBook
    from kitecli.market.contracts import Prices
    from kitecli.market.selection import Selection, Wish
    from kitecli.replay.facts import FeedFacts
    from kitecli.replay.joining import RunningReplay
    from kitecli.sim.options import Ready, SimOptions
    from kitecli.store.recording import Recording

FIRST_STATE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Market:
    """Where ticks and instruments come from, and as whom we ask."""

    ws_root: str
    session: BrokerSession
    user_id: Secret | None = None
    """Only the sandbox's ticker asks for it."""
    token_file: str | None = None
    """A file of the user's in which the access token is read, and read again."""
    session_file: str | None = None
    """Where a login puts the day's session; looked at again at each connect, also where a token was given."""
    simulated: bool = False
    replay: RunningReplay | None = None
    """Where a recorded day is what streams."""
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
    """How to run a feed. ``connections``: at least that many; None: as few as do. ``client``: its name in kite status.

    ``policy``: what this reader would rather miss when it can't keep up; ``max_lag`` in ticks, for ``drop-oldest``.
    """

    connections: int | None = None
    depth: bool = True
    spin: bool = False
    policy: Policy = Policy.EVERY
    max_lag: int = 10_000
    client: str = ""


@dataclass(frozen=True, slots=True)
class Daemon:
    """A feed in the background. ``joined``: it ran already; ``state``: of its first connection."""

    name: str
    pid: int
    joined: bool
    state: str


def open_market(
    settings: Settings, sim: SimOptions | None, *, stays: bool = False, replayed: bool = False
) -> AbstractContextManager[Market]:
    """The market to stream from: a simulated exchange, a day that is ``replayed``, or the configured environment.

    The exchange is the one in the background, where one runs; else it is started for the occasion, or, if it ``stays``,
    in the background. Raises :class:`AuthError` where the environment needs an api_key and access_token and there are
    none.
    """
    if sim is None:
        played = replayed or os.environ.get("KITE_REPLAY") == "1"
        return nullcontext(_replayed() if played else _configured(settings))
    ready = _in_background(sim, start=stays)
    return nullcontext(market_of(ready)) if ready is not None else _simulated(sim)


def rest_session(market: Market) -> BrokerSession:
    """Whom REST is called as: a token that stands in a file is read now. Raises :class:`AuthError`."""
    from kitecli.session import read_token

    file = market.token_file or market.session_file
    if market.session.access_token or file is None:
        return market.session
    return replace(market.session, access_token=read_token(Path(file), time.time()))


def spot_prices(market: Market) -> Prices | None:
    """What tells the spot prices that ATM takes; None without a login, which they need."""
    from kitecli.catalogue import last_prices

    try:
        return last_prices(rest_session(market))
    except AuthError:
        return None


def load_book(
    market: Market, progress: Callable[[int, int | None], None] | None = None, say: Callable[[str], None] | None = None
) -> InstrumentBook:
    """The day's instruments: mapped from disk, downloaded where they aren't there yet. ``say``: warns of old ones."""
    from kitecli.catalogue import todays_book

    return market.replay.book() if market.replay else todays_book(market.session, progress, say)


def choose(settings: Settings, market: Market, book: InstrumentBook, wanted: Wanted) -> Selection:
    """Resolve what was asked for against the instruments and the account's limits."""
    from kitecli.catalogue import today
    from kitecli.market.selection import Wish, read_watchlist, select, split_names

    limits = load_feed_limits()
    wishes = [wish for symbol in wanted.symbols for wish in split_names(symbol)]
    wishes += read_watchlist(wanted.watchlist) if wanted.watchlist else []
    wishes += [Wish(pattern) for pattern in wanted.patterns]
    if not wanted:
        wishes = _unasked(market, book)
    return select(
        book,
        wishes,
        mode=wanted.mode,
        equity_mode=settings.datafeed.equity_mode,
        futures_mode=settings.datafeed.futures_mode,
        limit=limits.connections * limits.instruments_per_connection,
        today=market.replay.day if market.replay else today(),
        prices=spot_prices(market),
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
    from kitecli.gateway.handle import attach

    groups = partial(groups_of, market)
    handle = _handle(settings, market, plan)
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
    feed = Feed(handle, reader, on_event, market.ended, wanted={}, released=released, groups=groups)
    try:
        feed.subscribe(modes)  # after the reader, which so misses none of the answers
    except BaseException:
        feed.close()
        raise
    return feed


def _handle(settings: Settings, market: Market, plan: FeedPlan) -> GatewayHandle:
    """The market's feed: one that runs, or one that is started; a replay is only joined. Raises :class:`NoFeed`."""
    from kitecli.gateway.handle import join_gateway, open_gateway

    spec, client = spec_of(settings, market, plan), plan.client or Path(sys.argv[0]).name
    if market.replay is None:
        return open_gateway(
            spec, client=client, timelines=partial(_timelines, market), groups=partial(groups_of, market)
        )
    joined = join_gateway(spec, client)
    if joined is None:
        raise NoFeed("The replay has ended", why="it was played to its end, or stopped", hint="kite replay DAY")
    return joined


def join_feed(settings: Settings, market: Market) -> Feed:
    """The feed of this market that runs already, as an onlooker: nothing is streamed for it. Raises :class:`NoFeed`."""
    from kitecli.gateway.feed import Feed
    from kitecli.gateway.handle import attach, open_gateway
    from kitecli.gateway.lock import FeedPlace

    spec = spec_of(settings, market, FeedPlan())
    if spec.folder is None or not FeedPlace(Path(spec.folder), spec.name).held():
        raise NoFeed(
            "No feed of this account is running",
            why="only a running feed has bars",
            hint=f"start one, and let it run for a while: kite feed --daemon{' --sim' if market.simulated else ''}",
        )
    handle = open_gateway(spec, client=Path(sys.argv[0]).name)
    try:
        return Feed(handle, attach(handle.memory, batch=1, depth=False, from_oldest=False))
    except BaseException:
        handle.close()
        raise


def open_recorded(settings: Settings, market: Market) -> GatewayHandle:
    """A hold on this market's feed, running or started, for who has it recorded and reads no ticks."""
    from kitecli.gateway.handle import open_gateway

    spec = replace(spec_of(settings, market, FeedPlan()), record=None)  # its own plan is asked for by request
    return open_gateway(spec, client="kite record", timelines=partial(_timelines, market))


def start_daemon(settings: Settings, market: Market, modes: Mapping[int, str], plan: FeedPlan) -> Daemon:
    """Have ``modes`` streamed in the background, by a gateway that goes on without clients.

    Raises :class:`EnvironmentProblem` where a feed can't be a process of its own.
    """
    from kitecli.gateway.handle import open_gateway

    spec = replace(spec_of(settings, market, plan), modes=dict(modes), daemon=True)
    handle = open_gateway(
        spec, client="kite feed --daemon", timelines=partial(_timelines, market), groups=partial(groups_of, market)
    )
    try:
        if handle.pid is None:
            raise EnvironmentProblem(
                "A feed in the background has to be a process of its own",
                why="performance.use_mmap is off, or there is no compiled pass",
                hint="kite doctor says which; kite feed without --daemon streams all the same",
            )
        return Daemon(spec.name, handle.pid, handle.joined, _first_state(handle))
    finally:
        handle.close()


def _first_state(handle: GatewayHandle) -> str:
    """What becomes of its first connection: live, quiet, auth or down; how it stands where that takes long."""
    deadline_s, state = time.monotonic() + FIRST_STATE_S, "reconnecting"
    while state not in ("live", "quiet", "auth", "down") and (left_s := deadline_s - time.monotonic()) > 0:
        try:
            event = handle.events.get(timeout=left_s)
        except queue.Empty:
            break
        if event.kind == "failed":
            raise event.failure() or FeedError("The feed ended without a word", hint="run kite doctor")
        state = event.state if event.kind == "connection" else state
    return state


def _unasked(market: Market, book: InstrumentBook) -> list[Wish]:
    """What to stream when nobody says: all of a simulated exchange, a few well-known names of a real one."""
    from kitecli.market.selection import Wish, read_watchlist
    from kitecli.settings.layers import defaults_dir

    if market.replay is not None:
        return [Wish(str(token)) for token in market.replay.tokens() if book.get(token)]
    if market.simulated:
        return [Wish(str(row.instrument_token)) for row in book]
    return read_watchlist(defaults_dir() / "watchlist.txt")


def spec_of(settings: Settings, market: Market, plan: FeedPlan) -> GatewaySpec:
    from kitecli.auth.reporting import reporting
    from kitecli.gateway.spec import GatewaySpec
    from kitecli.ring.location import runtime_dir

    limits = load_feed_limits()
    return GatewaySpec(
        ws_root=market.ws_root,
        api_key=market.session.api_key,
        access_token=market.session.access_token or None,
        token_file=market.token_file or market.session_file,
        user_id=market.user_id,
        modes={},
        ring_size=settings.performance.ring_buffer_size,
        folder=str(runtime_dir()) if settings.performance.use_mmap else None,
        connections=limits.connections,
        instruments_per_connection=limits.instruments_per_connection,
        at_least=plan.connections or 1,
        label="simulated" if market.simulated else settings.kite.environment,
        intervals=_intervals(settings),
        bar_capacity=settings.performance.bar_buffer_size,
        bar_grace_ms=round(settings.datafeed.bar_grace * 1000),
        record=_standing_record(settings, market),
        **reporting(settings, simulated=market.simulated or market.replay is not None),
    )


def record_plan(settings: Settings, market: Market, store: Path | None = None) -> RecordPlan:
    """How a market is recorded; ``store``: another folder than the settings'."""
    from kitecli.catalogue import source_of, store_folder
    from kitecli.gateway.spec import RecordPlan
    from kitecli.master.folder import instruments_dir

    chosen, api_root = settings.datafeed, market.session.api_root
    place = str((store or store_folder(settings, api_root)).absolute())
    masters = str(Path(instruments_dir(source_of(api_root))).absolute())
    floor_bytes = chosen.store_keep_free * 1_000_000
    return RecordPlan(place, chosen.store_level, chosen.store_flush, masters, floor_bytes, chosen.store_seal)


def _standing_record(settings: Settings, market: Market) -> RecordPlan | None:
    """What the settings ask of any feed. Of invented ticks a disk isn't filled where nobody has set that himself."""
    if market.replay is not None:
        return None
    given = settings.given["datafeed.store_ticks"].origin.layer != "default"
    wanted = settings.datafeed.store_ticks and (given or not trades_at_any_hour(market))
    return record_plan(settings, market) if wanted else None


def _intervals(settings: Settings) -> tuple[str, ...]:
    """The bars a feed builds, the finest first; none twice."""
    from kitecli.bars.intervals import Interval

    finest_ms = settings.performance.tick_aggregation_interval
    names = ([f"{finest_ms}ms"] if finest_ms else []) + list(settings.datafeed.bars)
    return tuple(dict.fromkeys(str(Interval.parse(name)) for name in names))


def building(settings: Settings, interval: Interval) -> Settings:
    """Settings by which a feed that is started serves an interval of bars: of exchange stamps where that can be."""
    from kitecli.bars.intervals import MAX_SERIES, Interval
    from kitecli.bars.resample import serving

    built = tuple(map(Interval.parse, _intervals(settings)))
    by = serving(built, interval)
    if len(built) >= MAX_SERIES or (by is not None and by.by_receive <= interval.by_receive):
        return settings
    return replace(settings, datafeed=replace(settings.datafeed, bars=(*settings.datafeed.bars, str(interval))))


def _timelines(market: Market) -> str:
    """When segments trade, for a feed that is started."""
    if trades_at_any_hour(market):
        return ""
    from kitecli.bars.hours import to_text
    from kitecli.bars.timeline import Timelines
    from kitecli.settings.calendars import load_calendar

    return to_text(Timelines.of(load_calendar()))


def trades_at_any_hour(market: Market) -> bool:
    """A simulated exchange does, also one that was started by itself: what runs on this machine is no other."""
    from kitecli.catalogue import source_of
    from kitecli.master.folder import SIMULATED

    return market.simulated or market.replay is not None or source_of(market.session.api_root) == SIMULATED


def groups_of(market: Market, tokens: Iterable[int]) -> dict[str, list[int]]:
    """Which of ``tokens`` keep other hours than their segment, as far as the instruments kept on disk tell."""
    if trades_at_any_hour(market):
        return {}
    from kitecli import catalogue

    return catalogue.groups_of(market.session.api_root, tokens)


def _in_background(options: SimOptions, *, start: bool) -> Ready | None:
    """The exchange in the background, if there is one and it is what was asked for; else one started, or None."""
    from kitecli.ring.location import runtime_dir
    from kitecli.sim import background
    from kitecli.sim.options import SimOptions

    folder = runtime_dir()
    found = background.running(folder)
    if found is None:
        return background.begin(options, folder) if start else None
    if options == SimOptions():
        return found
    if start:
        raise UsageError(
            "A simulated exchange runs in the background already",
            why=f"{found.instruments:,} instruments from {found.source}, and there is one at a time",
            hint="join it with kite feed --sim, or end its feed first: kite stop",
        )
    return None


def market_of(ready: Ready) -> Market:
    """As whom it lets anybody in, unless somebody has logged in there, which has ended that session."""
    from kitecli.auth.place import SIMULATED
    from kitecli.broker.rest import BrokerSession
    from kitecli.ring.location import runtime_dir
    from kitecli.session import session_path

    file = session_path(runtime_dir(), SIMULATED, ready.api_url, ready.api_key)
    token = Secret("" if file.exists() else ready.access_token)
    session = BrokerSession(ready.api_url, ready.api_key, token)
    return Market(ready.ws_url, session, session_file=str(file), simulated=True)


@contextmanager
def _simulated(options: SimOptions) -> Iterator[Market]:
    from kitecli.sim.launcher import launch

    with launch(options) as sim:
        yield replace(market_of(sim.ready), ended=sim.source_ended)


def _replayed() -> Market:
    """The replay that runs on this machine. Raises :class:`NoFeed` where none does."""
    from kitecli.broker.rest import BrokerSession
    from kitecli.replay.gateway import API_KEY, WS_ROOT
    from kitecli.replay.joining import RunningReplay

    running = RunningReplay.find()
    return Market(WS_ROOT, BrokerSession(WS_ROOT, API_KEY), replay=running, ended=running.ended)


def replay_facts(settings: Settings, recording: Recording) -> FeedFacts:
    """How the recorded feed was set up; where nobody noted it, as a feed of these settings would be."""
    from kitecli.bars.hours import to_text
    from kitecli.bars.timeline import Timelines
    from kitecli.replay.facts import FeedFacts
    from kitecli.settings.calendars import load_calendar

    return FeedFacts.of(recording) or FeedFacts(
        settings.performance.ring_buffer_size,
        _intervals(settings),
        settings.performance.bar_buffer_size,
        round(settings.datafeed.bar_grace * 1000),
        to_text(Timelines.of(load_calendar())),
    )


def _configured(settings: Settings) -> Market:
    from kitecli.auth.finding import session_file_of, where_credentials_come_from, with_credentials
    from kitecli.broker.rest import BrokerSession

    settings = with_credentials(settings)
    kite, endpoints = settings.kite, load_endpoints(settings.kite)
    api_key = kite.api_key.reveal() if kite.api_key else endpoints.shared_api_key
    token, token_file = kite.access_token, kite.access_token_file
    session_file = session_file_of(kite, api_key or "")
    if not api_key or not (token or token_file or (session_file and session_file.exists())):
        raise AuthError(
            f"No {'access_token' if api_key else 'api_key'} for the {kite.environment} environment",
            why="streaming from the broker needs both, and neither is ever kept in YAML",
            hint=where_credentials_come_from(kite, api_key),
        )
    if endpoints.ws_needs_user_id and not kite.user_id:
        raise AuthError(
            f"No user_id for the {kite.environment} environment",
            why="its ticker asks for one",
            hint="set KITE_USER_ID in the environment",
        )
    session = BrokerSession(endpoints.api_root, api_key, token or Secret(""), endpoints.route_prefix)
    user_id = kite.user_id if endpoints.ws_needs_user_id else None
    file = str(session_file) if session_file else None
    return Market(endpoints.ws_root, session, user_id, None if token else token_file, file)
