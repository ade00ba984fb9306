"""``kite bars``: an instrument's bars, as a chart, a table, or lines for another program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from kitecli.commands._shared import JsonOption, settings_of
from kitecli.commands.feed import Mode, refuse_two_markets, sim_options
from kitecli.errors import UsageError

if TYPE_CHECKING:
    from kitecli.sim.options import SimOptions

EPILOG: Final = """\b
Examples:
  kite bars NSE:INFY --sim                           a chart of its minutes, once the first is over
  kite bars NSE:INFY --sim --interval 1s --follow    the chart moves as ticks come
  kite bars INFY RELIANCE --interval 5m --table      of a feed that runs already: at once
  kite bars "NIFTY 50" --follow --json > bars.ndjson
  kite bars NSE:INFY --interval 500t --mode full     a bar every 500 ticks
"""


def bars(
    context: typer.Context,
    symbols: Annotated[
        list[str], typer.Argument(metavar="SYMBOL...", help="NSE:INFY, 'NIFTY 50', a token, contracts, @FILE.")
    ],
    interval: Annotated[str, typer.Option(help="100ms, 5s, 1m, 15m, 1h, day, 500t (ticks), 10000v (shares).")] = "1m",
    count: Annotated[int, typer.Option(help="How many bars of each instrument, the newest.", min=0)] = 50,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with each bar that is closed or revised.")] = False,
    forming: Annotated[bool, typer.Option("--forming", help="With the bar that isn't over.")] = False,
    auctions: Annotated[bool, typer.Option("--auctions", help="With those of auctions and the post-close.")] = False,
    fill: Annotated[bool, typer.Option("--fill", help="With a synthetic bar where nothing came.")] = False,
    mode: Annotated[Mode | None, typer.Option(help="full has the exchange's time. Default: by instrument.")] = None,
    duration: Annotated[float | None, typer.Option(help="Seconds to wait, or to follow, at most.", min=0)] = None,
    sim: Annotated[bool, typer.Option("--sim", help="Of the simulated exchange.")] = False,
    source: Annotated[str | None, typer.Option(help="A table of ticks (CSV, Parquet); implies --sim.")] = None,
    speed: Annotated[
        float, typer.Option(help="For --source FILE: times real time; 0: no waiting.", min=0, max=1e6)
    ] = 1.0,
    start: Annotated[str, typer.Option(help="For --source FILE: where to begin, as 10:15.")] = "",
    replay: Annotated[bool, typer.Option("--replay", help="Of the day that kite replay plays.")] = False,
    chart: Annotated[bool, typer.Option("--chart", help="Draw; the default on a terminal, for one.")] = False,
    table: Annotated[bool, typer.Option("--table", help="Print rows; the default for several.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV; the default into a pipe.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show bars of the running feed, or of one started for it: open, high, low, close, volume, and what is odd of them.

    Without --follow it waits until there is a bar, and ends. docs/bars.md says what counts in a bar.
    """
    from kitecli.bars.intervals import Interval
    from kitecli.commands._bars import BarsWanted, show_bars
    from kitecli.wiring import Wanted, open_market

    form = _form({"json": as_json, "csv": csv, "table": table, "chart": chart})
    asked = BarsWanted(
        Interval.parse(interval),
        count,
        follow=follow,
        forming=forming,
        auctions=auctions,
        fill=fill,
        form=form,
        to_end=source is not None and not speed,
    )
    exchange = _exchange(replay, sim, source, speed, start)
    settings = settings_of(context)
    wanted = Wanted(tuple(symbols), mode=mode.value if mode else "full" if source else None)
    with open_market(settings, exchange, replayed=replay) as market:
        show_bars(settings, market, wanted, asked, duration)


def _exchange(replay: bool, sim: bool, source: str | None, speed: float, start: str) -> SimOptions | None:
    """The simulated exchange, if it is to be one."""
    refuse_two_markets(replay, sim or source)
    if not source and (speed != 1 or start):
        raise UsageError("--speed and --start are for a table of ticks", hint="add --source FILE")
    return sim_options(source, speed, start, 0) if sim or source else None


def _form(asked: dict[str, bool]) -> str:
    """The one form that was asked for; empty: whatever suits."""
    named = [name for name, there in asked.items() if there]
    if len(named) > 1:
        raise UsageError(f"--{named[0]} and --{named[1]} are two forms of the same thing", hint="give one of them")
    return "".join(named)
