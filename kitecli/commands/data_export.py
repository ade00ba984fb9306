"""``kite data export``: recorded ticks as files that other programs read."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kitecli.commands._recordings import (
    DayArgument,
    FromOption,
    StoreOption,
    SymbolsArgument,
    ToOption,
    part_of,
    root_of,
)
from kitecli.commands._shared import JsonOption, print_json, say
from kitecli.terminal.numbers import counted

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

    from kitecli.commands._recordings import Part


def export(
    context: typer.Context,
    where: DayArgument,
    symbols: SymbolsArgument = None,
    first: FromOption = None,
    last: ToOption = None,
    out: Annotated[Path | None, typer.Option(help="The file; default: DAY.parquet.", show_default=False)] = None,
    form: Annotated[str | None, typer.Option("--format", help="parquet (default), csv or ndjson.")] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write recorded ticks: Parquet by instrument, or CSV and NDJSON as they were received; with depth.

    Examples:

      kite data export 2026-11-20

      kite data export 2026-11-20 "NFO:NIFTY*" --from 09:15 --to 10:00 --out opening.csv
    """
    with part_of(where, root_of(context, store), symbols, first, last) as part:
        done = exported(part, out, form)
    if as_json:
        print_json(done.as_dict())
    size = f"{counted(done.ticks)} ticks, {done.size / 1e6:,.1f} MB"
    say(f"kite: {size} in {done.file}, {counted(done.ticks / max(done.seconds, 1e-9))} ticks/s")


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    file: Path
    ticks: int
    size: int
    seconds: float

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {"file": str(self.file), "ticks": self.ticks, "bytes": self.size, "seconds": self.seconds}


def exported(part: Part, out: Path | None, form: str | None) -> Exported:
    """Write a part of a day into a file that is there when it is whole."""
    from rich.console import Console

    from kitecli.candles.output import form_of
    from kitecli.files import replacing
    from kitecli.terminal.recordings import count_progress

    target = out or Path(f"{part.recording.day}.{form or 'parquet'}")
    write, began_s = writer_of(form_of(target, form)), time.monotonic()
    with (
        count_progress(Console(stderr=True), "exporting", None) as step,
        replacing(target, given=True) as file,
    ):
        ticks = write(file, part, target.absolute().parent, step)
    return Exported(target, ticks, target.stat().st_size, time.monotonic() - began_s)


def writer_of(form: str) -> Callable[[IO[bytes], Part, Path, Callable[[int], object]], int]:
    """What writes a form; checks first that it can be written here. Raises :class:`EnvironmentProblem`."""
    if form == "parquet":
        from kitecli.archive.parquet import arrow

        arrow()
        return write_by_instrument
    return write_csv if form == "csv" else write_ndjson


def write_by_instrument(file: IO[bytes], part: Part, beside: Path, step: Callable[[int], object]) -> int:
    """Parquet, sorted through a file of the ticks' size beside the one that is written."""
    from kitecli.archive.naming import Labels
    from kitecli.archive.parquet import write_parquet
    from kitecli.archive.reading import batches
    from kitecli.archive.sorting import by_instrument, census

    found = census(batches(part.recording, part.tokens, part.span, depth=False), step)
    again = batches(part.recording, part.tokens, part.span, depth=found.depth)
    with by_instrument(found, again, beside) as ticks:
        write_parquet(file, ticks, Labels(part.names))
    return found.ticks


def write_csv(file: IO[bytes], part: Part, _: Path, step: Callable[[int], object]) -> int:
    """As they were received."""
    return _write_lines(file, part, "csv", step)


def write_ndjson(file: IO[bytes], part: Part, _: Path, step: Callable[[int], object]) -> int:
    """As they were received, in kite feed's form."""
    return _write_lines(file, part, "ndjson", step)


def _write_lines(file: IO[bytes], part: Part, form: str, step: Callable[[int], object]) -> int:
    from kitecli.archive.lines import csv_writer
    from kitecli.archive.naming import Labels
    from kitecli.archive.reading import batches
    from kitecli.terminal.streams import ndjson_writer

    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    labels = Labels(part.names)
    write = csv_writer(text, labels) if form == "csv" else ndjson_writer(text, labels)
    count = 0
    for batch in batches(part.recording, part.tokens, part.span):
        write(batch)
        step(len(batch))
        count += len(batch)
    text.flush()
    text.detach()
    return count
