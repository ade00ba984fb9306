"""The day's instruments for whoever needs them: joins the broker's REST with the masters on disk."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from kitecli.clock import SystemClock, ist
from kitecli.errors import DataError, KiteError, SubscriptionError
from kitecli.market.segments import segment_of
from kitecli.master.folder import SIMULATED, instruments_dir

if TYPE_CHECKING:
    from kitecli.broker.rest import BrokerSession, Progress
    from kitecli.market.book import InstrumentBook
    from kitecli.market.contracts import Prices
    from kitecli.market.oddities import MasterReport
    from kitecli.master.store import MasterStore
    from kitecli.master.sync import Master
    from kitecli.settings import Settings

Say = Callable[[str], None]
CLOSING_BY_AUCTION: Final = "cas"
"""The calendar's word for stocks on which derivatives trade: since 2026-08-03 they close by auction."""
_WITH_CONTRACTS: Final = {1: ("NSE", "NFO"), 4: ("BSE", "BFO")}
"""By the token's segment: where stocks trade, and the contracts on them."""


def todays(session: BrokerSession, progress: Progress | None = None, *, always: bool = False) -> Master:
    """Today's master of whoever ``session`` calls: the kept one, or a new one.

    A simulated exchange is asked each time, because another one may have started since; its masters are kept apart.

    :raises KiteError: it can't be had, and there is no older one. One that was had but stands for an earlier day is
        ``stale``, and ``problem`` says why.
    """
    from kitecli.broker.rest import download_master
    from kitecli.master.sync import todays_master

    simulated = source_of(session.api_root) == SIMULATED
    return todays_master(
        store_of(session.api_root),
        lambda etag, last_modified: download_master(session, etag, last_modified, progress=progress),
        SystemClock(),
        time.sleep,
        always=always or simulated,
        fallback=not simulated,
    )


def todays_book(session: BrokerSession, progress: Progress | None = None, say: Say | None = None) -> InstrumentBook:
    """The instruments of :func:`todays`, with a warning where they are an earlier day's."""
    master = todays(session, progress)
    if say and (warning := stale_warning(master)):
        say(warning)
    return master.book


def stale_warning(master: Master) -> str:
    """What to say of a master that couldn't be renewed; empty for any other."""
    if master.problem is None:
        return ""
    problem = master.problem
    return (
        f"using the instruments of {master.day}, which may be out of date: "
        f"{problem.what}{': ' if problem.why else ''}{problem.why}"
    )


def source_of(api_root: str) -> str:
    """The name of a server's masters: its host, or ``sim`` for whatever runs on this machine."""
    from kitecli.broker.rest import LOOPBACK_HOSTS

    host = urlsplit(api_root).hostname or ""
    return SIMULATED if host in LOOPBACK_HOSTS else re.sub(r"[^a-z0-9.-]", "-", host)


def store_of(api_root: str) -> MasterStore:
    """The masters of a server."""
    from kitecli.master.store import MasterStore

    return MasterStore(Path(instruments_dir(source_of(api_root))))


def recordings_root(settings: Settings) -> Path:
    """The folder that stores are in: one for each server, and that of what was imported."""
    from kitecli.folders import data_dir

    return Path(settings.datafeed.store_folder or Path(data_dir(), "recordings"))


def store_folder(settings: Settings, api_root: str) -> Path:
    """Where the days of a server's feeds are recorded: a store of its own."""
    return recordings_root(settings) / source_of(api_root)


def master_session(settings: Settings) -> BrokerSession:
    """A session to ask the configured environment as; the master itself needs no login."""
    from kitecli.auth.place import todays_session
    from kitecli.broker.rest import BrokerSession
    from kitecli.settings.endpoints import load_endpoints

    endpoints = load_endpoints(settings.kite)
    api_key = settings.kite.api_key.reveal() if settings.kite.api_key else endpoints.shared_api_key or ""
    session = BrokerSession(endpoints.api_root, api_key, route_prefix=endpoints.route_prefix)
    logged_in = None if settings.kite.access_token else todays_session(settings.kite, time.time())
    token = logged_in.access_token if logged_in else settings.kite.access_token
    return replace(session, access_token=token) if token else session


