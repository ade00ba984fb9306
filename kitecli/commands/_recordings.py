"""What the verbs that read recordings share: which day, which instruments, which part of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from kitecli.commands._shared import settings_of

if TYPE_CHECKING:
    from kitecli.archive.naming import DayNames
    from kitecli.ring.reader import Batch
    from kitecli.store.recording import Recording
    from kitecli.store.spans import Span

StoreOption: TypeAlias = Annotated[
    Path | None, typer.Option("--store", help="A folder of recordings, or of stores.", show_default="the settings'")
]
DayArgument: TypeAlias = Annotated[
    str,
    typer.Argument(help="A day, as 2026-11-20, today or newest; its folder, or one of its files.", show_default=False),
]
PastDamageOption: TypeAlias = Annotated[bool, typer.Option("--past-damage", help="Go on behind what can't be read.")]
FileArgument: TypeAlias = Annotated[
    str, typer.Argument(help="A day, as 2026-11-20, its folder, or one file.", show_default=False)
]
SymbolsArgument: TypeAlias = Annotated[
    list[str] | None, typer.Argument(help="Instruments, as kite feed takes them; default: all.", show_default=False)
]
FromOption: TypeAlias = Annotated[str | None, typer.Option("--from", help="A time of the day, as 10:15.")]
ToOption: TypeAlias = Annotated[str | None, typer.Option("--to", help="A time of the day, itself not included.")]


@dataclass(frozen=True, slots=True)
class Part:
    """What of a day somebody asked for. ``tokens``: none for all instruments."""

    recording: Recording
    names: DayNames
    tokens: Sequence[int]
    span: Span


def root_of(context: typer.Context, named: Path | None) -> Path:
    """The folder of stores somebody named, or that of the settings. Raises ConfigError."""
    from kitecli.catalogue import recordings_root

    return named or recordings_root(settings_of(context))


@contextmanager
def part_of(
    where: str,
    root: Path,
    symbols: Sequence[str] | None,
    first: str | None,
    last: str | None,
    *,
    past_damage: bool = False,
) -> Iterator[Part]:
    """A recording and what of it was asked for. Raises DataError, UsageError, SubscriptionError."""
    from kitecli.archive.naming import DayNames
    from kitecli.store.recording import Recording
    from kitecli.store.spans import span_of

    with Recording.open(place_at(where, root), past_damage=past_damage) as recording:
        names = DayNames.of(recording.folder, recording.day, recording.master)
        yield Part(recording, names, names.tokens(symbols or ()), span_of(recording.day, first, last))


def place_at(where: str, root: Path) -> Path:
    """A day's folder, or the file that is named. Raises DataError where there is none, UsageError for what is none."""
    from kitecli.archive.places import files_at
    from kitecli.catalogue import trading_today

    paths = files_at(where, root, trading_today())
    return paths[0] if paths == [Path(where)] else paths[0].parent


def ticks_of(part: Part, *, depth: bool = True) -> Iterator[Batch]:
    """What was asked for. Raises UsageError where there is nothing, and as reading a recording does."""
    from kitecli.archive.reading import batches
    from kitecli.store.spans import nothing_recorded

    batch = None
    for batch in batches(part.recording, part.tokens, part.span, depth=depth):
        yield batch
    if batch is None:
        raise nothing_recorded(part.recording.place, part.span, some=bool(part.tokens))


def progress(what: str, total: int) -> AbstractContextManager[Callable[[int], object]]:
    """A bar of bytes on stderr."""
    from rich.console import Console

    from kitecli.terminal.recordings import byte_progress

    return byte_progress(Console(stderr=True), what, total)
