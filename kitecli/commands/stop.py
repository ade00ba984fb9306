"""``kite stop``: end a feed that runs in the background."""

from __future__ import annotations

from typing import Annotated

import typer

from kitecli.commands._shared import JsonOption, print_json, say


def stop(
    name: Annotated[str, typer.Argument(help="Which feed: the beginning of its name, or its label.")] = "",
    every: Annotated[bool, typer.Option("--all", help="All feeds of this user.")] = False,
    as_json: JsonOption = False,
) -> None:
    """End a feed, for all its readers: they are told.

    Examples:

      kite stop

      kite stop 3f9a

      kite stop --all
    """
    from kitecli.gateway.running import feeds, one_feed
    from kitecli.gateway.running import stop as stop_feed

    stopped = feeds(name) if every else [one_feed(name)]
    for card in stopped:
        stop_feed(card)
        say(f"Stopped the feed {card.name} (process {card.pid}).")
    if as_json:
        print_json({"stopped": [{"name": card.name, "pid": card.pid} for card in stopped]})
