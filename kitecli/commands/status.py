"""``kite status``: the feeds that run, and how they are."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kitecli.commands._shared import JsonOption, print_json, print_sections

if TYPE_CHECKING:
    from kitecli.gateway.lock import FeedCard


def status(
    name: Annotated[str, typer.Argument(help="Which feed: the beginning of its name, or its label.")] = "",
    watch: Annotated[float, typer.Option(help="Print again every so many seconds, until Ctrl-C.", min=0)] = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Show the running feeds: connections, clients, readers with their losses, outages.

    Exit code 5 where no feed is running.

    Examples:

      kite status

      kite status --json | jq '.feeds[0].readers'

      kite status --watch 2
    """
    from kitecli.gateway.running import feeds

    show(feeds(name), as_json=as_json)
    while watch:
        time.sleep(watch)
        show(feeds(name), as_json=as_json)


def show(cards: list[FeedCard], *, as_json: bool) -> None:
    """One JSON document with all of them, or tables one after the other."""
    from kitecli.gateway.running import ask_status
    from kitecli.terminal.feed_status import sections

    found: list[dict[str, Any]] = [ask_status(card) for card in cards]
    if as_json:
        print_json({"feeds": found})
        return
    for status_of_one in found:
        print_sections(sections(status_of_one, time.time_ns()))
