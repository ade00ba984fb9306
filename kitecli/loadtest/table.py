"""A run as rows of a table; of several, side by side with how many times the other's figure is ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from kitecli.loadtest.figures import Run, by_name
from kitecli.loadtest.judge import Judgement
from kitecli.loadtest.slo import Verdict
from kitecli.metrics.histogram import LatencyHistogram
from kitecli.metrics.stages import STAGES, STAMP
from kitecli.terminal.numbers import counted, duration

Row = tuple[str, ...]
_TIMES: Final = ("avg", "p50", "p90", "p99", "p99.9", "max")
NONE: Final = "–"


def heads(runs: Sequence[Run]) -> Row:
    names = tuple(run.contender for run in runs)
    return ("", *names, f"{names[1]} / {names[0]}") if len(runs) == 2 else ("", *names)


def rows(runs: Sequence[Run]) -> list[Row]:
    """ticks/s, latencies, memory, processor time, losses; each with a cell for each run."""
    found = [by_name(run) for run in runs]
    return [
        _row("ticks/s asked for", runs, lambda run: run.asked_per_s, _count),
        _row("ticks/s delivered", runs, lambda run: run.ticks_per_s, _count),
        *(
            _figures(f"latency {name}, write to handler", [figures[name] for figures in found], _time)
            for name in _TIMES
        ),
        *_stages(runs),
        _row("private memory, feed process", runs, lambda run: run.feed.private_bytes, size),
        _row("private memory, feed and a reader", runs, lambda run: _sum(one.private_bytes for one in run.way), size),
        _row("shared memory, feed process", runs, lambda run: run.feed.shared_bytes, size),
        _row("CPU of one core, feed process", runs, lambda run: run.feed.cpu, share),
        _row("CPU of one core, feed and a reader", runs, lambda run: _sum(one.cpu for one in run.way), share),
        *_others(runs),
        _row("sent, by the exchange's ledger", runs, lambda run: run.ledger, _count),
        _row("lost", runs, lambda run: run.lost, _count),
        *(
            [_row("recorded", runs, lambda run: run.recorded_bytes, size)]
            if any(run.recorded_bytes is not None for run in runs)
            else []
        ),
    ]


def verdict_rows(judgement: Judgement) -> list[Row]:
    """What was asked, what was found, pass or FAIL."""
    return [(one.slo.text, found_text(one), "pass" if one.passed else "FAIL") for one in judgement.verdicts]


def found_text(verdict: Verdict) -> str:
    """The figure in the unit that its target was given in, or one as short."""
    name, found = verdict.slo.name, verdict.found
    if name == "lost":
        return _count(found)
    return {"cpu": share, "memory": size}.get(name, _time)(found)


def size(value: float | None) -> str:
    """Bytes, as megabytes."""
    return NONE if value is None else f"{value / 1e6:,.1f} MB"


def share(value: float | None) -> str:
    """Of one core."""
    return NONE if value is None else f"{value:.1%}"


def _others(runs: Sequence[Run]) -> list[Row]:
    """The processes beside the feed; a client that is its own feed has its row above."""
    names = dict.fromkeys(one.name for run in runs for one in run.processes if one is not run.feed)
    table = []
    for name in names:
        shares = [next((one.cpu for one in run.processes if one.name == name), None) for run in runs]
        table.append(_figures(f"CPU of one core, {name}", shares, share, ratio=False))
    return table


def _sum(parts: Iterable[float | None]) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) if known else None


def _stages(runs: Sequence[Run]) -> list[Row]:
    """What our feed has timed itself, p50 and p99; the stamp is of whole seconds, and says nothing here."""
    table = []
    for name in [one.name for one in STAGES if one is not STAMP and any(one.name in run.stages for run in runs)]:
        cells = [_both(run.stages.get(name)) for run in runs]
        table.append((f"stage {name}, p50 / p99", *cells, *([""] if len(runs) == 2 else [])))
    return table


def _both(found: LatencyHistogram | None) -> str:
    return NONE if found is None else " / ".join(duration(found.percentile_ns(percent)) for percent in (50, 99))


def _row(
    what: str, runs: Sequence[Run], pick: Callable[[Run], float | None], text: Callable[[float | None], str]
) -> Row:
    plain = what.startswith(("ticks", "sent", "lost", "shared"))
    return _figures(what, [pick(run) for run in runs], text, ratio=not plain)


def _figures(
    what: str, found: Sequence[float | None], text: Callable[[float | None], str], *, ratio: bool = True
) -> Row:
    cells = (what, *map(text, found))
    if len(found) != 2:
        return cells
    ours, theirs = found
    return (*cells, f"{theirs / ours:.1f}×" if ratio and ours and theirs is not None else "")


def _count(value: float | None) -> str:
    return NONE if value is None else counted(value)


def _time(value: float | None) -> str:
    return duration(None if value is None else round(value))
