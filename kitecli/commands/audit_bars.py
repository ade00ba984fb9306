"""``kite audit-bars``: our bars beside the broker's candles, and why they differ where they do."""

from __future__ import annotations

from typing import Annotated

import typer

from kitecli.commands._shared import JsonOption, settings_of

UNEXPLAINED_EXIT = 9


def audit_bars(
    context: typer.Context,
    symbols: Annotated[
        list[str], typer.Argument(metavar="SYMBOL...", help="NSE:INFY, 'NIFTY 50', a token, contracts, @FILE.")
    ],
    interval: Annotated[str, typer.Option(help="1m, 3m, 5m, 10m, 15m, 30m, 1h or day.")] = "1m",
    first: Annotated[str, typer.Option("--from", help="As 10:00 (today), 2026-11-24 or '2026-11-24 10:00'.")] = "",
    last: Annotated[str, typer.Option("--to", help="Likewise; a day is meant with its end.")] = "",
    sim: Annotated[bool, typer.Option("--sim", help="Of the simulated exchange in the background.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare the running feed's bars with the broker's candles, and explain each difference.

    Exit code 9 where one isn't explained. docs/audit-bars.md has the causes.

    Examples:

      kite audit-bars NSE:INFY

      kite audit-bars INFY RELIANCE --interval 15m --from 10:00 --to 12:00

      kite audit-bars NSE:INFY --sim --json
    """
    from kitecli.commands._audit_bars import Period, audited, print_audits
    from kitecli.sim.options import SimOptions
    from kitecli.wiring import open_market

    period = Period.parse(interval, first, last)
    settings = settings_of(context)
    with open_market(settings, SimOptions() if sim else None) as market:
        found = audited(settings, market, symbols, period)
    print_audits(found, period, as_json=as_json)
    if any(one.audit.unexplained for one in found):
        raise typer.Exit(UNEXPLAINED_EXIT)
