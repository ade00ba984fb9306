"""The memory a gateway writes: files in its place for others to map, or private pages."""

from __future__ import annotations

from pathlib import Path

from kitecli.bars.intervals import Interval
from kitecli.bars.layout import BarsLayout
from kitecli.bars.memory import BarsMemory
from kitecli.errors import EnvironmentProblem
from kitecli.gateway.lock import FeedPlace
from kitecli.gateway.spec import GatewaySpec
from kitecli.hot import COMPILED, WHY_NOT
from kitecli.ring.layout import RingLayout, round_up
from kitecli.ring.memory import RingMemory


def seats_path(ring: Path) -> Path:
    """The seats file of a ring."""
    return ring.with_suffix(".seats")


def ring_of(spec: GatewaySpec) -> RingMemory:
    """Memory for the ticks. Raises :class:`EnvironmentProblem` where there is no room, or nobody could share it."""
    layout = RingLayout.of(spec.ring_size)
    if spec.folder is None:
        return RingMemory.private(layout)
    if not COMPILED:
        raise EnvironmentProblem(
            "A ring that other processes read needs the compiled pass",
            why=f"its memory barriers; {WHY_NOT}",
            hint="run embedded, with a ring in private memory",
        )
    return RingMemory.create(FeedPlace(Path(spec.folder), spec.name).ring, layout)


def bars_of(spec: GatewaySpec, ring: RingMemory) -> BarsMemory | None:
    """Memory for the bars of every instrument the board has a row for; None where none are built."""
    if not spec.intervals:
        return None
    intervals = tuple(Interval.parse(name) for name in spec.intervals)
    layout = BarsLayout(ring.layout.board_capacity, round_up(spec.bar_capacity), len(intervals))
    if spec.folder is None:
        return BarsMemory.private(layout, intervals, spec.bar_grace_ms)
    return BarsMemory.create(FeedPlace(Path(spec.folder), spec.name).bars, layout, intervals, spec.bar_grace_ms)
