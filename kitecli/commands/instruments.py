"""``kite instruments``: the day's master, and what is in it."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from kitecli.commands._shared import JsonOption, print_json, say, settings_of
from kitecli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kitecli.market.book import InstrumentBook
    from kitecli.market.oddities import MasterReport
    from kitecli.market.selection import Selection
    from kitecli.master.sync import Master

app = typer.Typer(help="The broker's instruments: fetch, search, show, compare.", no_args_is_help=True)

MasterOption: TypeAlias = Annotated[
    str | None, typer.Option("--master", help="A kept day (2026-11-20) or a CSV file instead of today's.")
]


@app.command(short_help="Fetch today's instruments.")
def sync(
    context: typer.Context,
    again: Annotated[bool, typer.Option("--again", help="Ask the server even if today's is there.")] = False,
    file: Annotated[Path | None, typer.Option(help="Take in this CSV (.gz) of a past day instead.")] = None,
    day: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="For --file: its day.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch today's instruments, if they aren't there yet.

    What is odd about them is said on stderr. Any other command that needs them does the same by itself.

    Examples:

      kite instruments sync

      kite instruments sync --file old.csv.gz --day 2024-04-04
    """
    from kitecli.catalogue import master_session, store_of, take_in

    if bool(file) != bool(day):
        raise UsageError("--file and --day belong together", hint="give the day the file is of, as --day 2024-04-04")
    session = master_session(settings_of(context))
    store = store_of(session.api_root)
    if file and day:
        book, report = take_in(file, day.date(), store)
        tell_master(book, str(day.date()), "taken in", report, as_json=as_json)
        return
    master = fetch(context, again=again)
    tell_master(master.book, str(master.day), master.how, master.report, master.state.oddities, as_json=as_json)


