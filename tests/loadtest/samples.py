"""Runs made up for tests: what a load test would have found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kitecli.loadtest.figures import ClientFigures, Process, Run, Sample
from kitecli.loadtest.plan import LoadPlan
from kitecli.metrics.histogram import LatencyHistogram

PLAN = LoadPlan(instruments=1000, duration_s=10.0, rate=2.0, mode="quote", connections=3, readers=1)


def timed(*latencies_ns: int) -> LatencyHistogram:
    histogram = LatencyHistogram()
    histogram.record(np.array(latencies_ns, np.int64))
    return histogram


def a_client(name: str = "reader 1", *latencies_ns: int, missing: int = 0, overrun: int = 0) -> ClientFigures:
    latency = timed(*latencies_ns) if latencies_ns else timed(*[200_000] * 19_800, *[800_000] * 200)
    points = [[1.0, 2000.0, 200_000.0, 800_000.0, 900_000.0], [2.0, 2000.0, 210_000.0, 700_000.0, 800_000.0]]
    return ClientFigures(name, 10.0, latency.count + 1000, missing, overrun, latency, points)


OURS = (
    Process("feed", 0.03, 0.001, 45_000_000, 80_000_000),
    Process("reader 1", 0.02, 0.0, 15_000_000, 70_000_000),
)


def _alone(contender: str) -> Process:
    return Process(contender, 0.6, 0.0, 90_000_000, 0)


def a_run(contender: str = "kite", **changes: object) -> Run:
    run = Run(
        contender=contender,
        asked_per_s=2000.0,
        seconds=10.0,
        sent=20_000,
        ledger=21_000,
        withheld=0,
        clients=(a_client("reader 1" if contender == "kite" else contender),),
        processes=(
            Process("exchange", 0.1, 0.0, 30_000_000, 0),
            *(OURS if contender == "kite" else (_alone(contender),)),
        ),
        samples=tuple(
            Sample(at, {"exchange": 0.1, "feed": 0.03}, {"exchange": 30_000_000, "feed": 45_000_000})
            for at in (1.0, 2.0)
        ),
        stages={"publish": timed(5_000, 9_000), "stamp": timed(500_000_000)} if contender == "kite" else {},
    )
    return replace(run, **changes)
