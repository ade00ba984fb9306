"""``kite data download``: historical candles into files."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import quote

import typer

from kitecli.commands._shared import JsonOption, print_json, say, settings_of
from kitecli.errors import BrokerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kitecli.broker.rest import BrokerSession
    from kitecli.candles.download import Downloader
    from kitecli.candles.order import Order, Outcome
    from kitecli.candles.plan import Days
    from kitecli.market.instruments import Instrument
    from kitecli.sim.options import SimOptions
    from kitecli.wiring import Market

_DAY: Final = ["%Y-%m-%d"]
WORTH_SAYING: Final = 10  # requests: three seconds


def download(
    context: typer.Context,
    symbols: Annotated[list[str], typer.Argument(help="Symbols, tokens, patterns, contracts, @FILE.")],
    first: Annotated[datetime, typer.Option("--from", formats=_DAY, help="The first day.")],
    last: Annotated[datetime | None, typer.Option("--to", formats=_DAY, help="The last; default: today.")] = None,
    interval: Annotated[str, typer.Option(help="minute, 3, 5, 10, 15, 30 or 60minute, day; or 5m, 1h.")] = "day",
    continuous: Annotated[bool, typer.Option("--continuous", help="Futures' days: of earlier months too.")] = False,
    oi: Annotated[bool, typer.Option("--oi", help="With open interest.")] = False,
    out: Annotated[Path, typer.Option(help="A folder, or one .csv, .ndjson or .parquet for all.")] = Path(),
    form: Annotated[str | None, typer.Option("--format", help="csv (default), ndjson or parquet.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Ask for all of it, also what is kept.")] = False,
    sim: Annotated[bool, typer.Option("--sim", help="From the simulated exchange.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Download candles into files. What came is kept: a download that was stopped goes on where it was.

    Trading days without candles are named; candles that aren't settled yet are marked, and asked for again next time.

    Examples:

      kite data download NSE:INFY --from 2024-01-01 --interval minute

      kite data download "NIFTY 50" @bank-stocks.txt --from 2020-01-01 --out candles.parquet

      kite data download NFO:NIFTY:FUT:near --from 2023-01-01 --continuous --oi

      kite data download NSE:INFY --from 2026-11-01 --interval 5m --sim
    """
    from kitecli.candles.order import Order
    from kitecli.wiring import open_market, rest_session

    word, days = checked_interval(interval, continuous=continuous), days_of(first, last)
    form = checked_form(out, form)
    with open_market(settings_of(context), sim_options(sim=sim)) as market, home_of(market) as home:
        session = rest_session(market)
        order = Order(chosen(session, symbols), word, days, out, form, continuous, oi, again)
        outcomes = run(order, session, Path(home))
    if as_json:
        print_json({"interval": word, "instruments": [one.as_dict() for one in outcomes]})
    else:
        print_outcomes(outcomes)
    refuse_part(outcomes)


def days_of(first: datetime, last: datetime | None) -> Days:
    """The days asked for, today at the latest. Raises :class:`UsageError`."""
    from kitecli.candles.plan import Days
    from kitecli.catalogue import today

    if first.date() > today():
        raise UsageError(f"--from {first.date()} is in the future", hint=f"today is {today()} in India")
    until = last.date() if last else today()
    if until < first.date():
        raise UsageError(f"--to {until} is before --from {first.date()}", hint="swap them")
    return Days(first.date(), min(until, today()))


def checked_interval(text: str, *, continuous: bool) -> str:
    """The broker's word for an interval. Raises :class:`UsageError`."""
    from kitecli.broker.historical import interval_named

    word = interval_named(text)
    if continuous and word != "day":
        raise UsageError(f"--continuous has no candles of {text}", hint="it has days alone: leave --interval out")
    return word


def checked_form(out: Path, form: str | None) -> str:
    """The form to write, if it can be written there.

    Raises :class:`UsageError`, or :class:`EnvironmentProblem`: before the download, not after it.
    """
    from kitecli.candles.output import check_writable, form_of

    found = form_of(out, form)
    check_writable(out, found)
    return found


def sim_options(*, sim: bool) -> SimOptions | None:
    """The simulated exchange to ask, if any."""
    from kitecli.sim.options import SimOptions

    return SimOptions() if sim else None


