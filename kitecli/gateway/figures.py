"""What a gateway and its readers leave for others to read of themselves: their slots of figures beside the ring.

The pass counts into the slot with each message; everything else is looked up ten times a second, which costs the loop
0.05 % of a core, however many look at the slot.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.feed.events import ConnectionStatus
from kitecli.feed.liveness import UP, State
from kitecli.gateway.kernel_clock import clock_offset
from kitecli.hot import FramePass, Tally
from kitecli.metrics.block import Slot
from kitecli.metrics.layout import (
    GATEWAY_COUNTERS,
    HEADER_BYTES,
    LINES,
    READER_COUNTERS,
    UNKNOWN,
    line_counter,
    reader_path,
    slot_path,
)
from kitecli.metrics.stages import CALLBACK, LOOP, PUBLISH, READ, ROUND_TRIP, STAMP, Stage

LOOK_S: Final = 0.1
CLOCK_S: Final = 10.0
"""How often the kernel is asked how far its clock is off; who keeps it set does so no oftener."""
_STATES: Final = tuple(State)
_OF_STATUS: Final = ("attempts", "connects", "gaps", "instruments", "since_ns", "last_frame_ns", "last_tick_ns")
RECORDING_STATES: Final = ("off", "starting", "on", "alarm")


@dataclass(frozen=True, slots=True)
class Look:
    """How a gateway stands. ``recording``: as its status has it; None where it isn't recorded."""

    connections: Sequence[ConnectionStatus]
    instruments: int
    clients: int
    gaps: int
    gaps_open: int
    buffer_lag: int
    recording: dict[str, object] | None


class GatewayFigures:
    """The slot of one gateway: a file beside ``ring``, or private memory where that is None. Raises
    :class:`EnvironmentProblem` where there is no room."""

    def __init__(self, ring: Path | None, frames: FramePass) -> None:
        self.slot = Slot.create(slot_path(ring), GATEWAY_COUNTERS) if ring else Slot.private(GATEWAY_COUNTERS)
        self._loop, self._round_trip = tally(self.slot, LOOP), tally(self.slot, ROUND_TRIP)
        self._heard: dict[int, int | None] = {}
        self._clock_due_s = 0.0
        frames.measure(self.slot.buffer, self.slot.stage_offset(PUBLISH), HEADER_BYTES)

    async def run(self, look: Callable[[], Look], now_ns: Callable[[], int]) -> None:
        """Bring the slot up to date until cancelled, and note how late the loop was each time."""
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + LOOK_S
            await asyncio.sleep(LOOK_S)
            self._loop.add(round((loop.time() - due_s) * 1e9))
            self.note(look(), now_ns(), loop.time())

    def note(self, look: Look, now_ns: int, now_s: float) -> None:
        """Write down how it stands. Sans I/O, but for the clock's offset."""
        for one in look.connections[:LINES]:
            self._note_connection(one)
        counts = {
            "connections": len(look.connections),
            "connections_up": sum(one.state in UP for one in look.connections),
            "instruments": look.instruments,
            "clients": look.clients,
            "gaps": look.gaps,
            "gaps_open": look.gaps_open,
            "reconnects": sum(max(0, one.connects - 1) for one in look.connections),
            "buffer_lag": look.buffer_lag,
            **_of_recording(look.recording),
        }
        for name, value in counts.items():
            self.slot.set(name, value)
        if now_s >= self._clock_due_s:
            self._clock_due_s = now_s + CLOCK_S
            self._note_clock()
        self.slot.set("looked_ns", now_ns)

    def remove(self) -> None:
        self.slot.remove()

    def _note_connection(self, one: ConnectionStatus) -> None:
        for name in _OF_STATUS:
            self.slot.set(line_counter(one.index, name), getattr(one, name) or 0)
        self.slot.set(line_counter(one.index, "state"), _STATES.index(one.state))
        self.slot.set(line_counter(one.index, "rtt_ns"), UNKNOWN if one.rtt_ns is None else one.rtt_ns)
        if one.rtt_ns is not None and one.rtt_ns != self._heard.get(one.index):
            self._round_trip.add(one.rtt_ns)
        self._heard[one.index] = one.rtt_ns

    def _note_clock(self) -> None:
        offset = clock_offset()
        self.slot.set("clock_offset_ns", 0 if offset is None else offset.offset_ns)
        self.slot.set("clock_uncertainty_ns", UNKNOWN if offset is None else offset.error_ns)


class ReaderFigures:
    """The slot of one reader: a file beside ``ring``, named by its ``seat``; private memory where it has none.

    ``callback`` times users' functions. Raises :class:`EnvironmentProblem` where there is no room.
    """

    def __init__(self, ring: Path | None, seat: int | None) -> None:
        path = None if ring is None or seat is None else reader_path(ring, seat)
        self.slot = Slot.create(path, READER_COUNTERS) if path else Slot.private(READER_COUNTERS)
        self.callback = tally(self.slot, CALLBACK)
        self._read, self._stamps = tally(self.slot, READ), tally(self.slot, STAMP)

    def took(self, ticks: NDArray[np.void], now_ns: int) -> None:
        """These are in the reader's hands."""
        self._read.ticks(ticks, now_ns, self._stamps)

    def remove(self) -> None:
        self.slot.remove()


def tally(slot: Slot, stage: Stage) -> Tally:
    """What times a stage of that slot."""
    return Tally(slot.buffer, slot.stage_offset(stage))


def _of_recording(said: dict[str, object] | None) -> dict[str, int]:
    acknowledged = (said or {}).get("acknowledged")
    on_disk = acknowledged if isinstance(acknowledged, dict) else {}
    return {
        "recording": RECORDING_STATES.index(str(said["state"]) if said else "off"),
        "recorded": _number(on_disk.get("process")),
        "recorded_on_disk": _number(on_disk.get("power")),
        **{name: _number((said or {}).get(field)) for name, field in _RECORDED.items()},
    }


_RECORDED: Final = {"recorded_bytes": "bytes", "unrecorded": "unrecorded", "recorder_waiting_bytes": "waiting_bytes"}


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
