"""Whether a run will do, and what gave way first where it doesn't."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kitecli.loadtest.figures import Run, by_name
from kitecli.loadtest.slo import Slo, Verdict, judged
from kitecli.terminal.numbers import counted

PACE: Final = 0.97
"""Of what was asked for: with less, it is another load than the one that is judged."""
FULL_CORE: Final = 0.9
"""A process with one loop that uses so much of a core is about to be late."""
CROWDED: Final = 0.05
"""Of its time that a process may wait for a processor: beyond, latencies are the machine's."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """``broke``: simulator, feed, reader or latency, or another SLO's name; "" where everything held."""

    verdicts: tuple[Verdict, ...]
    broke: str

    @property
    def passed(self) -> bool:
        return not self.broke


def judge(run: Run, slos: tuple[Slo, ...]) -> Judgement:
    verdicts = judged(slos, by_name(run))
    return Judgement(verdicts, what_broke(run, verdicts))


def what_broke(run: Run, verdicts: Sequence[Verdict]) -> str:
    """The cause before what follows from it: an exchange that is late makes nothing else's figures mean anything."""
    failed = [verdict.slo.name for verdict in verdicts if not verdict.passed]
    if behind(run) and not run.withheld:
        return "simulator"
    if "lost" in failed:
        return "reader" if any(client.overrun for client in run.clients) else "feed"
    if not failed:
        return "simulator" if behind(run) else ""
    if failed[0] in ("cpu", "memory"):
        return failed[0]
    return next((role for role, share in _shares(run) if share >= FULL_CORE), "latency")


def behind(run: Run) -> bool:
    """Whether the exchange didn't send what it was to send."""
    return run.sent_per_s + run.withheld / max(run.seconds, 1e-9) < PACE * run.asked_per_s


def _shares(run: Run) -> list[tuple[str, float]]:
    """Who used how much of a core, in a tick's order."""
    roles = {"exchange": "simulator", "feed": "feed"}
    return [(roles.get(one.name, "reader"), one.cpu or 0.0) for one in run.processes]


def notes_of(run: Run) -> list[str]:
    """What is to be known of a run's figures beside the verdicts."""
    notes = []
    cpu = run.exchange.cpu or 0.0
    if behind(run):
        notes.append(
            f"the simulated exchange sent {counted(run.sent_per_s)} ticks/s of {counted(run.asked_per_s)}, "
            f"at {cpu:.0%} of a core: the figures are of what it sent"
        )
    elif cpu >= FULL_CORE:
        notes.append(
            f"the simulated exchange used {cpu:.0%} of a core: the latencies are its own as much as the feed's"
        )
    waited = max(((one.waited or 0.0, one.name) for one in run.processes), default=(0.0, ""))
    if waited[0] >= CROWDED:
        notes.append(
            f"the machine was busy: {waited[1]} was ready to run and waited for a processor {waited[0]:.0%} of the time"
        )
    if run.withheld:
        notes.append(f"{counted(run.withheld)} ticks were withheld, because a socket took no more: they count as lost")
    if run.damaged:
        notes.append(
            "damaged messages: " + ", ".join(f"{kind} {counted(count)}" for kind, count in run.damaged.items())
        )
    if run.gaps:
        notes.append(f"{counted(run.gaps)} outages of connections")
    return notes
