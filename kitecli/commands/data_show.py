"""``kite data show``: recorded ticks, for people and for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from kitecli.commands._recordings import (
    DayArgument,
    FromOption,
    PastDamageOption,
    StoreOption,
    SymbolsArgument,
    ToOption,
    part_of,
    root_of,
    ticks_of,
)
from kitecli.commands._shared import JsonOption, say

if TYPE_CHECKING:
    from kitecli.archive.naming import Labels
    from kitecli.ring.reader import Batch


def show(
    context: typer.Context,
    where: DayArgument,
    symbols: SymbolsArgument = None,
    first: FromOption = None,
    last: ToOption = None,
    limit: Annotated[int, typer.Option(help="The most ticks to print; 0: all.", min=0)] = 0,
    past_damage: PastDamageOption = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print recorded ticks as a table of Indian times and rupees; with --json as NDJSON, in kite feed's form.

    Examples:

      kite data show 2026-11-20 NSE:INFY --from 10:15 --to 10:16

      kite data show 2026-11-20 "NFO:NIFTY*FUT" --json
    """
    from kitecli.archive.naming import Labels

    with part_of(where, root_of(context, store), symbols, first, last, past_damage=past_damage) as part:
        (print_lines if as_json else print_table)(limited(ticks_of(part), limit), Labels(part.names))


def limited(found: Iterator[Batch], limit: int) -> Iterator[Batch]:
    """The first ``limit`` ticks; all for 0."""
    from kitecli.archive.reading import first_of

    for batch in found:
        if limit and batch.first_sequence + len(batch) > limit:
            yield from first_of([batch], limit - batch.first_sequence)
            say(f"kite: the first {limit:,} ticks; --limit 0 prints all")
            return
        yield batch


def print_table(found: Iterator[Batch], labels: Labels) -> None:
    """As many columns as fit on a terminal; all, tab-separated, into a pipe."""
    from kitecli.terminal.instruments import terminal_width
    from kitecli.terminal.tick_rows import write_ticks

    write_ticks(found, labels, sys.stdout, terminal_width())


def print_lines(found: Iterator[Batch], labels: Labels) -> None:
    """NDJSON."""
    from kitecli.terminal.streams import ndjson_writer

    write = ndjson_writer(sys.stdout, labels)
    for batch in found:
        write(batch)
