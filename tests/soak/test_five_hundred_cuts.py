"""Hundreds of faults of all kinds against the gateway with 9,000 instruments: each ends with everything restored, and
is told as the proxy saw it.

``KITE_CUTS`` is how many, ``KITE_CUTS_SEED`` their dice. Run it with ``make soak ARGS=-s`` to see the table.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from kitecli.hot import COMPILED
from kitecli.market.gap import Gap
from kitecli.sim.launcher import launch
from kitecli.sim.options import SimOptions
from tests.soak.cuts import KINDS, Kind, refused, reserved_opcode
from tests.soak.cutting import CHANGED, NEAR_NS, SETTLED_S, Rig, first_flags, merged, percentiles, until

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not COMPILED, reason="the feed has no process of its own"),
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

CUTS = int(os.environ.get("KITE_CUTS", "500"))
SEED = int(os.environ.get("KITE_CUTS_SEED", "2026"))
CONNECTIONS = 3
EXCUSED = 0.05
"""The share of records that may be off by more than 50 ms because a process had to wait for a processor."""


@dataclass
class Found:
    """What came of the cuts of one kind. Recovery counts from the cut; of ``refused``, from when it was open again."""

    cuts: int = 0
    outages: int = 0
    restored: int = 0
    told: int = 0
    merged: int = 0
    recovery_ns: list[int] = field(default_factory=list)
    waited_ns: list[int] = field(default_factory=list)
    from_ns: list[int] = field(default_factory=list)
    to_ns: list[int] = field(default_factory=list)
    excused_ns: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    flags: Counter[str] = field(default_factory=Counter)

    def line(self, kind: str) -> str:
        off = [abs(error) for error in self.from_ns + self.to_ns]
        return (
            f"{kind:22s} {self.cuts:4d} {self.outages:7d} {self.restored:8d} {self.told:4d}"
            f" {percentiles(self.recovery_ns, 1e9)} {percentiles(off, 1e6)}"
            f" {len(self.excused_ns):5d} {len(self.wrong):5d}"
        )


HEADINGS = (
    f"{'kind':22s} cuts outages restored told {'p50 s':>8} {'p99 s':>8} {'max s':>8}"
    f" {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8} >50ms wrong"
)


QUICK = {"rst", "fin"}
SILENT = {"silence", "half_open"}


def plan() -> list[Kind]:
    cuts = [kind for kind, share in KINDS.items() for _ in range(max(1, round(share * CUTS)))]
    random.Random(SEED).shuffle(cuts)
    return cuts


def test_cuts_of_all_kinds(tmp_path: Path):
    script = f"{{version: 1, seed: {SEED}}}"
    options = SimOptions(instruments=9000, rate=0.3, rate_limits=False, seed=SEED, faults=script)
    results: dict[str, Found] = defaultdict(Found)
    began_s = time.monotonic()
    with launch(options) as sim, Rig(sim, tmp_path, SEED) as rig:
        until(lambda: rig.up() and rig.restored(), "all there at the start")
        time.sleep(SETTLED_S)
        try:
            for number, kind in enumerate(plan(), 1):
                cut(rig, kind, results[kind.__name__])
                if number % 50 == 0:
                    show(rig, results, time.monotonic() - began_s)
        finally:
            show(rig, results, time.monotonic() - began_s)
        judge(rig, results)


def cut(rig: Rig, kind: Kind, found: Found) -> None:
    """One, and all that is to be seen of it until the connections have been steady for a second."""
    rig.log.take()
    outages_before, gaps_before, waited_ns = len(rig.truth("outages")), len(rig.feed.gaps), rig.waited_ns()
    found.cuts += 1
    count = kind(rig)
    outages_expected = 0 if kind is reserved_opcode else count
    gaps: list[Gap] = []
    outages: list[dict] = []

    def over() -> bool:
        gaps[:] = rig.feed.gaps[gaps_before:]
        if len(merged(gaps)) < count or any(gap.to_ns is None for gap in gaps) or not rig.up():
            return False
        outages[:] = rig.truth("outages")[outages_before:]
        return len(outages) >= outages_expected and all(outage["to_ns"] for outage in outages) and rig.restored()

    until(over, kind.__name__)
    waited_ns = rig.waited_ns() - waited_ns
    last_ns = max([gap.to_ns or 0 for gap in gaps] + [outage["to_ns"] for outage in outages], default=time.time_ns())
    time.sleep(max(0.0, SETTLED_S - (time.time_ns() - last_ns) / 1e9))
    assert rig.restored(), "and it stays so"
    gaps = rig.feed.gaps[gaps_before:]
    found.restored += 1
    found.outages += count
    found.merged += len(gaps) - len(merged(gaps))
    compare(found, merged(gaps), outages, kind, count, waited_ns)
    note_recovery(rig, found, merged(gaps), outages, kind)
    found.waited_ns += [waited_ns] * count
    ticks = rig.log.take()
    for gap in {gap.connection: gap for gap in gaps}.values():  # the last of each connection
        found.flags += first_flags(gap, rig.wanted, ticks)


def compare(found: Found, gaps: list[Gap], outages: list[dict], kind: Kind, count: int, waited_ns: int) -> None:
    """The gateway's record and the proxy's: one for one, with the same ends."""
    if len(gaps) != count or (outages and len(outages) != count):
        found.wrong.append(f"{kind.__name__}: {count} went down, {len(gaps)} told, {len(outages)} in the truth")
        return
    found.told += count
    by_lowest = {min(gap.tokens): gap for gap in gaps}
    for outage in outages:
        gap = by_lowest.get(outage["lowest_token"])
        if gap is None or abs(len(gap.tokens) - outage["instruments"]) > CHANGED:
            found.wrong.append(f"{kind.__name__}: no gap for {outage}")
            continue
        errors = gap.from_ns - outage["last_byte_ns"], (gap.to_ns or 0) - outage["to_ns"]
        found.from_ns.append(errors[0])
        found.to_ns.append(errors[1])
        for name, error in zip(("from", "to"), errors, strict=True):
            if abs(error) > NEAR_NS and abs(error) <= waited_ns:
                found.excused_ns.append(error)
            elif abs(error) > NEAR_NS:
                found.wrong.append(f"{kind.__name__}: {name} off by {error / 1e6:.1f} ms, waited {waited_ns / 1e6:.0f}")


def note_recovery(rig: Rig, found: Found, gaps: list[Gap], outages: list[dict], kind: Kind) -> None:
    if kind is reserved_opcode:
        found.recovery_ns += [(gap.to_ns or 0) - gap.from_ns for gap in gaps]
    elif kind is refused:
        deeds = rig.truth("faults")
        found.recovery_ns += [outage["to_ns"] - deeds[outage["faults"][0] - 1]["to_ns"] for outage in outages]
    else:
        found.recovery_ns += [outage["to_ns"] - outage["from_ns"] for outage in outages]


def together(results: dict[str, Found]) -> Found:
    whole = Found()
    for found in results.values():
        for name in vars(whole):
            setattr(whole, name, getattr(whole, name) + getattr(found, name))
    return whole


def show(rig: Rig, results: dict[str, Found], took_s: float) -> None:
    print(f"\n\n{HEADINGS}", flush=True)
    for kind in KINDS:
        print(results[kind.__name__].line(kind.__name__))
    whole = together(results)
    print(whole.line("all"))
    print(f"{'Gap.from_ns - last_byte_ns':28s} ms: {percentiles([abs(error) for error in whole.from_ns], 1e6)}")
    print(f"{'Gap.to_ns - to_ns':28s} ms: {percentiles([abs(error) for error in whole.to_ns], 1e6)}")
    print(
        f"{took_s:.0f} s; {whole.merged} gaps merged with the one before; flags of first ticks {dict(whole.flags)}; "
        f"sockets at once {rig.sockets.most} in {rig.sockets.looks:,} looks; 429: {rig.rate_limited}; "
        f"waited for a processor, ms a cut: {percentiles(whole.waited_ns, 1e6)}; answers late {rig.unanswered}; "
        f"reader lost {rig.log.lost}"
    )
    for wrong in whole.wrong:
        print("wrong:", wrong)


def judge(rig: Rig, results: dict[str, Found]) -> None:
    whole = together(results)
    assert whole.wrong == []
    assert whole.restored == whole.cuts == len(plan())
    assert whole.told == whole.outages
    assert len(whole.excused_ns) <= max(2, EXCUSED * len(whole.from_ns + whole.to_ns))
    assert set(whole.flags) == {"flagged"}
    assert rig.sockets.most <= CONNECTIONS
    assert rig.rate_limited == 0
    assert rig.log.lost == 0
    assert np.percentile([ns for kind in QUICK for ns in own_ns(results[kind])], 99) <= 1e9
    assert max(ns for kind in SILENT for ns in own_ns(results[kind])) <= 6e9


def own_ns(found: Found) -> list[int]:
    """Recovery without what gateway and exchange waited for a processor meanwhile: that is the machine's."""
    return [took - waited for took, waited in zip(found.recovery_ns, found.waited_ns, strict=True)]
