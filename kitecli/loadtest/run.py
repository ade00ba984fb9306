"""Runs one load: starts the exchange and its clients, each in a process of its own, measures, and ends them all.

The feed's files stand in a folder made for the run, so that nobody's running feed is joined, and nobody joins this one.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from kitecli.broker.rest import fetch_instruments
from kitecli.errors import FeedError
from kitecli.gateway.spec import GatewaySpec, RecordPlan
from kitecli.hot import COMPILED
from kitecli.loadtest.child import Child
from kitecli.loadtest.client import Job
from kitecli.loadtest.figures import ClientFigures, Process, Run, Sample, merged
from kitecli.loadtest.plan import LoadPlan
from kitecli.loadtest.tally import missing
from kitecli.loadtest.usage import Memory, Usage, memory, usage
from kitecli.market.instruments import parse_instruments
from kitecli.metrics.block import read
from kitecli.metrics.histogram import LatencyHistogram
from kitecli.metrics.layout import slot_path
from kitecli.ring.layout import DAMAGE
from kitecli.ring.location import runtime_dir
from kitecli.settings import Settings
from kitecli.sim.launcher import SimProcess, launch
from kitecli.wiring import FeedPlan, market_of, spec_of

OURS: Final = "kite"
SUBSCRIBE_S: Final = 30.0
DRAIN_S: Final = 20.0
STILL_S: Final = 2.0
"""A client whose count doesn't move for so long has what it will get."""
LOOK_S: Final = 0.1
SAMPLE_S: Final = 1.0

Tell = Callable[[str, float], None]
"""Hears what is being done, and which share of the measured time is over."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The exchange's totals before and after, what the processes used meanwhile, and what the feed timed."""

    seconds: float
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    used: Mapping[str, tuple[float | None, float | None]]
    samples: tuple[Sample, ...]
    stages: dict[str, LatencyHistogram]


def run_load(plan: LoadPlan, settings: Settings, contender: str, tell: Tell) -> Run:
    """Run it to its end. Raises what keeps the exchange or a client from starting."""
    with ExitStack() as stack:
        folder = _folder(stack, runtime_dir())
        store = _folder(stack, Path(tempfile.gettempdir())) if plan.record and contender == OURS else None
        tell("starting", 0.0)
        sim = stack.enter_context(launch(plan.exchange()))
        market = market_of(sim.ready)
        tokens = [row.instrument_token for row in parse_instruments(fetch_instruments(market.session))]
        spec = _placed(spec_of(settings, market, FeedPlan(connections=plan.connections)), folder, settings, store)
        children = _clients(stack, plan, contender, spec, tokens, settings.performance.buffer_size, folder)
        pids = _pids(sim, children, contender)
        _subscribe(sim, children, len(tokens))
        tell("warming up", 0.0)
        time.sleep(plan.warm_up_s)
        measured = _measure(sim, children, pids, folder, plan.duration_s, tell)
        held = {name: memory(pid, folder) for name, pid in pids.items()}
        tell("counting", 1.0)
        ledger = _drained(sim, children)
        results = [(child.name, child.ask("done")) for child in children]
    return _run(plan, contender, measured, held, ledger, results)


def _folder(stack: ExitStack, parent: Path) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="loadtest-", dir=parent))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _placed(spec: GatewaySpec, folder: Path, settings: Settings, store: Path | None) -> GatewaySpec:
    """The feed as the settings have it, in the run's own folder; it records nothing, or to the run's own store."""
    chosen = settings.datafeed
    record = None
    if store is not None:
        floor_bytes = chosen.store_keep_free * 1_000_000
        record = RecordPlan(str(store), chosen.store_level, chosen.store_flush, floor_bytes=floor_bytes)
    return replace(spec, folder=spec.folder and str(folder), token_file=None, record=record)


def _clients(
    stack: ExitStack, plan: LoadPlan, contender: str, spec: GatewaySpec, tokens: list[int], batch: int, folder: Path
) -> list[Child]:
    """Whoever is first starts the feed, and the others join it."""
    alone = contender != OURS or spec.folder is None or not COMPILED
    names = [contender] if contender != OURS else [f"reader {n}" for n in range(1, 1 + (1 if alone else plan.readers))]
    jobs = [Job(spec.to_line(), tokens, plan.mode, batch, name, plan.connections) for name in names]
    children = [stack.enter_context(Child(contender, job, str(folder))) for job in jobs]
    for child in children:
        child.ready()
    return children


def _pids(sim: SimProcess, children: Sequence[Child], contender: str) -> dict[str, int]:
    """By what tables call them. A feed without a process of its own is in its reader's."""
    feed = children[0].feed_pid
    if contender == OURS and feed is None:
        return {"exchange": sim.pid, "feed": children[0].pid}
    own = {"feed": feed} if feed is not None else {}
    return {"exchange": sim.pid, **own, **{child.name: child.pid for child in children}}


def _subscribe(sim: SimProcess, children: Sequence[Child], count: int) -> None:
    for child in children:
        child.order("go")
    deadline_s = time.monotonic() + SUBSCRIBE_S
    while (streams := _streaming(sim)) != count:
        if time.monotonic() > deadline_s:
            raise FeedError(
                f"The clients subscribed to {streams:,} of {count:,} instruments", why=f"in {SUBSCRIBE_S:g} s"
            )
        time.sleep(LOOK_S)