def last_prices(session: BrokerSession) -> Prices | None:
    """Last prices by REST, for ATM; None without a login, which they need.

    What it returns raises :class:`SubscriptionError` where the broker refuses.
    """
    return partial(_ask, session) if session.access_token else None


def _ask(session: BrokerSession, keys: Sequence[str]) -> Mapping[str, float]:
    from kitecli.broker.rest import ltp

    try:
        return ltp(session, keys)
    except KiteError as error:
        raise SubscriptionError(
            "A spot price for ATM can't be had",
            why=f"{error.what}{': ' if error.why else ''}{error.why}",
            hint=f"Give strikes instead, as 24000..26000. {error.hint}".rstrip(),
        ) from error


def book_of(where: str, store: MasterStore) -> InstrumentBook:
    """The instruments of a kept day, ``2026-11-20``, or of a file, ``masters/old.csv.gz``, whose day nobody knows.

    :raises DataError: no such day or file, or no master.
    """
    from kitecli.market.book import InstrumentBook
    from kitecli.market.columns import index_of_file

    try:
        day = date.fromisoformat(where)
    except ValueError:
        return InstrumentBook(index=index_of_file(read_file(Path(where)), date.min)[0])
    return InstrumentBook(index=store.open(day))


def kept_book(source: str) -> InstrumentBook | None:
    """The instruments of a source as they were kept last; None where none are, or the file is damaged."""
    from kitecli.market.book import InstrumentBook
    from kitecli.master.store import MasterStore

    store = MasterStore(Path(instruments_dir(source)))
    days = store.days()
    try:
        return InstrumentBook(index=store.open(days[-1])) if days else None
    except DataError:  # the next download mends it
        return None


def groups_of(api_root: str, tokens: Iterable[int]) -> dict[str, list[int]]:
    """Which of ``tokens`` keep other hours than their segment, by the calendar's word for the group.

    Asks what is kept on disk only: where no master has been downloaded yet, all keep their segment's.
    """
    stocks = [token for token in tokens if segment_of(token) in _WITH_CONTRACTS]
    days = store_of(api_root).days() if stocks else []
    if not days:
        return {}
    members = _closing_by_auction(api_root, days[-1])
    found = [token for token in stocks if token in members]
    return {CLOSING_BY_AUCTION: found} if found else {}


@lru_cache(maxsize=1)  # it takes a tenth of a second, and is asked with each subscription
def _closing_by_auction(api_root: str, day: date) -> frozenset[int]:
    """Tokens of the stocks that contracts of their own exchange are on."""
    from kitecli.market.book import InstrumentBook

    try:
        index = store_of(api_root).open(day)
    except DataError:  # the next download mends it
        return frozenset()
    book = InstrumentBook(index=index)
    return frozenset(
        index.token(row)
        for cash, contracts in _WITH_CONTRACTS.values()
        for name in book.underlyings(contracts)
        for row in index.rows_of_key(cash, name)
    )


def take_in(path: Path, day: date, store: MasterStore) -> tuple[InstrumentBook, MasterReport]:
    """Keep a file as the master of a past day. Raises :class:`DataError`."""
    from kitecli.market.book import InstrumentBook

    index, report = store.keep(read_file(path), day)
    return InstrumentBook(index=index), report


def read_file(path: Path) -> bytes:
    """A file's bytes, unzipped if its name ends in .gz. Raises :class:`DataError`."""
    import gzip
    import zlib

    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{path} can't be read", why=reason, hint="Name a day as YYYY-MM-DD, or a CSV file") from error


def two_days(old: str | None, new: str | None, store: MasterStore) -> tuple[str, str]:
    """The masters to compare: those named, else the newest day's and the one before it.

    :raises DataError: fewer are kept.
    """
    days = [str(day) for day in store.days()]
    if old and new:
        return old, new
    before = [day for day in days if day != old] if old else days[:-1]
    if not days or not before:
        raise DataError(
            "There is nothing to compare",
            why=f"{len(days)} of the days in {store.folder} can be used",
            hint="kite instruments sync keeps each day's; or name two days or files",
        )
    return old or before[-1], days[-1]


def today() -> date:
    """The day in India."""
    return ist(time.time()).date()


def trading_today() -> date:
    """The day that is being recorded: it lasts until six in the morning."""
    from kitecli.store.folder import trading_day

    return trading_day(time.time_ns())
