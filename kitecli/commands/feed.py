"""``kite feed``: stream ticks to a terminal, or as lines to another program."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kitecli.commands._shared import JsonOption, print_json, say, settings_of
from kitecli.errors import UsageError

if TYPE_CHECKING:
    from kitecli.settings import Settings
    from kitecli.sim.options import SimOptions
    from kitecli.wiring import FeedPlan, Market, Wanted

EPILOG = """\b
Examples:
  kite feed --sim                                    every instrument of the simulated exchange
  kite feed --sim NSE:INFY RELIANCE --mode full      two of them, with the order book
  kite feed --sim --json --duration 10 > ticks.ndjson
  kite feed --source ticks.parquet --speed 60        a table of real ticks, a minute a second
  kite feed NSE:INFY "NIFTY 50"                      the broker's feed; needs an account
  kite feed --replay NSE:INFY                        of the day that kite replay plays
  kite feed --daemon --universe 'NSE:*'              stream in the background; kite feed joins
  kite feed NFO:NIFTY:FUT:near NFO:NIFTY:weekly:ATM+-5   a future, and the options around the money
  kite feed --universe 'NFO:NIFTY*' --watchlist my.txt
"""


class Mode(StrEnum):
    ltp = "ltp"
    quote = "quote"
    full = "full"


def feed(
    context: typer.Context,
    symbols: Annotated[
        list[str] | None, typer.Argument(help="NSE:INFY, 'NIFTY 50', a token, NFO:NIFTY:weekly:ATM+-5, @FILE.")
    ] = None,
    mode: Annotated[Mode | None, typer.Option(help="What a tick carries. Default: by kind of instrument.")] = None,
    universe: Annotated[list[str] | None, typer.Option(help="A pattern, as 'NSE:*'; repeatable.")] = None,
    watchlist: Annotated[Path | None, typer.Option(help="A file of symbols, one a line.")] = None,
    duration: Annotated[float | None, typer.Option(help="Seconds to stream; otherwise until Ctrl-C.", min=0)] = None,
    connections: Annotated[int | None, typer.Option(help="Sockets to open at least.", min=1, max=3)] = None,
    spin: Annotated[bool, typer.Option("--spin", help="Busy-wait for ticks: less latency for a whole core.")] = False,
    sim: Annotated[bool, typer.Option("--sim", help="Start the simulated exchange and stream from it.")] = False,
    source: Annotated[str | None, typer.Option(help="A table of ticks (CSV, Parquet); implies --sim.")] = None,
    speed: Annotated[
        float, typer.Option(help="For --source FILE: times real time; 0: no waiting.", min=0, max=1e6)
    ] = 1.0,
    start: Annotated[str, typer.Option(help="For --source FILE: where to begin, as 10:15.")] = "",
    replay: Annotated[bool, typer.Option("--replay", help="Of the day that kite replay plays.")] = False,
    instruments: Annotated[int, typer.Option(help="For --sim: how many instruments; 0: those with names.", min=0)] = 0,
    daemon: Annotated[bool, typer.Option("--daemon", help="Stream in the background: kite status, kite stop.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print ticks as CSV.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Stream live ticks: a table on a terminal, NDJSON with --json, CSV with --csv or into a pipe."""
    from kitecli.commands._stream import stream
    from kitecli.wiring import FeedPlan, Wanted, open_market

    _refuse_idle_options(as_json and csv, not (sim or source) and (speed != 1 or start or instruments))
    _refuse_reading(daemon, duration is not None, csv, spin)
    refuse_two_markets(replay, sim or source)
    settings = settings_of(context)
    wanted = Wanted(tuple(symbols or ()), tuple(universe or ()), watchlist, mode.value if mode else None)
    exchange = sim_options(source, speed, start, instruments) if sim or source else None
    with open_market(settings, exchange, stays=daemon, replayed=replay) as market:
        if daemon:
            begin(settings, market, wanted, FeedPlan(connections), as_json=as_json)
            return
        form = "json" if as_json else "csv" if csv or not sys.stdout.isatty() else "table"
        stream(settings, market, wanted, FeedPlan(connections, spin=spin), form, duration)


def begin(settings: Settings, market: Market, wanted: Wanted, plan: FeedPlan, *, as_json: bool) -> None:
    """Start a feed in the background, or give a running one more to stream; say which and how it is."""
    from kitecli.commands._stream import selected
    from kitecli.wiring import start_daemon

    selection = selected(settings, market, wanted)
    daemon = start_daemon(settings, market, selection.modes, plan)
    if as_json:
        print_json({"name": daemon.name, "pid": daemon.pid, "joined": daemon.joined, "state": daemon.state})
        return
    how = "streams these too" if daemon.joined else "streams in the background"
    count = f"{len(selection):,} instrument{'' if len(selection) == 1 else 's'}"
    say(f"The feed {daemon.name} {how}: {count}, process {daemon.pid}, {daemon.state}.")
    say("kite feed joins it, kite status shows it, kite stop ends it.")


def sim_options(source: str | None, speed: float, start: str, instruments: int) -> SimOptions:
    """The simulated exchange that ``--sim`` starts."""
    from kitecli.sim.options import SYNTHETIC, SimOptions

    return SimOptions(source=source or SYNTHETIC, speed=speed, start=start, instruments=instruments)


def _refuse_reading(daemon: bool, *of_readers: bool) -> None:
    if daemon and any(of_readers):
        raise UsageError(
            "--duration, --csv and --spin are for reading ticks, and --daemon only has them streamed",
            hint="start the daemon without them, then read: kite feed",
        )


def refuse_two_markets(replay: bool, simulated: object) -> None:
    if replay and simulated:
        raise UsageError("--replay and --sim are two markets", hint="give one of them")


def _refuse_idle_options(two_forms: object, sim_only: object) -> None:
    """An option that would do nothing is a mistake of somebody's."""
    if two_forms:
        raise UsageError("--json and --csv are two forms of the same thing", hint="give one of them")
    if sim_only:
        raise UsageError(
            "--speed, --start and --instruments are for the simulated exchange", hint="add --sim or --source FILE"
        )
