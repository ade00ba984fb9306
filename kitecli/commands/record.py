"""``kite record``: keep everything the feed receives."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from kitecli.commands._shared import JsonOption, settings_of
from kitecli.commands.feed import Mode, sim_options
from kitecli.errors import UsageError

EPILOG: Final = """
Examples:

  kite record --sim --duration 10

  kite record NSE:INFY NFO:NIFTY:weekly:ATM+-10 --mode full --session

  kite record --universe 'NFO:NIFTY*' --watchlist my.txt --until 15:40

  kite record --watchlist my.txt --install-service
"""


def record(
    context: typer.Context,
    symbols: Annotated[
        list[str] | None, typer.Argument(help="NSE:INFY, 'NIFTY 50', a token, NFO:NIFTY:weekly:ATM+-5, @FILE.")
    ] = None,
    mode: Annotated[Mode | None, typer.Option(help="What a tick carries. Default: by kind of instrument.")] = None,
    universe: Annotated[list[str] | None, typer.Option(help="A pattern, as 'NSE:*'; repeatable.")] = None,
    watchlist: Annotated[Path | None, typer.Option(help="A file of symbols, one a line.")] = None,
    duration: Annotated[float | None, typer.Option(help="Seconds; otherwise until Ctrl-C.", min=0)] = None,
    until: Annotated[str, typer.Option(help="An Indian time of today, as 15:40.")] = "",
    session: Annotated[bool, typer.Option("--session", help="Until what is recorded has closed for today.")] = False,
    store: Annotated[Path | None, typer.Option(help="The folder to record into. Default: the settings'.")] = None,
    sim: Annotated[bool, typer.Option("--sim", help="Start the simulated exchange and record that.")] = False,
    instruments: Annotated[int, typer.Option(help="For --sim: how many instruments; 0: those with names.", min=0)] = 0,
    install_service: Annotated[
        bool, typer.Option("--install-service", help="Have systemd record this from now on, at every boot.")
    ] = False,
    print_only: Annotated[bool, typer.Option("--print", help="With --install-service: only show the unit.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Record what the feed receives, as it came: the day's messages, what was asked for, every outage."""
    from kitecli.commands._record import Until, record_until
    from kitecli.commands._service import install
    from kitecli.wiring import Wanted, open_market

    _refuse_idle_options(print_only and not install_service, bool(instruments) and not sim)
    if install_service:
        install(print_only=print_only, as_json=as_json)
        return
    end = Until.of(duration, until, session=session)
    wanted = Wanted(tuple(symbols or ()), tuple(universe or ()), watchlist, mode.value if mode else None)
    exchange = sim_options(None, 1.0, "", instruments) if sim else None
    settings = settings_of(context)
    with open_market(settings, exchange) as market:
        record_until(end, settings, market, wanted, store, as_json=as_json)


def _refuse_idle_options(print_only: bool, sim_only: bool) -> None:
    if print_only:
        raise UsageError("--print shows a unit, and there is none", hint="add --install-service")
    if sim_only:
        raise UsageError("--instruments is for the simulated exchange", hint="add --sim")
