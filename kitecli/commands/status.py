"""``kite status``: the feeds that run, and how they are."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kitecli.commands._shared import JsonOption, print_json, print_sections
from kitecli.errors import FeedError, KiteError

if TYPE_CHECKING:
    from kitecli.gateway.lock import FeedCard


def status(
    name: Annotated[str, typer.Argument(help="Which feed: the beginning of its name, or its label.")] = "",
    watch: Annotated[float, typer.Option(help="Print again every so many seconds, until Ctrl-C.", min=0)] = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Show the running feeds: connections, clients, readers with their losses, outages.

    Exit code 5 where no feed is running, or one does not answer: the others are shown.

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
    """One JSON document with all of them, or tables one after the other; then what kept any from answering."""
    from kitecli.terminal.feed_status import sections

    found, silent = answers(cards)
    if as_json and found:
        print_json({"feeds": found})
    elif found:
        for status_of_one in found:
            print_sections(sections(status_of_one, time.time_ns()))
    if silent:
        raise silent[0] if len(cards) == 1 else unanswered(silent, len(cards))


def answers(cards: list[FeedCard]) -> tuple[list[dict[str, Any]], list[KiteError]]:
    """What each feed says of itself, and why others say nothing."""
    from kitecli.gateway.running import ask_status

    found: list[dict[str, Any]] = []
    silent: list[KiteError] = []
    for card in cards:
        try:
            found.append(ask_status(card))
        except KiteError as error:
            silent.append(type(error)(f"{card.name}, process {card.pid}: {error.what}", why=error.why, hint=error.hint))
    return found, silent


def unanswered(silent: list[KiteError], count: int) -> KiteError:
    return FeedError(
        f"{len(silent)} of {count} feeds did not answer",
        why="; ".join(f"{one.what}: {one.why}" if one.why else one.what for one in silent),
        hint="kite stop NAME ends one, or says which process to end",
    )
