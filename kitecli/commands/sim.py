"""``kite sim``: the simulated exchange, on its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kitecli.commands._shared import JsonOption, print_rows, say, settings_of
from kitecli.terminal.numbers import counted

if TYPE_CHECKING:
    from kitecli.sim.ledger import Ledger
    from kitecli.sim.options import Ready, SimOptions


def sim(
    context: typer.Context,
    *,
    source: Annotated[str, typer.Option(help="synthetic, load, or a CSV or Parquet of ticks.")] = "synthetic",
    speed: Annotated[
        float, typer.Option(help="For --source FILE: times real time; 0: no waiting.", min=0, max=1e6)
    ] = 1.0,
    start: Annotated[str, typer.Option(help="For --source FILE: where to begin, as 10:15.")] = "",
    rate: Annotated[float, typer.Option(help="Synthetic: updates a second of each instrument.")] = 1.0,
    instruments: Annotated[int, typer.Option(help="Synthetic: how many; 0: those with names.", min=0)] = 0,
    seed: Annotated[int, typer.Option(help="Synthetic: the same seed, the same walk.", min=0)] = 1,
    packets_per_frame: Annotated[int, typer.Option(help="At most this many ticks in a message.")] = 100,
    ws_port: Annotated[int, typer.Option(help="The ticker's port; 0: a free one.", min=0, max=65535)] = 0,
    api_port: Annotated[int, typer.Option(help="REST's port; 0: a free one.", min=0, max=65535)] = 0,
    ledger: Annotated[Path | None, typer.Option(help="Write what was sent to this file at the end.")] = None,
    faults: Annotated[str, typer.Option(help="A YAML of faults to do, or bad-day: see docs/faults.md.")] = "",
    fault_log: Annotated[Path | None, typer.Option(help="Write what the faults did to this file, as NDJSON.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run an exchange on this machine that speaks the broker's websocket and REST, until Ctrl-C.

    Official clients work with it by changing their roots only. The credentials it prints open nothing but itself.

    Examples:

      kite sim --ws-port 8765 --api-port 8766

      kite sim --instruments 9000 --rate 2

      kite sim --source ticks.parquet --speed 60 --start 10:15

      kite sim --faults bad-day --fault-log faults.ndjson

      kite sim --json
    """
    from kitecli.sim.options import SimOptions

    settings_of(context, quietly=True)
    options = SimOptions(
        source=source,
        speed=speed,
        start=start,
        rate=rate,
        instruments=instruments,
        seed=seed,
        packets_per_frame=packets_per_frame,
        ws_port=ws_port,
        api_port=api_port,
        ledger=str(ledger or ""),
        faults=faults,
        fault_log=str(fault_log or ""),
    )
    serve(options, as_json=as_json)


def serve(options: SimOptions, *, as_json: bool) -> None:
    """Say where it listens, serve until Ctrl-C, and say what was sent."""
    from kitecli.sim.server import serve_until_interrupted

    _say_summary(serve_until_interrupted(options, _print_json if as_json else _print_ready))


def _print_json(ready: Ready) -> None:
    print(ready.to_json(), flush=True)  # noqa: T201 - flushed, because who reads it waits for it


def _print_ready(ready: Ready) -> None:
    print_rows(
        ("", "simulated exchange"),
        [
            ("websocket", ready.ws_url),
            ("rest", ready.api_url),
            ("api_key", ready.api_key),
            ("access_token", ready.access_token),
            ("api_secret", ready.api_secret),
            ("login", ready.login_url),
            ("user_id", ready.user_id),
            ("password", ready.password),
            ("totp_secret", ready.totp_secret),
            *([("ca_file", ready.ca_file)] if ready.ca_file else []),
        ],
    )
    sys.stdout.flush()  # who reads it through a pipe waits for it
    say(f"{counted(ready.instruments)} instruments from {ready.source}; {ready.note}. Ctrl-C ends it.")


def _say_summary(sent: Ledger) -> None:
    totals = sent.totals()
    say(
        f"Sent {counted(totals['live'])} ticks and {counted(totals['snapshots'])} snapshots "
        f"in {counted(totals['frames'])} messages, "
        f"{counted(totals['heartbeats'])} heartbeats, over {len(sent.connections)} connections; "
        f"withheld {counted(totals['withheld'])} from slow ones."
    )
    if sent.faults:
        say(
            "Faults done: " + ", ".join(f"{counted(count)} {kind}" for kind, count in sorted(sent.faults.items())) + "."
        )
