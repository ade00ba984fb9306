"""What bars add to the whole compiled pass: 9,000 instruments at random, bars of 1, 5 and 15 minutes, and of 100 ms.

Stamps, receive times and cumulative volumes go on from round to round, as they do in a market: a round is a minute, so
that in each every instrument begins a bar of a minute, and each fifth and fifteenth one of the longer ones too. An
instrument has 22 ticks in it; more would cost less a tick.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from statistics import mean
from typing import Final

import numpy as np
from numpy.typing import NDArray

from frames import INSTRUMENTS, frames, tokens
from kitecli.bars.intervals import Interval
from kitecli.bars.layout import DEFAULT_CAPACITY, BarsLayout
from kitecli.bars.memory import BarsMemory
from kitecli.hot import FramePass
from kitecli.market.tick import MODE_FULL, MODE_QUOTE
from kitecli.ring.location import runtime_dir
from measure import Cost, Scale, in_turns
from report import Row, Table
from rings import ring, ring_ticks, touched

MINUTE_MS: Final = 60_000
START_MS: Final = 1_785_815_100_000  # a minute's start; these instruments trade at any hour
GRACE_MS: Final = 1_500
NO_BARS, MINUTES, FINE = "no bars", "1m 5m 15m", "1m 5m 15m 100ms"
# what, mode, packets a frame, most a tick with bars
CASES: Final = (
    ("full, 50 packets a frame", MODE_FULL, 50, 80),
    ("full, 10 packets a frame", MODE_FULL, 10, 80),
    ("quote, 50 packets a frame", MODE_QUOTE, 50, 35),
    ("quote, 10 packets a frame", MODE_QUOTE, 10, 35),
)
MOST_ADDED_NS: Final = 30
_number = count()


def run(scale: Scale) -> list[Table]:
    rows = [row for case in CASES for row in _rows(*case, scale)]
    notes = (
        "ours: `FramePass.ingest`, called from Python; CPU time is held against the targets",
        "copying the frame into the receive buffer is taken off already",
        f"a round is a minute: every bar of a minute ends once in it, after {_ticks(scale) // INSTRUMENTS} ticks",
        "added: the mean over all rounds, so that those in which longer bars end count too",
    )
    return [Table("bars", "The whole compiled pass with bars, a tick", "ns a tick", "", rows, notes)]


def _ticks(scale: Scale) -> int:
    return scale.pick(200_000, 200_000, 9_000)


class Minute:
    """Messages of one length whose ticks are spread over a minute of the market, and can go on to the next one."""

    def __init__(self, ticks: int, mode: int, per_frame: int) -> None:
        made = frames(ticks // per_frame * per_frame, mode, per_frame)
        self.ticks, self.per_frame = len(made) * per_frame, per_frame
        self._bytes = np.frombuffer(b"".join(made), np.uint8).reshape(len(made), -1).copy()
        self.size = self._bytes.shape[1]
        self.messages = [memoryview(one) for one in self._bytes]
        self._packets = _fields(self._bytes, mode, per_frame)
        self._since_ms = np.arange(len(made)) * MINUTE_MS // len(made)
        self.recv_ns: list[int] = []
        self._minute = -1
        self._set_prices()
        self.go_on()

    def go_on(self) -> None:
        """To the next minute: later stamps, more volume."""
        self._minute += 1
        now_ms = START_MS + self._minute * MINUTE_MS + self._since_ms
        self.recv_ns = (now_ms * 1_000_000).tolist()
        if "stamp" in (self._packets.dtype.names or ()):
            self._packets["stamp"] = (now_ms // 1000)[:, None]
        earlier = self._minute * self.ticks
        self._packets["volume"] = earlier + np.arange(self.ticks).reshape(-1, self.per_frame)

    def _set_prices(self) -> None:
        """About a price of its own for each instrument: at random anew they would set a high in every other tick."""
        draw, each = np.random.default_rng(3), tokens()
        level = dict(zip(each.tolist(), draw.integers(10_000, 1_000_000, each.size).tolist(), strict=True))
        walk = draw.integers(-200, 200, self._packets.shape)
        levels = np.array([level[token] for token in self._packets["token"].ravel().tolist()])
        self._packets["price"] = levels.reshape(self._packets.shape) + walk


def _fields(messages: NDArray[np.uint8], mode: int, per_frame: int) -> NDArray[np.void]:
    """(messages, packets) of what is changed in a packet, in place."""
    names = {"token": 2, "price": 6, "volume": 18} | ({"stamp": 62} if mode == MODE_FULL else {})
    packet = np.dtype(
        {
            "names": [*names],
            "formats": [">u4"] * len(names),
            "offsets": [*names.values()],
            "itemsize": (messages.shape[1] - 2) // per_frame,
        }
    )
    return np.ndarray((messages.shape[0], per_frame), packet, messages, 2, (messages.shape[1], packet.itemsize))


def _rows(what: str, mode: int, per_frame: int, limit_ns: float, scale: Scale) -> Iterator[Row]:
    minute = Minute(_ticks(scale), mode, per_frame)
    costs = _costs(minute, scale)
    wall, cpu = costs[NO_BARS].per(minute.ticks, costs["copy"])
    yield Row(f"{what}: without bars", wall, cpu)
    wall, cpu = costs[MINUTES].per(minute.ticks, costs["copy"])
    yield Row(f"{what}: {MINUTES}", wall, cpu, target=f"<= {limit_ns:.0f}", met=cpu <= limit_ns)
    wall, cpu = _added(costs[MINUTES], costs[NO_BARS], minute.ticks)
    yield Row(f"{what}: added by these", wall, cpu, target=f"<= {MOST_ADDED_NS}", met=cpu <= MOST_ADDED_NS)
    wall, cpu = _added(costs[FINE], costs[MINUTES], minute.ticks)
    yield Row(f"{what}: added by 100ms on top", wall, cpu)


def _added(more: Cost, less: Cost, ticks: int) -> tuple[float, float]:
    wall, cpu = (
        mean(a - b for a, b in zip(getattr(more, name), getattr(less, name), strict=True)) / ticks
        for name in ("wall_ns", "cpu_ns")
    )
    return wall, cpu


def _costs(minute: Minute, scale: Scale) -> dict[str, Cost]:
    ticks = ring_ticks(scale)
    with ring(ticks) as plain, ring(ticks) as second, ring(ticks) as third, _bars(MINUTES) as bars, _bars(FINE) as fine:
        candidates: dict[str, Callable[[], object]] = {
            NO_BARS: _through(FramePass(plain), minute),
            MINUTES: _through(FramePass(second, bars), minute),
            FINE: _through(FramePass(third, fine), minute),
            "copy": _copied(minute),
        }
        # Fifteen minutes, or the bars of a quarter of an hour would count too much or not at all.
        return in_turns(candidates, scale.pick(30, 15, 1), warm_rounds=2, between=minute.go_on)


def _through(ours: FramePass, minute: Minute) -> Callable[[], None]:
    view, ingest = memoryview(bytearray(minute.size)), ours.ingest

    def run_all() -> None:
        for message, recv_ns in zip(minute.messages, minute.recv_ns, strict=True):
            view[:] = message
            ingest(view, recv_ns, 0)

    return run_all


def _copied(minute: Minute) -> Callable[[], None]:
    view = memoryview(bytearray(minute.size))

    def run_all() -> None:
        for message, _ in zip(minute.messages, minute.recv_ns, strict=True):
            view[:] = message

    return run_all


@contextmanager
def _bars(intervals: str) -> Iterator[BarsMemory]:
    """A file of bars in the runtime folder, every page touched, as a feed's are after its first minutes."""
    spans = tuple(map(Interval.parse, intervals.split()))
    path = runtime_dir() / f"feed-{os.getpid()}.bars-bench{next(_number)}"
    memory = BarsMemory.create(path, BarsLayout(16_384, DEFAULT_CAPACITY, len(spans)), spans, GRACE_MS)
    touched(memory.buffer)
    try:
        yield memory
    finally:
        memory.remove()
        memory.close()
