"""``kite loadtest``: how much this machine takes, and how quickly, in figures anyone can check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from kitecli.commands._shared import JsonOption

MISSED_EXIT: Final = 10
EPILOG: Final = """\b
Examples:
  kite loadtest --instruments 1000 --duration 60
  kite loadtest --instruments 9000 --mode full --record --readers 2
  kite loadtest --slo p99=1ms,lost=0,cpu=5%,memory=60MB
  kite loadtest --compare kiteconnect --duration 20     the official client on the same load
  kite loadtest --find-max --mode full                  what gives way first, and where
  kite loadtest --instruments 9000 --mode full --burst 9000 --burst-every 5
  kite loadtest --profile memory --json
"""


def loadtest(
    context: typer.Context,
    instruments: Annotated[int, typer.Option(help="How many.", min=1)] = 1000,
    duration: Annotated[float | None, typer.Option(help="Seconds measured: 60; 5 a step of --find-max.", min=1)] = None,
    rate: Annotated[float, typer.Option(help="Ticks a second of each instrument.", min=0.01)] = 2.0,
    mode: Annotated[str, typer.Option(help="quote or full.")] = "quote",
    connections: Annotated[int, typer.Option(help="Sockets to the exchange.", min=1)] = 3,
    readers: Annotated[int, typer.Option(help="Processes that read the feed.", min=1, max=60)] = 1,
    record: Annotated[bool, typer.Option("--record", help="Record what comes; thrown away at the end.")] = False,
    burst: Annotated[int, typer.Option(help="So many ticks more, all at once.", min=0)] = 0,
    burst_every: Annotated[float, typer.Option(help="Seconds between bursts.", min=0.1)] = 5.0,
    packets_per_frame: Annotated[int, typer.Option(help="Ticks in a message, at most.", min=1, max=350)] = 10,
    slo: Annotated[str, typer.Option(help="What is asked: p99=1ms,lost=0,cpu=5%,memory=60MB.")] = "p99=1ms,lost=0",
    compare: Annotated[str, typer.Option(help="kiteconnect: the official client on the same load too.")] = "",
    find_max: Annotated[bool, typer.Option("--find-max", help="Raise --rate until a target is missed.")] = False,
    profile: Annotated[str, typer.Option(help="speed or memory: the settings it runs with.")] = "",
    report: Annotated[Path | None, typer.Option(help="Where to write the HTML report.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Send a known load through the real path, and judge it: latency, losses, memory, processor time.

    The simulated exchange, the feed and its readers run in processes of their own and talk over real sockets, apart
    from any feed of yours. Exit code 10 where a target of --slo is missed. docs/loadtest.md explains every figure.
    """
    from kitecli.commands._loadtest import asked_of, run_and_show

    asked = asked_of(
        (instruments, duration, rate, mode, connections, readers, record, burst, burst_every, packets_per_frame),
        slo=slo,
        compare=compare,
        find_max=find_max,
    )
    if not run_and_show(context, asked, profile, report, as_json=as_json):
        raise typer.Exit(MISSED_EXIT)
