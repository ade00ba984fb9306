"""``kite data list``, ``info`` and ``gaps``: which days there are, and what they hold."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from kitecli.commands._recordings import (
    DayArgument,
    FileArgument,
    FromOption,
    PastDamageOption,
    StoreOption,
    SymbolsArgument,
    ToOption,
    part_of,
    progress,
    root_of,
)
from kitecli.commands._shared import JsonOption, print_json, print_rows, say

if TYPE_CHECKING:
    from kitecli.archive.days import Day
    from kitecli.market.gap import Gap


def list_days(context: typer.Context, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List the days there are recordings of: ticks, instruments, times (IST), state, outages, size.

    Examples:

      kite data list

      kite data list --store /mnt/recordings --json
    """
    from kitecli.terminal.instruments import terminal_width, write_rows
    from kitecli.terminal.recordings import DAY_HEADS, day_rows

    root = root_of(context, store)
    days = looked_at(root)
    if as_json:
        print_json([day.as_dict() for day in days])
        return
    write_rows(DAY_HEADS, day_rows(days), sys.stdout, terminal_width())
    for day in days:
        if day.problem is not None:
            say(f"kite: {day.problem.what}: {day.problem.why}")
    if not days:
        say(f"kite: there are no recordings in {root}; kite data import takes tables in")


def info(context: typer.Context, where: FileArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Tell what a day's recording, or one of its files, holds: header, connections, master, settings, counts.

    Examples:

      kite data info 2026-11-20

      kite data info ./2026-11-20/0001.kseg --json
    """
    from kitecli.terminal.recordings import pairs_of

    facts = facts_of(where, root_of(context, store))
    if as_json:
        print_json(facts)
        return
    print_rows(("", ""), pairs_of(facts))


def gaps(
    context: typer.Context,
    where: DayArgument,
    symbols: SymbolsArgument = None,
    first: FromOption = None,
    last: ToOption = None,
    past_damage: PastDamageOption = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print a day's outages: from when to when (IST), of how many instruments, and why.

    Examples:

      kite data gaps 2026-11-20

      kite data gaps 2026-11-20 NSE:INFY --from 10:15 --json
    """
    from kitecli.terminal.recordings import GAP_HEADS, gap_dict, gap_rows

    with part_of(where, root_of(context, store), symbols, first, last, past_damage=past_damage) as part:
        found = touching(part.recording.gaps(), part.tokens, part.span.from_ns, part.span.to_ns)
    if as_json:
        print_json([gap_dict(gap) for gap in found])
    else:
        print_rows(GAP_HEADS, gap_rows(found))
    say(f"kite: {len(found)} outage{'' if len(found) == 1 else 's'}, times are Indian (IST)")


def touching(told: Sequence[Gap], tokens: Sequence[int], from_ns: int, to_ns: int | None) -> list[Gap]:
    """The outages of a span, of any of ``tokens``; of no named instrument means of any."""
    from kitecli.archive.outages import outages

    wanted = set(tokens)
    return [
        gap
        for gap in outages(told)
        if (gap.to_ns is None or gap.to_ns > from_ns)
        and (to_ns is None or gap.from_ns < to_ns)
        and (not wanted or not gap.tokens or wanted.intersection(gap.tokens))
    ]


def looked_at(root: Path) -> list[Day]:
    """Every day of the stores in a folder; how far reading what isn't counted yet has come is shown on stderr."""
    from kitecli.archive.days import look_at
    from kitecli.archive.places import days_in
    from kitecli.store.folder import disk_bytes, segment_paths

    folders = days_in(root)
    total = sum(disk_bytes(path) for folder in folders for path in segment_paths(folder))
    with progress("reading", total) as step:
        return [look_at(folder, step) for folder in folders]


def facts_of(where: str, root: Path) -> dict[str, object]:
    """What there is to say of a day, or of one file."""
    from kitecli.archive.days import look_at
    from kitecli.archive.headers import header_facts, readable_facts
    from kitecli.archive.places import files_at
    from kitecli.catalogue import trading_today
    from kitecli.store.folder import disk_bytes

    paths = files_at(where, root, trading_today())
    if paths == [Path(where)]:
        return header_facts(paths[0])
    with progress("reading", sum(map(disk_bytes, paths))) as step:
        day = look_at(paths[0].parent, step)
    if day.problem is not None:
        say(f"kite: {day.problem.what}: {day.problem.why}")
    return {**day.as_dict(), **day.counts(), "segments": list(readable_facts(paths))}
