"""``kite data export``: recorded ticks as files that other programs read."""

from __future__ import annotations

import io
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

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
from kitecli.commands._shared import JsonOption, print_json, say
from kitecli.errors import UsageError
from kitecli.terminal.numbers import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

    from kitecli.commands._recordings import Part

STDOUT: Final = Path("-")


def export(
    context: typer.Context,
    where: DayArgument,
    symbols: SymbolsArgument = None,
    first: FromOption = None,
    last: ToOption = None,
    out: Annotated[
        Path | None, typer.Option(help="The file; -: standard output; default: DAY.parquet.", show_default=False)
    ] = None,
    form: Annotated[str | None, typer.Option("--format", help="parquet (default), csv or ndjson.")] = None,
    past_damage: PastDamageOption = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write recorded ticks: Parquet by instrument, or CSV and NDJSON as they were received; with depth.

    Examples:

      kite data export 2026-11-20

      kite data export 2026-11-20 "NFO:NIFTY*" --from 09:15 --to 10:00 --out opening.csv
    """
    with part_of(where, root_of(context, store), symbols, first, last, past_damage=past_damage) as part:
        done = exported(part, out, form)
    if as_json and done.file is not None:
        print_json(done.as_dict())
    say(f"kite: {done}")


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written. ``file``: None for standard output; ``size``: 0 for what is no file."""

    file: Path | None
    ticks: int
    size: int
    seconds: float

    def __str__(self) -> str:
        size = f", {self.size / 1e6:,.1f} MB" if self.size else ""
        where = f" in {self.file}" if self.file is not None else ""
        return f"{counted(self.ticks)} ticks{size}{where}, {counted(self.ticks / max(self.seconds, 1e-9))} ticks/s"

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {"file": str(self.file), "ticks": self.ticks, "bytes": self.size, "seconds": self.seconds}


def exported(part: Part, out: Path | None, form: str | None) -> Exported:
    """Write a part of a day into a file that is there when it is whole, or to standard output."""
    from rich.console import Console

    from kitecli.candles.output import form_of
    from kitecli.terminal.recordings import count_progress

    target = out or Path(f"{part.recording.day}.{form or 'parquet'}")
    found = form_of(target, form, None)
    refuse_stream(target, found)
    write, began_s = writer_of(found), time.monotonic()
    with count_progress(Console(stderr=True), "exporting", None) as step, opened(target) as file:
        ticks = write(file, part, target.absolute().parent, step)
    seconds = time.monotonic() - began_s
    if target == STDOUT:
        return Exported(None, ticks, 0, seconds)
    return Exported(target, ticks, target.stat().st_size, seconds)


def refuse_stream(target: Path, form: str) -> None:
    """Raise :class:`UsageError` for Parquet to a pipe or a device: it is sorted beside its file."""
    if form == "parquet" and (target == STDOUT or (target.exists() and not target.is_file())):
        raise UsageError(f"{target} can't take Parquet", why="it is no file", hint="give --format csv or ndjson")


@contextmanager
def opened(target: Path) -> Iterator[IO[bytes]]:
    """Where to write to."""
    from kitecli.files import replacing

    if target == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with replacing(target, given=True) as file:
        yield file


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
    from kitecli.archive.sorting import by_instrument, census

    found = census(ticks_of(part, depth=False), step)
    again = ticks_of(part, depth=found.depth)
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
    from kitecli.terminal.streams import ndjson_writer

    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    labels = Labels(part.names)
    write = csv_writer(text, labels) if form == "csv" else ndjson_writer(text, labels)
    count = 0
    for batch in ticks_of(part):
        write(batch)
        step(len(batch))
        count += len(batch)
    text.flush()
    text.detach()
    return count
