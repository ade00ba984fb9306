"""What a load test runs, checked before anything is started."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from kitecli.errors import UsageError
from kitecli.settings.endpoints import FeedLimits
from kitecli.sim.options import LOAD, SimOptions

MODES: Final = ("quote", "full")
"""A packet of the mode ltp has no room for the sender's stamp."""
PEERS: Final = ("kiteconnect",)
PROFILES: Final = {"speed": "maximum-speed", "memory": "memory-efficiency"}
STEP_MS_LEAST: Final = 1.0
STEP_MS_MOST: Final = 100.0


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """One load: ``instruments`` of ``rate`` ticks a second each in ``mode``, for ``duration_s`` measured seconds.

    ``burst``: so many ticks more at once, every ``burst_s``. ``readers``: processes that read the feed. ``record``:
    the feed records what it receives. ``packets_per_frame``: of a message, at most.
    """

    instruments: int
    duration_s: float
    rate: float
    mode: str
    connections: int
    readers: int
    record: bool = False
    burst: int = 0
    burst_s: float = 5.0
    packets_per_frame: int = 10
    warm_up_s: float = 2.0

    @property
    def ticks_per_s(self) -> float:
        """What the exchange is to send, bursts among it."""
        return self.instruments * self.rate + (self.burst / self.burst_s if self.burst else 0.0)

    def text(self) -> str:
        """The load in a line for people."""
        parts = [
            f"{self.instruments:,} instruments × {self.rate:g}/s in mode {self.mode} for {self.duration_s:g} s",
            f"{self.connections} connection{'s' * (self.connections != 1)}",
            f"at most {self.packets_per_frame} packets a message",
            f"{self.readers} reader{'s' * (self.readers != 1)}",
        ]
        parts += [f"{self.burst:,} more at once every {self.burst_s:g} s"] if self.burst else []
        return ", ".join(parts + (["recorded"] if self.record else []))

    def exchange(self) -> SimOptions:
        """The exchange that sends it. Its steps are such that a message is full where the pace allows."""
        step_ms = 1000 * self.packets_per_frame * self.connections / (self.instruments * self.rate)
        return SimOptions(
            source=LOAD,
            rate=self.rate,
            instruments=self.instruments,
            packets_per_frame=self.packets_per_frame,
            rate_limits=False,
            step_ms=min(max(step_ms, STEP_MS_LEAST), STEP_MS_MOST),
            burst=self.burst,
            burst_s=self.burst_s if self.burst else 0.0,
        )


def checked(plan: LoadPlan, limits: FeedLimits) -> LoadPlan:
    """The plan; raises :class:`UsageError` where it asks for what can't be run."""
    least = ceil(plan.instruments / limits.instruments_per_connection)
    if not least <= plan.connections <= limits.connections:
        raise UsageError(
            f"{plan.instruments:,} instruments over {plan.connections} connections can't be streamed",
            why=(
                f"the broker allows {limits.connections} connections of "
                f"{limits.instruments_per_connection:,} instruments each"
            ),
            hint=f"give --connections {least}" if least <= limits.connections else "give fewer --instruments",
        )
    if plan.mode not in MODES:
        raise UsageError(
            f"A load in mode {plan.mode} can't be timed",
            why="its packets have no room for the sender's stamp",
            hint=f"give --mode one of {' or '.join(MODES)}",
        )
    return plan


def shares(tokens: Sequence[int], connections: int) -> list[list[int]]:
    """The instruments by connection, as evenly as can be: for a client that doesn't share them out by itself."""
    return [list(tokens[number::connections]) for number in range(connections)]
