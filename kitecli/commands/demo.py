"""``kite demo``: the whole path in one command, with no account and nothing to configure."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from kitecli.commands._shared import JsonOption, say, settings_of

SHOWN = (
    *("NIFTY 50", "NIFTY BANK", "BSE:SENSEX"),
    *("RELIANCE", "HDFCBANK", "ICICIBANK", "INFY", "TCS", "SBIN", "ITC", "LT"),
)
RATE_PER_S = 4.0
EPILOG = "Example: kite demo --seconds 60"

INTRODUCTION = """\
kite demo: live-looking NSE ticks for {seconds:.0f} seconds, no account needed.

A simulated exchange starts on this machine and speaks the broker's own
protocol. What you see has come through a websocket, the binary decoder and
a ring in shared memory, as the broker's ticks would. Ctrl-C ends it.
"""

NEXT = """
What to try next:
  kite feed --sim INFY RELIANCE --mode full   two order books
  kite feed --sim --json | head               ticks as JSON for your own program
  kite sim                                    the exchange, for your scripts
  kite doctor                                 is this machine fit for it?
  kite init                                   a configuration of your own
"""


def demo(
    context: typer.Context,
    seconds: Annotated[float, typer.Option(help="How long to show it.", min=1)] = 20.0,
    as_json: JsonOption = False,
) -> None:
    """See live-looking ticks stream through the real path; no account, nothing to configure."""
    from kitecli.commands._stream import stream
    from kitecli.sim.options import SimOptions
    from kitecli.wiring import FeedPlan, Wanted, open_market

    settings = settings_of(context, quietly=True)
    say(INTRODUCTION.format(seconds=seconds))
    form = "json" if as_json else "table" if sys.stdout.isatty() else "csv"
    with open_market(settings, SimOptions(rate=RATE_PER_S)) as market:
        stream(settings, market, Wanted(SHOWN, mode="full"), FeedPlan(), form, seconds)
    say(NEXT)
