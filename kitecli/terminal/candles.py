"""What a download of candles says: its bar while it runs, a row for each instrument, and what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kitecli.terminal.numbers import counted

if TYPE_CHECKING:
    from rich.console import Console

    from kitecli.candles.order import Outcome

HEADS: Final = ("instrument", "candles", "first", "last", "holes", "unsettled", "file")
NAMED_HOLES: Final = 5


@dataclass(frozen=True, slots=True)
class Progress:
    """What a download calls: ``begin`` with an instrument, ``request`` as ``Downloader.on_request``."""

    begin: Callable[[str], None]
    request: Callable[[float | None], None]


@contextmanager
def candle_progress(console: Console, total: int, say: Callable[[str], None]) -> Iterator[Progress]:
    """A bar on a terminal, gone when it is done; elsewhere only what has to be tried again is said."""
    if not console.is_terminal or not total:
        yield Progress(lambda _: None, lambda pause_s: None if pause_s is None else say(f"kite: {_again(pause_s)}"))
        return
    from rich import progress

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(bar_width=None),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)
        names = [""]

        def begin(name: str) -> None:
            names[0] = name
            bar.update(task, description=name)

        def request(pause_s: float | None) -> None:
            if pause_s is None:
                bar.update(task, description=names[0], advance=1)
            else:
                bar.update(task, description=_again(pause_s))

        yield Progress(begin, request)


def outcome_rows(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, ...]]:
    """A row of ``HEADS`` for each that was had."""
    for one in outcomes:
        if one.found is not None:
            first, last = one.found.first or "none", one.found.last or "none"
            holes, unsettled = len(one.found.holes), one.unsettled
            yield (one.instrument, str(one.candles), f"{first}", f"{last}", f"{holes}", f"{unsettled}", f"{one.file}")


def notes(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """What is missing, and why that may be."""
    for one in outcomes:
        if one.error is not None:
            yield f"{one.instrument}: {one.error.what}: {one.error.why}"
        elif one.found is not None:
            yield from _missing(one)
    unchecked = [one for one in outcomes if one.found is not None and one.found.checked is None and one.candles]
    if unchecked:
        yield f"{_count(unchecked)} couldn't be checked for missing days: the calendar has no data for them"
    unsettled = [one for one in outcomes if one.unsettled]
    if unsettled:
        yield f"the last candle of {_count(unsettled)} may still change, and is asked for again next time"


def total_line(outcomes: Sequence[Outcome], requests: int, seconds: float, out: str) -> str:
    """The figures of it all."""
    had = [one for one in outcomes if one.found is not None]
    candles = counted(sum(one.candles for one in had))
    asked = f"{counted(requests)} request{'' if requests == 1 else 's'}" if requests else "no request: all was there"
    return f"{candles} candles of {_count(had)} in {out}; {asked}, {seconds:.1f} s"


def _missing(one: Outcome) -> Iterator[str]:
    found = one.found
    if found is None:
        return
    if found.first is None:
        yield f"{one.instrument}: no candles" + (f" on any of {found.before} trading days" if found.before else "")
        return
    if found.before:
        yield f"{one.instrument}: nothing before {found.first}, {found.before} trading days: not listed yet, perhaps"
    if found.holes:
        days = ", ".join(map(str, found.holes[:NAMED_HOLES]))
        more = len(found.holes) - NAMED_HOLES
        yield f"{one.instrument}: no candles on {days}" + (f" and {more} more trading days" if more > 0 else "")


def _again(pause_s: float) -> str:
    return f"the broker is busy or away; trying again in {pause_s:g} s"


def _count(outcomes: Sequence[Outcome]) -> str:
    return f"{len(outcomes)} instrument{'' if len(outcomes) == 1 else 's'}"
