"""``kite data import``: tables and saved ticks into a recording."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kitecli.commands._recordings import StoreOption, root_of
from kitecli.commands._shared import JsonOption, print_json, print_rows, say
from kitecli.commands.feed import Mode
from kitecli.terminal.numbers import counted

if TYPE_CHECKING:
    from kitecli.archive.importing import Imported


def import_files(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Tables (CSV, Parquet) or ticks (pickle, JSON, NDJSON).")],
    day: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Take this day's ticks alone.")] = None,
    mode: Annotated[Mode | None, typer.Option(help="Packets of one mode; default: what holds all there is.")] = None,
    master: Annotated[Path | None, typer.Option(help="The day's instruments, a CSV; default: of the files.")] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a recording of tables, or of what KiteTicker's on_ticks was given; what no packet holds is counted.

    Examples:

      kite data import ticks-2024-06-27.parquet

      kite data import morning.pkl afternoon.pkl --day 2026-11-20 --master instruments.csv
    """
    from kitecli.archive.places import IMPORTED

    chosen = mode.value if mode else None
    done = imported(files, store or root_of(context, None) / IMPORTED, day.date() if day else None, chosen, master)
    if as_json:
        print_json(done.as_dict())
        return
    print_rows(("left out", "ticks"), ((what, f"{counted(count)}") for what, count in done.left_out.items()))
    size = (
        f"{counted(done.ticks)} ticks of {counted(done.instruments)} instruments in {counted(done.messages)} messages"
    )
    say(f"kite: {size} in {done.folder}, {counted(done.ticks / max(done.seconds, 1e-9))} ticks/s")


def imported(files: list[Path], store: Path, day: date | None, mode: str | None, master: Path | None) -> Imported:
    """Take files in; how far it has come is shown on stderr."""
    from rich.console import Console

    from kitecli.archive.importing import import_day
    from kitecli.archive.intake import take_in
    from kitecli.catalogue import read_file
    from kitecli.terminal.recordings import count_progress

    csv = read_file(master) if master else None
    intakes = [take_in(file, mode) for file in files]
    with count_progress(Console(stderr=True), "importing", sum(len(intake.ticks) for intake in intakes)) as step:
        return import_day(intakes, store, day, csv, step)
