"""``kite stats``: what a running feed does, how fast and where the time goes, without asking it anything."""

from __future__ import annotations

from typing import Annotated

import typer

from kitecli.commands._shared import JsonOption, settings_of
from kitecli.errors import UsageError

EPILOG = """\b
Examples:
  kite stats                          a live view of the one feed that runs
  kite stats --once --json            everything once, of one second
  kite stats --json --watch 5         a line of JSON every five seconds
  kite stats --prometheus             the metrics once, as text
  kite stats --prometheus --listen 9712    and at http://127.0.0.1:9712/metrics until Ctrl-C
  kite stats --memory                 who holds how much memory, shared and private apart
"""


def stats(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Which feed: the beginning of its name, or its label.")] = "",
    once: Annotated[bool, typer.Option("--once", help="Print once and end; the default outside a terminal.")] = False,
    watch: Annotated[float, typer.Option(help="Seconds between looks; rates are of that time.", min=0.05)] = 1.0,
    prometheus: Annotated[bool, typer.Option("--prometheus", help="Print metrics as Prometheus reads them.")] = False,
    listen: Annotated[str, typer.Option(help="With --prometheus: serve them at [HOST:]PORT, as 9712.")] = "",
    memory: Annotated[bool, typer.Option("--memory", help="Show memory by component, shared and private.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show a running feed's figures: rates, latencies by stage, connections, readers, instruments, memory.

    They are read from shared memory: the feed is asked nothing. Exit code 5 where no feed is running.
    """
    from kitecli.commands import _stats

    _refuse(once, prometheus, listen, memory, as_json)
    if prometheus:
        _stats.serve(name, listen) if listen else _stats.print_exposition(name)
    elif memory:
        _stats.print_memory(name, as_json=as_json)
    else:
        _stats.show(settings_of(context), name, watch, once=once, as_json=as_json)


def _refuse(once: bool, prometheus: bool, listen: str, memory: bool, as_json: bool) -> None:
    """An option that would do nothing is a mistake of somebody's."""
    if listen and not prometheus:
        raise UsageError("--listen is for --prometheus", hint="add --prometheus")
    if prometheus and (once or memory or as_json):
        raise UsageError("--prometheus prints metrics and nothing else", hint="leave the other options out")
    if memory and once:
        raise UsageError("--memory is printed once anyway", hint="leave --once out")
