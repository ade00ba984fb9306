"""A feed that records what it does, a step at a time, on no clock but the test's; and its memory as bytes."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from kitecli.bars.hours import NO_HOURS, to_text
from kitecli.bars.memory import BarsMemory
from kitecli.bars.timeline import Timelines
from kitecli.gateway.steps import FeedSteps
from kitecli.market.gap import Gap
from kitecli.replay.facts import FeedFacts
from kitecli.ring.memory import RingMemory
from kitecli.store.header import NO_MASTER
from kitecli.store.layout import FRAME, GAP, PLACED, SUBSCRIBED, TIMER
from kitecli.store.log import Stage
from kitecli.store.payloads import encode_gap, encode_placed, encode_subscribed, encode_timer
from kitecli.store.recording import Recording
from kitecli.store.writer import DayWriter, StoreSettings
from tests.fuzz import bar_steps
from tests.fuzz.bar_steps import Conditions
from tests.store.days import DAY
from tests.store.disks import QuickDisk

SIZE = 256
"""Small rings, which everything laps."""
ROWS = 64
SETTINGS = StoreSettings(segment_bytes=1 << 15, buffer_bytes=1 << 22, floor_bytes=0)


class Live:
    """``step`` takes a step of tests/fuzz/bar_steps.py in, as a gateway would, and records it."""

    def __init__(self, folder: Path, facts: FeedFacts, hours: Timelines, *, master: bytes = NO_MASTER) -> None:
        self.folder = folder
        self.facts = replace(facts, timelines=to_text(hours))
        self.gaps: list[Gap] = []
        self.ring, self.bars = self.facts.ring(ROWS), self.facts.bars(ROWS)
        self._steps = FeedSteps(self.ring, self.bars, hours)
        self._stage = Stage(SETTINGS.buffer_bytes)
        about = about_of(self.facts)
        self._writer = DayWriter(
            folder, DAY, self._stage, settings=SETTINGS, disk=QuickDisk(), master=master, about=lambda: about
        )
        self._now_ns = 1_000
        self._sweeping = False

    def step(self, step: bar_steps.Step) -> None:
        match step:
            case bar_steps.Ingest(payload, recv_ns):
                self.message(payload, recv_ns, recv_ns % 3)
            case bar_steps.Expect(modes):
                self.subscribed(modes)
            case bar_steps.Place(timelines_of):
                self._put(encode_placed(timelines_of), PLACED)
                self._steps.placed(timelines_of)
            case bar_steps.Gap(tokens):
                self.outage(Gap(1, tuple(tokens), self._now_ns, None, "cut"))
            case bar_steps.Sweep(now_ns, limit):
                self.sweep(now_ns, limit)

    def message(self, payload: bytes, recv_ns: int, connection: int = 0) -> None:
        self._now_ns = recv_ns
        self._put(payload, FRAME, connection)
        self._steps.message(payload, recv_ns, connection)

    def subscribed(self, modes, now_ns: int = 0) -> None:
        self._now_ns = now_ns or self._now_ns
        self._put(encode_subscribed(modes), SUBSCRIBED)
        self._steps.subscribed(modes)

    def outage(self, gap: Gap, now_ns: int = 0) -> None:
        self._now_ns = now_ns or self._now_ns
        placed = self._steps.outage(gap)
        self.gaps.append(placed)
        self._put(encode_gap(placed), GAP, gap.connection)

    def sweep(self, now_ns: int, limit: int) -> None:
        """As the gateway's clock does, which notes each slice of a round that may close something."""
        self._now_ns = now_ns
        if not self._sweeping and not self._steps.frames.bars_due(now_ns):
            return
        self._put(encode_timer(limit), TIMER)
        self._sweeping = self._steps.timer(now_ns, limit)

    def end(self) -> Recording:
        """End the recording; what it left can be read."""
        assert self._writer.close(100.0)
        return Recording.open(self.folder)

    def _put(self, payload: bytes, kind: int, connection: int = 0) -> None:
        assert self._stage.append(payload, self._now_ns, connection, kind)
        if self._stage.held > 1 << 16:
            self._writer.step(100.0)


def about_of(facts: FeedFacts) -> dict[str, object]:
    """What a gateway's recorder notes of its feed in each file's header."""
    return {"feed": {"label": "test", **asdict(facts)}}


def fuzzed(folder: Path, seed: int, frames: int = 400) -> Live:
    """What a feed did with the messages and asides of a seed."""
    how = Conditions.of(seed)
    facts = FeedFacts(SIZE, tuple(map(str, how.intervals)), SIZE, how.grace_ms)
    live = Live(folder, facts, Timelines(how.timelines, {}) if how.timelines else NO_HOURS)
    for step in bar_steps.bar_steps(seed, frames):
        live.step(step)
    return live


def memory_of(memory: RingMemory | BarsMemory | None) -> bytes:
    """All of it, but who made it and when."""
    if memory is None:
        return b""
    header = np.frombuffer(bytearray(memory.buffer[: memory.header().nbytes]), memory.header().dtype).copy()
    header["created_ns"] = header["writer_pid"] = 0
    return header.tobytes() + memory.buffer[header.nbytes :]
