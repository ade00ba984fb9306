"""Recordings as rows of text: days, what a day holds, its files, its outages, what was lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from kitecli.clock import NS_PER_S, clock_text, ist, received_text
from kitecli.terminal.numbers import counted, size, span

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console
    from rich.progress import ProgressColumn

    from kitecli.archive.days import Day
    from kitecli.market.gap import Gap
    from kitecli.store.pruning import PrunePlan
    from kitecli.store.recovery import Hole, Verdict
    from kitecli.store.sealing import SealProgress

DAY_HEADS: Final = ("day", "ticks", "instruments", "from", "to", "state", "gaps", "raw", "packed", "files", "store")
GAP_HEADS: Final = ("from", "to", "lasted", "connection", "instruments", "cause")
SEAL_HEADS: Final = ("day", "file", "raw", "packed", "problem")
PRUNE_HEADS: Final = ("day", "size", "beyond", "stays because")
VERDICT_HEADS: Final = ("file", "verdict", "records", "size", "what")
_OPEN: Final = "lasts"
_LONG_AGO_NS: Final = 10**18  # 2001; what is less is a span of time, or another clock's
_EXACT: Final = 1 << 53  # above, grouping would round


def day_rows(days: Iterable[Day]) -> Iterator[tuple[str, ...]]:
    """A row of ``DAY_HEADS`` for each."""
    for day in days:
        tally = day.tally
        yield (
            day.folder.name,
            counted(tally.ticks),
            counted(len(tally.by_token)),
            clock_text(tally.first_ns),
            clock_text(tally.last_ns),
            day.state + (", imported" if day.imported else ""),
            str(len(day.gaps)),
            size(day.raw_bytes),
            size(day.packed_bytes),
            str(day.files),
            day.folder.parent.name,
        )


def gap_rows(gaps: Iterable[Gap]) -> Iterator[tuple[str, ...]]:
    """A row of ``GAP_HEADS`` for each."""
    for gap in gaps:
        yield (
            clock_text(gap.from_ns),
            clock_text(gap.to_ns) if gap.to_ns is not None else _OPEN,
            span((gap.to_ns - gap.from_ns) / NS_PER_S) if gap.to_ns is not None else _OPEN,
            str(gap.connection),
            counted(len(gap.tokens)) if gap.tokens else "any",
            gap.cause,
        )


def gap_dict(gap: Gap) -> dict[str, object]:
    """An outage for JSON."""
    names = ("connection", "from_ns", "to_ns", "cause")
    return {**{name: getattr(gap, name) for name in names}, "tokens": list(gap.tokens)}


def verdict_row(verdict: Verdict) -> tuple[str, ...]:
    """A row of ``VERDICT_HEADS``."""
    found = verdict.found
    records, total = ("", "") if found is None else (counted(found.records), size(found.size))
    return (verdict.path.name, _verdict(verdict), records, total, "; ".join(findings(verdict)))


def findings(verdict: Verdict) -> Iterator[str]:
    """What is to be said of a file: what is lost, and what was never known to be on disk."""
    if verdict.problem is not None:
        yield verdict.problem.why or verdict.problem.what
    if verdict.missing:
        yield f"{counted(verdict.missing)} records that should stand before it are lost"
    if verdict.found is not None:
        yield from map(hole_text, verdict.found.holes)
        if verdict.found.torn:
            yield f"the last {counted(verdict.found.torn)} bytes are the torn tail of a writer that was killed"


def hole_text(hole: Hole) -> str:
    """The lost range: which bytes, which records, from when to when."""
    lost = f"records {counted(hole.first)} to {counted(hole.until - 1)}" if hole.until > hole.first else "no record"
    when = f", {received_text(hole.from_ns, hole.to_ns)}" if hole.until > hole.first else ""
    return f"bytes {counted(hole.offset)} to {counted(hole.offset + hole.size)}: {lost} lost{when}"


def verdict_dict(verdict: Verdict) -> dict[str, object]:
    """A file's verdict for JSON; records are numbered in the file."""
    found = verdict.found
    return {
        "file": verdict.path.name,
        "verdict": _verdict(verdict),
        "records": found and found.records,
        "bytes": found and found.size,
        "torn_bytes": found and found.torn,
        "missing_before": verdict.missing,
        "lost": [hole_dict(hole) for hole in (found.holes if found else ())],
        "problem": verdict.problem and verdict.problem.as_dict(),
    }


