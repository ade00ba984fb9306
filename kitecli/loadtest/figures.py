"""What comes out of a run, as plain figures: what tables, reports and JSON are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kitecli.metrics.histogram import MAX, LatencyHistogram

PERCENTS: Final = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99.9": 99.9}


@dataclass(frozen=True, slots=True)
class Process:
    """``cpu``: of one core, over the measured time; ``waited``: the share of it without a processor, though ready to
    run. ``private_bytes``, ``shared_bytes``: at its end.

    None where the platform doesn't tell.
    """

    name: str
    cpu: float | None
    waited: float | None
    private_bytes: int | None
    shared_bytes: int | None


@dataclass(frozen=True, slots=True)
class Sample:
    """An instant of the measured time: seconds since its beginning; by process, cpu of one core and private bytes."""

    at_s: float
    cpu: dict[str, float]
    private_bytes: dict[str, int]


@dataclass(frozen=True, slots=True)
class ClientFigures:
    """What one client counted. ``missing``: ticks in which it differs from the exchange's ledger, instrument by
    instrument. ``seconds``: that it measured. ``overrun``: ticks of its feed's ring that it was too slow for."""

    name: str
    seconds: float
    ticks: int
    missing: int
    overrun: int
    latency: LatencyHistogram
    points: list[list[float]]


@dataclass(frozen=True, slots=True)
class Run:
    """One contender's run. ``sent``: live ticks of the measured time; ``ledger``: all there were, snapshots too.

    ``withheld``: ticks the exchange didn't write, because a client's socket took no more. ``damaged``: messages, by
    kind. ``recorded_bytes``: None where nothing was recorded. ``processes``: exchange, feed, readers. ``stages``: what
    the feed and its readers have timed themselves meanwhile (:mod:`kitecli.metrics.stages`); a client without: none.
    """

    contender: str
    asked_per_s: float
    seconds: float
    sent: int
    ledger: int
    withheld: int
    clients: tuple[ClientFigures, ...]
    processes: tuple[Process, ...]
    samples: tuple[Sample, ...]
    stages: dict[str, LatencyHistogram] = field(default_factory=dict)
    damaged: dict[str, int] = field(default_factory=dict)
    gaps: int = 0
    recorded_bytes: int | None = None

    @property
    def sent_per_s(self) -> float:
        return self.sent / self.seconds if self.seconds else 0.0

    @property
    def ticks_per_s(self) -> float:
        """What the slowest client was handed."""
        return min(client.latency.count / client.seconds if client.seconds else 0.0 for client in self.clients)

    @property
    def lost(self) -> int:
        """Ticks of the ledger that a client lacks, and those the exchange had to withhold from it."""
        return sum(client.missing for client in self.clients) + self.withheld

    @property
    def latency(self) -> LatencyHistogram:
        """Of all clients' ticks."""
        return merged([client.latency for client in self.clients])

    def process(self, name: str) -> Process:
        """The process of that name; the feed of a client without one of its own is the client's."""
        return next((one for one in self.processes if one.name == name), self.processes[-1])

    @property
    def feed(self) -> Process:
        return self.process("feed")

    @property
    def way(self) -> tuple[Process, ...]:
        """From the socket to a handler: the feed and one reader, or the one process that is both."""
        return tuple({one.name: one for one in (self.feed, self.process(self.clients[0].name))}.values())

    @property
    def exchange(self) -> Process:
        return self.process("exchange")


def merged(parts: list[LatencyHistogram]) -> LatencyHistogram:
    """All of them in one."""
    whole = LatencyHistogram()
    for part in parts:
        longest = max(whole.max_ns, part.max_ns)
        whole = LatencyHistogram(whole.cells + part.cells)
        whole.cells[MAX] = longest
    return whole


def by_name(run: Run) -> dict[str, float | None]:
    """The figures an SLO can ask for: ns, ticks, cores, bytes."""
    latency = run.latency
    count = latency.count
    times = {name: latency.percentile_ns(percent) for name, percent in PERCENTS.items()}
    return {
        "avg": latency.sum_ns / count if count else None,
        **times,
        "max": latency.max_ns if count else None,
        "lost": run.lost,
        "cpu": run.feed.cpu,
        "memory": run.feed.private_bytes,
    }


def as_json(run: Run) -> dict[str, Any]:
    """For ``--json``; docs/loadtest.md names the fields."""
    found = by_name(run)
    names = {name: f"latency_ns_{name.replace('.', '_')}" for name in ("avg", *PERCENTS, "max")}
    return {
        "contender": run.contender,
        "seconds": round(run.seconds, 3),
        "asked_per_s": run.asked_per_s,
        "sent_per_s": round(run.sent_per_s, 1),
        "ticks_per_s": round(run.ticks_per_s, 1),
        "sent_total": run.ledger,
        **{json_name: _rounded(found[name]) for name, json_name in names.items()},
        "lost": run.lost,
        "withheld": run.withheld,
        "damaged": run.damaged,
        "gaps": run.gaps,
        "recorded_bytes": run.recorded_bytes,
        "processes": [_process(one) for one in run.processes],
        "stages": {name: found.percentiles_ns() for name, found in run.stages.items()},
        "clients": [_client(one) for one in run.clients],
    }


def _process(one: Process) -> Mapping[str, object]:
    return {
        "name": one.name,
        "cpu": None if one.cpu is None else round(one.cpu, 4),
        "waited": None if one.waited is None else round(one.waited, 4),
        "private_bytes": one.private_bytes,
        "shared_bytes": one.shared_bytes,
    }


def _client(one: ClientFigures) -> Mapping[str, object]:
    return {
        "name": one.name,
        "ticks": one.ticks,
        "missing": one.missing,
        "overrun": one.overrun,
        "latency": one.latency.percentiles_ns(),
    }


def _rounded(value: float | None) -> int | None:
    return None if value is None else round(value)
