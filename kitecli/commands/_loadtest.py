"""A load test from its command line to its last line: what is asked, its progress, its tables, its report."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from kitecli.commands._shared import GlobalOptions, print_json, print_rows, say, settings_of
from kitecli.errors import UsageError

if TYPE_CHECKING:
    from kitecli.loadtest.course import Asked
    from kitecli.loadtest.outcome import Outcome
    from kitecli.loadtest.run import Tell

DURATION_S: Final = 60.0
STEP_S: Final = 5.0

Load = tuple[int, float | None, float, str, int, int, bool, int, float, int]


def asked_of(load: Load, *, slo: str, compare: str, find_max: bool) -> Asked:
    """``load``: the command's options in their order. Raises :class:`UsageError` for what can't be run."""
    from kitecli.loadtest.course import Asked
    from kitecli.loadtest.plan import PEERS, LoadPlan, checked
    from kitecli.loadtest.slo import parse
    from kitecli.settings.endpoints import load_feed_limits

    instruments, duration_s, rate, mode, connections, readers, record, burst, burst_s, packets = load
    seconds = duration_s or (STEP_S if find_max else DURATION_S)
    plan = LoadPlan(instruments, seconds, rate, mode, connections, readers, record, burst, burst_s, packets)
    if compare and compare not in PEERS:
        raise UsageError(f"There is nothing named {compare} to compare with", hint=f"--compare {' or '.join(PEERS)}")
    return Asked(checked(plan, load_feed_limits()), parse(slo), (compare,) if compare else (), find_max)


def run_and_show(context: typer.Context, asked: Asked, profile: str, report: Path | None, *, as_json: bool) -> bool:
    """Whether it passed."""
    from kitecli.clock import ist
    from kitecli.loadtest.course import load_test
    from kitecli.loadtest.outcome import outcome_json

    _choose(context, profile)
    settings = settings_of(context, quietly=True)
    path = report or _usual_path()
    _check_room(path)
    with _progress() as tell:
        outcome = load_test(asked, settings, ist(time.time()), tell)
    _save(outcome, path)
    if as_json:
        print_json({**outcome_json(outcome), "report": str(path)})
    else:
        _show(outcome)
    say(f"Report: {path}")
    return outcome.passed


def _choose(context: typer.Context, profile: str) -> None:
    """The short names of the ready profiles, in the place of ``kite --profile``."""
    from kitecli.loadtest.plan import PROFILES

    if not profile:
        return
    if profile not in PROFILES:
        raise UsageError(f"There is no profile {profile} for load tests", hint=f"--profile {' or '.join(PROFILES)}")
    root = context.find_root()
    given = root.obj if isinstance(root.obj, GlobalOptions) else GlobalOptions()
    root.obj = replace(given, profile=PROFILES[profile])


def _show(outcome: Outcome) -> None:
    from kitecli.loadtest.outcome import limit_text
    from kitecli.loadtest.table import heads, rows, verdict_rows

    say(f"{outcome.plan.text()}; profile {outcome.profile}")
    print_rows(heads(outcome.runs), rows(outcome.runs))
    typer.echo()
    print_rows(("target", "found", ""), verdict_rows(outcome.judgement))
    for note in outcome.notes:
        say(f"Note: {note}.")
    if outcome.limit:
        say(f"{limit_text(outcome.plan, outcome.limit)}.")
    if outcome.judgement.broke:
        say(f"Missed; what gave way: {outcome.judgement.broke}.")


def _usual_path() -> Path:
    from kitecli.clock import ist
    from kitecli.folders import data_dir

    return Path(data_dir()) / "loadtests" / f"{ist(time.time()):%Y%m%d-%H%M%S}.html"


def _check_room(path: Path) -> None:
    """Before minutes are spent. Raises :class:`EnvironmentProblem`."""
    from kitecli.files import unwritable

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stood = path.exists()
        with path.open("ab"):
            pass
        if not stood:
            path.unlink()
    except OSError as error:
        raise unwritable(path, error, given=True) from None


def _save(outcome: Outcome, path: Path) -> None:
    from kitecli.files import replacing
    from kitecli.loadtest.report import html_of

    with replacing(path, given=True) as file:
        file.write(html_of(outcome).encode())


@contextmanager
def _progress() -> Iterator[Tell]:
    """A bar on a terminal's stderr; where there is none, a line for each new thing that is done."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _say_once()
        return
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=1.0)
        yield lambda what, over: bar.update(task, description=what, completed=over)


def _say_once() -> Tell:
    told = [""]

    def tell(what: str, _over: float) -> None:
        if what != told[0]:
            told[0] = what
            say(what)

    return tell