def home_of(market: Market) -> AbstractContextManager[str | Path]:
    """Where what came is kept: by server; of a simulated exchange started for the occasion, as long as that lives."""
    from kitecli.candles.order import forget_simulated
    from kitecli.catalogue import source_of
    from kitecli.folders import data_dir
    from kitecli.master.folder import SIMULATED

    if market.simulated:
        return TemporaryDirectory()
    folder, source = Path(data_dir(), "historical"), source_of(market.session.api_root)
    if source == SIMULATED:
        forget_simulated(folder, time.time())
        source = f"{SIMULATED}-{quote(market.session.api_key, safe='')}"
    return nullcontext(folder / source)


def chosen(session: BrokerSession, symbols: Sequence[str]) -> list[Instrument]:
    """The instruments named. Raises :class:`SubscriptionError` for names that mean none."""
    from rich.console import Console

    from kitecli.catalogue import last_prices, today, todays_book
    from kitecli.market.selection import select, split_names
    from kitecli.terminal.instruments import download_progress

    with download_progress(Console(stderr=True), "fetching the day's instruments") as progress:
        book = todays_book(session, progress, lambda text: say(f"kite: {text}"))
    wishes = [wish for symbol in symbols for wish in split_names(symbol)]
    found = select(book, wishes, limit=len(book), today=today(), prices=last_prices(session))
    return [row for item in found if (row := book.get(item.token))]


def run(order: Order, session: BrokerSession, home: Path) -> list[Outcome]:
    """Download and write what was ordered; how it goes is shown on stderr."""
    from rich.console import Console

    from kitecli.candles.order import deliver, requests_of
    from kitecli.settings.calendars import load_calendar
    from kitecli.settings.endpoints import load_historical_limits, load_rest_limits
    from kitecli.terminal.candles import candle_progress, notes, total_line

    spans, per_s = load_historical_limits().days_per_request, load_rest_limits().historical_requests_per_s
    requests, began_s = requests_of(order, spans, home), time.monotonic()
    if requests >= WORTH_SAYING:
        say(f"kite: {requests:,} requests at {per_s} a second: about {requests / per_s:,.0f} s")
    with candle_progress(Console(stderr=True), requests, say) as progress:
        downloader = downloader_of(session, spans, per_s, progress.request)
        try:
            outcomes = deliver(order, downloader, load_calendar(), home, progress.begin)
        except KeyboardInterrupt:
            say("kite: stopped; what came is kept, and the same command goes on where it was")
            raise
    for note in notes(outcomes):
        say(f"kite: {note}")
    say(total_line(outcomes, requests, time.monotonic() - began_s, str(order.out.resolve())))
    return outcomes


def downloader_of(
    session: BrokerSession, spans: Mapping[str, int], per_s: int, on_request: Callable[[float | None], None]
) -> Downloader:
    """Asks by REST, at the pace all processes of this user share."""
    from kitecli.broker.historical import fetch_candles
    from kitecli.broker.pace import SharedPace, pace_file
    from kitecli.candles.download import Downloader
    from kitecli.clock import SystemClock
    from kitecli.ring.location import runtime_dir

    pace = SharedPace(pace_file(runtime_dir(), session), per_s)
    return Downloader(partial(fetch_candles, session), pace.turn, spans, SystemClock(), time.sleep, on_request)


def print_outcomes(outcomes: Sequence[Outcome]) -> None:
    """A table that fits the terminal; all columns, tab-separated, into a pipe."""
    from kitecli.terminal.candles import HEADS, outcome_rows
    from kitecli.terminal.instruments import terminal_width, write_rows

    write_rows(HEADS, outcome_rows(outcomes), sys.stdout, terminal_width())


def refuse_part(outcomes: Sequence[Outcome]) -> None:
    """Raise :class:`BrokerError` where some couldn't be had: a script must notice."""
    refused = [one for one in outcomes if one.error is not None]
    if refused and refused[0].error:
        raise BrokerError(
            f"{len(refused)} of {len(outcomes)} instruments couldn't be downloaded",
            why=f"{refused[0].instrument}: {refused[0].error.why}",
            hint="the others are written; correct the symbols, or leave these out",
        )
