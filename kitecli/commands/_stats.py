"""What ``kite stats`` does in each of its forms."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import typer

from kitecli.commands._shared import print_json, print_sections, say

if TYPE_CHECKING:
    from kitecli.gateway.lock import FeedCard
    from kitecli.settings import Settings

SIMULATED_LABEL: Final = "simulated"


def show(settings: Settings, name: str, every_s: float, *, once: bool, as_json: bool) -> None:
    """Live on a terminal; else once, or line by line as JSON."""
    from kitecli.gateway.running import one_feed
    from kitecli.terminal.stats_rows import sections

    card = one_feed(name)
    looks = spans(card, every_s)
    if as_json:
        for stats in looks:
            print_json(stats)
            sys.stdout.flush()
            if once:
                return
    elif once or not sys.stdout.isatty():
        print_sections(sections(next(looks), names_of(card, settings)))
    else:
        from rich.console import Console

        from kitecli.terminal.stats_live import show_stats

        show_stats(looks, names_of(card, settings), Console())


def spans(card: FeedCard, every_s: float) -> Iterator[dict[str, Any]]:
    """The figures of each ``every_s``, until the feed ends. Raises :class:`GatewayGone` where it does."""
    from kitecli.stats.looking import FeedLooker
    from kitecli.stats.rates import Span, as_plain

    with FeedLooker(card) as looker:
        before = looker.look(time.time_ns())
        while True:
            time.sleep(every_s)
            now = looker.look(time.time_ns())
            yield as_plain(Span(before, now))
            before = now


def print_memory(name: str, *, as_json: bool) -> None:
    from kitecli.gateway.running import one_feed
    from kitecli.stats.looking import FeedLooker
    from kitecli.stats.memory import measure
    from kitecli.terminal.stats_rows import memory_sections

    with FeedLooker(one_feed(name)) as looker:
        measured = measure(looker.look(time.time_ns())).as_dict()
    if as_json:
        print_json(measured)
    else:
        print_sections(memory_sections(measured))


def print_exposition(name: str) -> None:
    from kitecli.gateway.running import one_feed
    from kitecli.stats.exposition import exposition
    from kitecli.stats.looking import FeedLooker

    with FeedLooker(one_feed(name)) as looker:
        typer.echo(exposition(looker.look(time.time_ns())), nl=False)


def serve(name: str, listen: str) -> None:
    """Answer scrapes until Ctrl-C; feeds may come and go meanwhile."""
    from kitecli.stats.serving import PATH, Scraped, address, is_loopback, server

    host, port = address(listen)
    scraped = Scraped(name)
    with server(scraped.page, host, port) as listening:
        say(f"The metrics are at http://{host}:{listening.server_address[1]}{PATH} until Ctrl-C.")
        if not is_loopback(host):
            say("Whoever can reach this address can read them; they name no credentials and no positions.")
        try:
            listening.serve_forever()
        finally:
            scraped.close()


def names_of(card: FeedCard, settings: Settings) -> Callable[[int], str]:
    """What instruments are called, by the masters on disk; their tokens where those don't know them."""
    from kitecli.catalogue import kept_book, source_of
    from kitecli.master.folder import SIMULATED
    from kitecli.settings.endpoints import load_endpoints

    simulated = card.label == SIMULATED_LABEL
    book = kept_book(SIMULATED if simulated else source_of(load_endpoints(settings.kite).api_root))

    def name(token: int) -> str:
        row = book.get(token) if book is not None else None
        return str(token) if row is None else row.key

    return name
