"""``kite logs``: what kite has written down."""

from __future__ import annotations

import time
from typing import Annotated, Final

import typer

from kitecli.commands._shared import JsonOption, settings_of

EPILOG: Final = "Examples: kite logs --since 1h; kite logs -f --component feed; kite logs --level error --json"
LOOK_S: Final = 0.2


def logs(
    context: typer.Context,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")] = False,
    component: Annotated[list[str] | None, typer.Option(help="Only of this one, as feed; repeatable.")] = None,
    level: Annotated[str, typer.Option(help="This and what is graver: debug, info, warning, error.")] = "debug",
    since: Annotated[str, typer.Option(help="From then on: 10m, 2h, 3d, 09:15 or 2026-02-20T09:15.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Print the log of feeds, recordings, the simulator and commands, oldest line first.

    With --json the lines are printed as they are kept, one object each; docs/logs.md has the fields.
    """
    from kitecli.clock import ist
    from kitecli.logs.reading import follow as following
    from kitecli.logs.reading import read, wanted_of
    from kitecli.settings.reports import log_folder
    from kitecli.terminal.log_lines import printer

    folder = log_folder(settings_of(context, quietly=True))
    wanted = wanted_of(level, component or [], since, ist(time.time()))
    show = printer(as_json=as_json)
    for line in following(folder, wanted, lambda: time.sleep(LOOK_S)) if follow else read(folder, wanted):
        show(line)
