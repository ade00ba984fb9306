"""Today's master: kept, or downloaded once by whichever process comes first.

The broker writes the file each morning and it is the day's from about 08:30 IST; before that yesterday's is right. So a
master is fresh if it was asked for since the last 08:30. (At the weekend the server has nothing newer, and says so.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from hashlib import sha256
from typing import Final, Protocol

from kitecli.clock import IST, NS_PER_S, Clock, ist
from kitecli.errors import BrokerUnavailable, DataError, EnvironmentProblem, KiteError
from kitecli.files import unwritable
from kitecli.market.book import InstrumentBook
from kitecli.market.oddities import MasterReport
from kitecli.master.lock import exclusive
from kitecli.master.store import MasterStore, State

NEW_AT: Final = time(8, 30)
# A server may be late. Until the market opens, an answer that nothing is newer holds for ten minutes only.
SETTLED_AT: Final = time(9, 15)
RECHECK_NS: Final = 600 * NS_PER_S
RETRIES_S: Final = (1.0, 3.0)
PATIENCE_S: Final = 90.0  # for another process's download; 10 MB on a slow line take a minute


class Download(Protocol):
    """A master as served; ``body`` None: the same as ``etag`` and ``last_modified`` stood for."""

    @property
    def body(self) -> bytes | None: ...
    @property
    def etag(self) -> str: ...
    @property
    def last_modified(self) -> str: ...


Fetch = Callable[[str, str], Download]
"""Asks the server, given the last answer's etag and last_modified, which may be empty."""


@dataclass(frozen=True, slots=True)
class Master:
    """A day's instruments. ``how``: kept, fetched, unchanged or stale, and then ``problem`` says why."""

    book: InstrumentBook
    day: date
    how: str
    state: State
    report: MasterReport | None = None
    problem: KiteError | None = None


def master_day(now_ns: int) -> date:
    """The day whose master is right now: today from 08:30 IST, yesterday before."""
    return _last_new(now_ns).date()


def is_due(state: State, now_ns: int) -> bool:
    """Whether the server is to be asked again."""
    checked = ist(state.checked_ns / NS_PER_S)
    if checked < _last_new(now_ns) or state.checked_ns > now_ns + RECHECK_NS:  # a clock that was set back
        return True
    return state.unchanged and checked.time() < SETTLED_AT and now_ns - state.checked_ns >= RECHECK_NS


def todays_master(
    store: MasterStore,
    fetch: Fetch,
    clock: Clock,
    wait: Callable[[float], None],
    *,
    always: bool = False,
    fallback: bool = True,
) -> Master:
    """The master of :func:`master_day`: the kept one, or a new one after a download that one process makes for all.

    ``always``: ask the server even so. ``fallback``: an older one, marked stale, where the server can't be had.

    :raises KiteError: as ``fetch``, or :class:`DataError` for what is no master, with none to fall back on.
    """
    began_ns = clock.now_ns()
    state = store.state()
    if state and not always and not is_due(state, began_ns) and (kept := _opened(store, state, "kept")):
        return kept
    with _turn(store, wait) as held:
        state = store.state()
        if state and state.checked_ns >= began_ns and (kept := _opened(store, state, "kept")):
            return kept  # somebody else fetched it while we waited
        try:
            if not held:
                raise _busy(store)
            return _fetched(store, fetch, clock, wait, state)
        except KiteError as error:
            if state and fallback and (kept := _opened(store, state, "stale", error)):
                return kept
            raise


def _fetched(
    store: MasterStore, fetch: Fetch, clock: Clock, wait: Callable[[float], None], state: State | None
) -> Master:
    answer = _retried(fetch, state, wait)
    now_ns = clock.now_ns()
    digest = sha256(answer.body).hexdigest() if answer.body is not None else state.digest if state else ""
    if state and digest == state.digest:
        noted = replace(state, checked_ns=now_ns, unchanged=True, etag=answer.etag, last_modified=answer.last_modified)
        if unchanged := _opened(store, noted, "unchanged"):
            store.note(noted)
            return unchanged
        answer, digest = _retried(fetch, None, wait), ""  # what it is unchanged from can't be read any more
    if answer.body is None:
        raise DataError("The server says that nothing is newer than nothing", hint="Try again in a minute")
    day = master_day(now_ns)
    index, report = store.keep(answer.body, day, bytes.fromhex(digest) if digest else None)
    odd = tuple(map(str, report.oddities))
    noted = State(day.isoformat(), index.source.hex(), now_ns, False, answer.etag, answer.last_modified, odd)
    store.note(noted)
    return Master(InstrumentBook(index=index), day, "fetched", noted, report)


def _retried(fetch: Fetch, state: State | None, wait: Callable[[float], None]) -> Download:
    for pause_s in RETRIES_S:
        try:
            return fetch(state.etag if state else "", state.last_modified if state else "")
        except BrokerUnavailable:
            wait(pause_s)
    return fetch(state.etag if state else "", state.last_modified if state else "")


def _opened(store: MasterStore, state: State, how: str, problem: KiteError | None = None) -> Master | None:
    """What is kept; None where it can't be read, and is to be fetched again."""
    day = date.fromisoformat(state.day)
    try:
        return Master(InstrumentBook(index=store.open(day)), day, how, state, problem=problem)
    except DataError:
        return None


@contextmanager
def _turn(store: MasterStore, wait: Callable[[float], None]) -> Iterator[bool]:
    try:
        store.folder.mkdir(parents=True, exist_ok=True)
        with exclusive(store.folder / "lock", PATIENCE_S, wait) as held:
            yield held
    except OSError as error:
        raise unwritable(store.folder, error) from error


def _busy(store: MasterStore) -> EnvironmentProblem:
    return EnvironmentProblem(
        "Another process keeps the instrument master locked",
        why=f"it has held {store.folder / 'lock'} for {PATIENCE_S:.0f} s",
        hint="Look for a kite that hangs, and end it",
    )


def _last_new(now_ns: int) -> datetime:
    """The last 08:30 IST."""
    now = ist(now_ns / NS_PER_S)
    today = datetime.combine(now.date(), NEW_AT, IST)
    return today if now >= today else today - timedelta(days=1)
