"""Everything a load test has found, for whoever shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from kitecli.loadtest.figures import Run, as_json
from kitecli.loadtest.judge import Judgement, notes_of
from kitecli.loadtest.limit import Limit
from kitecli.loadtest.plan import LoadPlan
from kitecli.terminal.numbers import counted


@dataclass(frozen=True, slots=True)
class Outcome:
    """``runs``: ours first, then the official client's. ``judgement``: of ours. ``limit``: where one was looked for;
    ``runs`` are then of the highest rate that held. ``machine``: lines about where it ran. ``at``: when, with its zone.
    """

    plan: LoadPlan
    profile: str
    runs: tuple[Run, ...]
    judgement: Judgement
    machine: Mapping[str, str]
    at: str
    limit: Limit | None = None

    @property
    def notes(self) -> list[str]:
        """What is to be known of the figures, by whose they are where there are several."""
        named = "{}: {}" if len(self.runs) > 1 else "{1}"
        return [named.format(run.contender, note) for run in self.runs for note in notes_of(run)]

    @property
    def passed(self) -> bool:
        """A search has done what was asked of it where it found a rate that holds."""
        return self.judgement.passed if self.limit is None else self.limit.held > 0


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """For ``--json``; docs/loadtest.md names the fields."""
    judgement, limit = outcome.judgement, outcome.limit
    return {
        "at": outcome.at,
        "machine": dict(outcome.machine),
        "profile": outcome.profile,
        "plan": asdict(outcome.plan),
        "passed": outcome.passed,
        "broke": judgement.broke or None,
        "slos": [{"slo": one.slo.text, "found": one.found, "passed": one.passed} for one in judgement.verdicts],
        "notes": outcome.notes,
        "runs": [as_json(run) for run in outcome.runs],
        "limit": None if limit is None else _limit_json(outcome.plan, limit),
    }


def limit_text(plan: LoadPlan, limit: Limit) -> str:
    """What a search found, in a line or two."""

    def rate(one: float) -> str:
        return f"{counted(one * plan.instruments)} ticks/s ({one:.3g}/s of each instrument)"

    broke = f"{limit.broke} gave way first, at {rate(limit.broke_at)}" if limit.broke_at else "nothing gave way"
    held = f"held: {rate(limit.held)}" if limit.held else "no rate held"
    return f"{held}; {broke}"


def _limit_json(plan: LoadPlan, limit: Limit) -> dict[str, Any]:
    return {
        "held_per_s": limit.held * plan.instruments,
        "broke_at_per_s": None if limit.broke_at is None else limit.broke_at * plan.instruments,
        "broke": limit.broke or None,
        "steps": [{"ticks_per_s": step.rate * plan.instruments, "broke": step.broke or None} for step in limit.steps],
    }