def _streaming(sim: SimProcess) -> int:
    return sum(len(modes) for modes in sim.subscriptions().values())


def _measure(
    sim: SimProcess, children: Sequence[Child], pids: Mapping[str, int], folder: Path, duration_s: float, tell: Tell
) -> Measured:
    stages = stages_in(folder)
    for child in children:
        child.order("begin")
    before, began_s = sim.status(), time.monotonic()
    first = last = _usages(pids)
    last_s, samples = began_s, []
    while (passed_s := time.monotonic() - began_s) < duration_s:
        tell("measuring", passed_s / duration_s)
        time.sleep(min(SAMPLE_S, duration_s - passed_s))
        now, now_s = _usages(pids), time.monotonic()
        samples.append(_sample(last, now, now_s - last_s, now_s - began_s))
        last, last_s = now, now_s
    for child in children:
        child.order("end")
    after, seconds = sim.status(), time.monotonic() - began_s
    used = {name: _shares(first[name], last[name], last_s - began_s) for name in pids}
    timed = {name: found.since(stages[name]) for name, found in stages_in(folder).items() if name in stages}
    return Measured(seconds, before, after, used, tuple(samples), timed)


def stages_in(folder: Path) -> dict[str, LatencyHistogram]:
    """What the feed of a folder has timed so far, by stage; its readers' in one. Empty where there is none."""
    found: dict[str, LatencyHistogram] = {}
    for path in map(slot_path, folder.glob("*.ring")):
        figures = read(path)
        for slot in (figures.gateway, *figures.readers.values()):
            for name, histogram in slot.stages.items():
                found[name] = merged([found[name], histogram]) if name in found else histogram
    return found


def _usages(pids: Mapping[str, int]) -> dict[str, Usage | None]:
    return {name: usage(pid) for name, pid in pids.items()}


def _shares(first: Usage | None, last: Usage | None, seconds: float) -> tuple[float | None, float | None]:
    """Of the time: on a processor, and waiting for one."""
    if first is None or last is None or seconds <= 0:
        return None, None
    return (last.cpu_s - first.cpu_s) / seconds, (last.waited_s - first.waited_s) / seconds


def _sample(before: Mapping[str, Usage | None], now: Mapping[str, Usage | None], took_s: float, at_s: float) -> Sample:
    shares = {name: _shares(before[name], found, took_s)[0] for name, found in now.items()}
    return Sample(
        at_s,
        {name: share for name, share in shares.items() if share is not None},
        {name: found.anonymous_bytes for name, found in now.items() if found is not None},
    )


def _drained(sim: SimProcess, children: Sequence[Child]) -> dict[str, Any]:
    """The exchange's ledger, once it sends no more and the clients have all of it, or get nothing any more."""
    for child in children:
        child.order("quiet")
    deadline_s = time.monotonic() + DRAIN_S
    while _streaming(sim) and time.monotonic() < deadline_s:
        time.sleep(LOOK_S)
    ledger = sim.ledger()
    total = ledger["totals"]["live"] + ledger["totals"]["snapshots"]
    counts, moved_s = [-1], time.monotonic()
    while min(counts) < total and time.monotonic() < min(deadline_s, moved_s + STILL_S):
        now = [int(child.ask("count")["ticks"]) for child in children]
        if now != counts:
            counts, moved_s = now, time.monotonic()
        time.sleep(LOOK_S)
    return ledger


def _run(
    plan: LoadPlan,
    contender: str,
    measured: Measured,
    held: Mapping[str, Memory | None],
    ledger: Mapping[str, Any],
    results: Sequence[tuple[str, dict[str, Any]]],
) -> Run:
    sent = {int(token): sum(both) for token, both in ledger["tokens"].items()}
    feed = results[0][1].get("feed", {})
    counters = feed.get("counters", {})
    recording = results[0][1].get("recording") or {}
    return Run(
        contender=contender,
        asked_per_s=plan.ticks_per_s,
        seconds=measured.seconds,
        sent=measured.after["live"] - measured.before["live"],
        ledger=sum(sent.values()),
        withheld=ledger["totals"]["withheld"],
        clients=tuple(_client(name, result, sent) for name, result in results),
        processes=tuple(_process(name, measured.used[name], found) for name, found in held.items()),
        samples=measured.samples,
        stages={name: found for name, found in measured.stages.items() if found.count},
        damaged={kind: counters[kind] for kind in DAMAGE if counters.get(kind)},
        gaps=results[0][1].get("gaps", 0),
        recorded_bytes=recording.get("bytes"),
    )


def _client(name: str, result: Mapping[str, Any], sent: dict[int, int]) -> ClientFigures:
    got = {int(token): count for token, count in result["tokens"].items()}
    return ClientFigures(
        name=name,
        seconds=result["seconds"],
        ticks=result["ticks"],
        missing=missing(sent, got) + result["strange"],
        overrun=result.get("feed", {}).get("lost", 0),
        latency=LatencyHistogram(np.array(result["latency"], np.int64)),
        points=result["points"],
    )


def _process(name: str, used: tuple[float | None, float | None], found: Memory | None) -> Process:
    return Process(name, *used, found.private_bytes if found else None, found.shared_bytes if found else None)
