"""The whole of a load test: ours, the official client's, or the search for the most that holds."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from importlib import metadata

from kitecli.loadtest.figures import Run
from kitecli.loadtest.judge import Judgement, judge
from kitecli.loadtest.limit import Limit, find_limit
from kitecli.loadtest.outcome import Outcome
from kitecli.loadtest.plan import LoadPlan
from kitecli.loadtest.run import OURS, Tell, run_load
from kitecli.loadtest.slo import Slo
from kitecli.machine import operating_system
from kitecli.settings import Settings
from kitecli.sim.load import MAX_RATE
from kitecli.terminal.numbers import counted


@dataclass(frozen=True, slots=True)
class Asked:
    """``peers``: other clients to run on the same load, after ours. ``find_max``: look for the limit first."""

    plan: LoadPlan
    slos: tuple[Slo, ...]
    peers: tuple[str, ...] = ()
    find_max: bool = False


def load_test(asked: Asked, settings: Settings, now: datetime, tell: Tell) -> Outcome:
    """Run everything, one after the other, so that nobody disturbs another's figures."""
    limit, ours, judgement = _searched(asked, settings, tell) if asked.find_max else _once(asked, settings, tell)
    plan = replace(asked.plan, rate=limit.held) if limit and limit.held else asked.plan
    peers = [run_load(plan, settings, peer, _named(peer, tell)) for peer in asked.peers]
    return Outcome(
        plan=plan,
        profile=settings.profile or "default",
        runs=(ours, *peers),
        judgement=judgement,
        machine=machine(),
        at=f"{now:%d %b %Y %H:%M:%S} {now.tzname()}",
        limit=limit,
    )


def machine() -> Mapping[str, str]:
    """Where it ran: figures mean nothing without."""
    versions = {name: metadata.version(name) for name in ("numpy", "picows", "kiteconnect")}
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    return {
        "system": operating_system(),
        "processors": str(os.cpu_count()),
        "Python": platform.python_version(),
        **versions,
        "load average at the end": load,
    }


def _once(asked: Asked, settings: Settings, tell: Tell) -> tuple[None, Run, Judgement]:
    run = run_load(asked.plan, settings, OURS, _named(OURS, tell))
    return None, run, judge(run, asked.slos)


def _searched(asked: Asked, settings: Settings, tell: Tell) -> tuple[Limit, Run, Judgement]:
    """The limit, and the run of the highest rate that held, or of the last where none did."""
    tried: dict[float, tuple[Run, Judgement]] = {}

    def try_rate(rate: float) -> str:
        plan = replace(asked.plan, rate=rate)
        run = run_load(plan, settings, OURS, _named(f"{counted(plan.ticks_per_s)}/s", tell))
        tried[rate] = run, judge(run, asked.slos)
        return tried[rate][1].broke

    limit = find_limit(asked.plan.rate, MAX_RATE, try_rate)
    return (limit, *tried.get(limit.held, tried[limit.steps[-1].rate]))


def _named(name: str, tell: Tell) -> Tell:
    return lambda what, over: tell(f"{name}: {what}", over)