def hole_dict(hole: Hole) -> dict[str, int]:
    """A lost range for JSON."""
    names = ("offset", "size", "first", "until", "from_ns", "to_ns")
    return {name: getattr(hole, name) for name in names}


def _verdict(verdict: Verdict) -> str:
    if verdict.found is None:
        return "unreadable"
    if verdict.found.holes:
        return "damaged"
    return "behind a gap" if verdict.missing else "sound"


def seal_rows(done: Iterable[SealProgress]) -> Iterator[tuple[str, ...]]:
    """A row of ``SEAL_HEADS`` for each segment."""
    for one in done:
        packed = size(one.packed.stat().st_size) if one.packed else ""
        problem = f"{one.problem.what}: {one.problem.why}" if one.problem else ""
        yield (one.path.parent.name, one.path.name, size(one.size), packed, problem)


def seal_dict(one: SealProgress) -> dict[str, object]:
    """A sealed segment for JSON."""
    return {
        "day": one.path.parent.name,
        "file": one.path.name,
        "raw_bytes": one.size,
        "packed_bytes": one.packed and one.packed.stat().st_size,
        "problem": one.problem and one.problem.as_dict(),
    }


def prune_rows(plan: PrunePlan) -> Iterator[tuple[str, ...]]:
    """A row of ``PRUNE_HEADS`` for each day beyond a limit."""
    for day in plan.days:
        yield (str(day.day), size(day.size), day.why, day.kept_for)


def prune_dict(store: Path, plan: PrunePlan, *, done: bool) -> dict[str, object]:
    """A plan for JSON; ``done``: whether it is carried out."""
    days = [
        {"day": str(day.day), "bytes": day.size, "beyond": day.why, "kept_for": day.kept_for or None}
        for day in plan.days
    ]
    return {"store": str(store), "removed": done, "bytes_of_all": plan.size, "bytes_freed": plan.freed, "days": days}


def pairs_of(facts: Mapping[str, object], before: str = "") -> Iterator[tuple[str, str]]:
    """Nested facts as rows: ``settings.sync_interval_s`` and its value."""
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from pairs_of(value, f"{before}{name}.")
        elif isinstance(value, list | tuple) and value and all(isinstance(one, Mapping) for one in value):
            for number, one in enumerate(value, start=1):
                yield from pairs_of(one, f"{before}{name}.{number}.")
        else:
            yield f"{before}{name}", _plain(name, value)


def _plain(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, bool) or not isinstance(value, int):
        return str(value)
    if name.endswith("_ns") and value > _LONG_AGO_NS:
        return f"{ist(value // NS_PER_S):%Y-%m-%d} {clock_text(value)} IST"
    return counted(value) if value < _EXACT else str(value)


@contextmanager
def byte_progress(console: Console, what: str, total: int) -> Iterator[Callable[[int], object]]:
    """What to call with bytes as they are done: a bar with its rate on a terminal, nothing elsewhere."""
    from rich.progress import DownloadColumn, TransferSpeedColumn

    with _progress(console, what, total, DownloadColumn(), TransferSpeedColumn()) as done:
        yield done


@contextmanager
def count_progress(console: Console, what: str, total: int | None) -> Iterator[Callable[[int], object]]:
    """What to call with how many more are done: a bar on a terminal, nothing elsewhere. ``total``: None if unknown."""
    from rich.progress import MofNCompleteColumn, TimeRemainingColumn

    with _progress(console, what, total, MofNCompleteColumn(), TimeRemainingColumn()) as done:
        yield done


@contextmanager
def _progress(
    console: Console, what: str, total: int | None, *more: ProgressColumn
) -> Iterator[Callable[[int], object]]:
    if not console.is_terminal:
        yield lambda _: None
        return
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), *more)
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)