@app.command(short_help="Find instruments by words or a near spelling.")
def search(
    context: typer.Context,
    text: Annotated[list[str], typer.Argument(help="Words of a symbol or a company's name.")],
    limit: Annotated[int, typer.Option(help="How many to show.", min=1)] = 20,
    master: MasterOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find instruments by words of their symbol or name, or by a near spelling.

    Examples:

      kite instruments search hdfc bank

      kite instruments search nifty 25000 ce --limit 5
    """
    from kitecli.terminal.instruments import HEADS, instrument_dict, instrument_rows

    found = book_for(context, master).search(" ".join(text), limit)
    if as_json:
        print_json([instrument_dict(row) for row in found])
        return
    print_table(HEADS, instrument_rows(found))
    if not found:
        say("kite: nothing is spelt like that")


@app.command(short_help="Show what symbols, patterns and contracts stand for.")
def show(
    context: typer.Context,
    symbols: Annotated[list[str] | None, typer.Argument(help="Symbols, tokens, patterns, contracts, @FILE.")] = None,
    master: MasterOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what symbols, patterns and selectors of contracts stand for, and how much of a feed they take.

    Without any, show the master itself: its day, rows by segment, and what is odd.

    Examples:

      kite instruments show NSE:INFY 'NFO:NIFTY:weekly:ATM±10'

      kite instruments show NFO:BANKNIFTY:FUT:near 'MCX:GOLD*' @my-list.txt

      kite instruments show --master 2026-11-20
    """
    from kitecli.terminal.instruments import HEADS, instrument_dict, instrument_rows

    book = book_for(context, master)
    if not symbols:
        tell_book(book, as_json=as_json)
        return
    chosen = preview(context, book, symbols, past=master is not None)
    rows = [row for item in chosen if (row := book.get(item.token))]
    if as_json:
        print_json({**count_of(chosen), "instruments": [instrument_dict(row) for row in rows]})
        return
    print_table(HEADS, instrument_rows(rows))
    say("{count:,} of the {limit:,} instruments a feed can carry{over}".format(**count_of(chosen)))


@app.command(short_help="Compare two days.")
def diff(
    context: typer.Context,
    old: Annotated[str | None, typer.Argument(help="A kept day or a CSV file; default: the day before.")] = None,
    new: Annotated[str | None, typer.Argument(help="Likewise; default: the newest.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Only these, as renamed or lot-size; repeatable.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two days: new, gone, renamed, tokens moved or reused, lot size, tick size and expiry changed.

    Examples:

      kite instruments diff

      kite instruments diff 2026-11-19 2026-11-20 --kind renamed --kind lot-size
    """
    from kitecli.catalogue import book_of, master_session, store_of, two_days
    from kitecli.market.changes import KINDS, changes, tally

    if unknown := sorted(set(kind or ()) - set(KINDS)):
        raise UsageError(f"There is no kind {unknown[0]!r}", hint="the kinds are " + ", ".join(KINDS))
    store = store_of(master_session(settings_of(context)).api_root)
    names = two_days(old, new, store)
    found = changes(book_of(names[0], store), book_of(names[1], store))
    shown = [change for change in found if not kind or change.kind in kind]
    if as_json:
        print_json({"old": names[0], "new": names[1], "counts": tally(found), "changes": [c.as_dict() for c in shown]})
        return
    print_table(("change", "instrument", "token", "before", "after"), (change.cells() for change in shown))
    say(
        f"{names[0]} → {names[1]}: "
        + (", ".join(f"{count:,} {name}" for name, count in tally(found).items()) or "same")
    )


def fetch(context: typer.Context, *, again: bool = False) -> Master:
    """Today's master, with a progress bar while it is downloaded and a warning where it is an older one."""
    from rich.console import Console

    from kitecli.catalogue import master_session, stale_warning, todays
    from kitecli.terminal.instruments import download_progress

    session = master_session(settings_of(context, quietly=True))
    with download_progress(Console(stderr=True), "fetching the day's instruments") as progress:
        master = todays(session, progress, always=again)
    if warning := stale_warning(master):
        say(f"kite: {warning}")
    return master


def book_for(context: typer.Context, where: str | None) -> InstrumentBook:
    """The instruments of a day or file, or today's."""
    from kitecli.catalogue import book_of, master_session, store_of

    if where is None:
        return fetch(context).book
    return book_of(where, store_of(master_session(settings_of(context, quietly=True)).api_root))


def preview(context: typer.Context, book: InstrumentBook, symbols: Sequence[str], *, past: bool) -> Selection:
    """What ``kite feed`` would take, without its limit. ``past``: on the book's day, which had other prices."""
    from kitecli.catalogue import last_prices, master_session, today
    from kitecli.market.selection import select, split_names

    prices = None if past else last_prices(master_session(settings_of(context, quietly=True)))
    wishes = [wish for symbol in symbols for wish in split_names(symbol)]
    return select(book, wishes, limit=len(book), today=None if past else today(), prices=prices)


def count_of(chosen: Selection) -> dict[str, int | str]:
    """How many instruments, how many a feed can carry, and words for too many."""
    from kitecli.settings.endpoints import load_feed_limits

    limits = load_feed_limits()
    most = limits.connections * limits.instruments_per_connection
    return {"count": len(chosen), "limit": most, "over": ": too many" if len(chosen) > most else ""}


def tell_book(book: InstrumentBook, *, as_json: bool) -> None:
    """What a master holds."""
    from datetime import date

    from kitecli.market.oddities import report_on

    tell_master(book, str(date.fromordinal(book.index.day)), "kept", report_on(book), as_json=as_json)


def tell_master(
    book: InstrumentBook, day: str, how: str, report: MasterReport | None, odd: Iterable[str] = (), *, as_json: bool
) -> None:
    """A master's day, rows and segments on stdout, what is odd on stderr."""
    oddities = list(map(str, report.oddities)) if report else list(odd)
    segments = report.segments if report else {}
    if as_json:
        digest = book.index.source.hex()
        print_json(
            {"day": day, "how": how, "rows": len(book), "sha256": digest, "segments": segments, "oddities": oddities}
        )
        return
    rows = [("day", day), ("how", how), ("rows", f"{len(book):,}"), *((k, f"{v:,}") for k, v in segments.items())]
    print_table(("", ""), rows)
    for line in oddities:
        say(f"kite: {line}")


def print_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table that fits the terminal; all columns, tab-separated, into a pipe."""
    from kitecli.terminal.instruments import terminal_width, write_rows

    write_rows(heads, rows, sys.stdout, terminal_width())
