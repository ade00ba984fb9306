"""``kite replay``: a recorded day again, for whatever reads a feed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from kitecli.commands._shared import JsonOption, settings_of
from kitecli.errors import UsageError

EPILOG: Final = """\b
Examples:
  kite replay 2026-11-20                             in one terminal; it waits for a reader, and in another:
  kite feed --replay NSE:INFY                        … the day's ticks as they came
  kite bars --replay NSE:INFY --follow               … its bars
  kite replay today --from 10:15 --to 11:00 --speed 10
  kite replay ~/store/2026-11-20 NSE:INFY "NIFTY 50"  two instruments of it
  kite replay 2026-11-20 --speed 0 --wait            as fast as the readers read
  kite replay 2026-11-20 --serve                     as a broker: for the official client, and kite feed
"""


def replay(
    context: typer.Context,
    day: Annotated[
        str, typer.Argument(metavar="DAY|FILE", help="2026-11-20, today, newest, a day's folder, or one of its files.")
    ],
    symbols: Annotated[list[str] | None, typer.Argument(help="Play only these; by the recording's own master.")] = None,
    speed: Annotated[float, typer.Option(help="Times as fast as recorded; 0: no pauses.", min=0, max=1e6)] = 1.0,
    from_: Annotated[str, typer.Option("--from", help="Where to begin, as 10:15, in IST.")] = "",
    to: Annotated[str, typer.Option("--to", help="Where to end; not included.")] = "",
    at_once: Annotated[bool, typer.Option("--at-once", help="Begin without waiting for a reader.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Never faster than its readers: none loses a tick.")] = False,
    stay: Annotated[bool, typer.Option("--stay", help="Don't end with the recording: until Ctrl-C.")] = False,
    past_damage: Annotated[bool, typer.Option("--past-damage", help="Go on behind what can't be read.")] = False,
    serve: Annotated[bool, typer.Option("--serve", help="As a simulated exchange with the broker's protocol.")] = False,
    store: Annotated[Path | None, typer.Option(help="The folder of recordings.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Play a recorded day: to kite feed --replay, kite bars --replay and any program with KITE_REPLAY=1.

    They see what the feed's readers saw: the same ticks in the same order with the same times, outages and bars. On a
    terminal: space pauses, arrows go 1 minute (left, right) or 10 (down, up), + and - change the speed, q ends it.
    """
    from kitecli.commands._replay import Asked, play, serve_recorded

    asked = Asked(day, tuple(symbols or ()), speed, from_, to, at_once, wait, stay, past_damage, store)
    if serve and (wait or stay):
        raise UsageError("--wait and --stay are for a ring", why="--serve plays until Ctrl-C", hint="leave them out")
    settings = settings_of(context)
    (serve_recorded if serve else play)(settings, asked, as_json=as_json)
