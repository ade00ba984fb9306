"""A writer and readers of one ring, each a process: ``python -m tests.conformance.ring_processes ROLE FOLDER JSON``.

Every tick can be told from its sequence alone: its fields, and its ten levels, are functions of the sequence, and the
time of its message is the sequence of the message's first tick. So a reader knows of each row whether it is the one it
asked for, another one, or (torn) none that was ever written.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kitecli.hot import FramePass, RingView
from kitecli.market.tick import DEPTH_DTYPE, FLAG_DEPTH, TICK_DTYPE
from kitecli.protocol.decoder import decode_frame
from kitecli.ring.layout import RingLayout
from kitecli.ring.memory import RingMemory
from kitecli.ring.policy import Policy
from kitecli.ring.reader import RingReader
from kitecli.ring.seats import Seat, SeatKeeper
from tests.conformance.native import NativePass, load_pass

PACKETS: Final = 50
INSTRUMENTS: Final = 200
MAX_LAG: Final = 5_000
CYCLE: Final = 50_000
"""Fields repeat after so many ticks; the message's time doesn't, and no ring here is as long."""

_PACKET: Final = np.dtype(
    [
        ("length", ">u2"),
        ("token", ">u4"),
        ("words", ">u4", (15,)),
        ("levels", [("quantity", ">u4"), ("price", ">u4"), ("orders", ">u2"), ("pad", ">u2")], (10,)),
    ]
)
_MESSAGE: Final = np.dtype([("count", ">u2"), ("packets", _PACKET, (PACKETS,))])


def messages() -> NDArray[np.void]:
    """A cycle's messages, ready for the wire."""
    packets = np.zeros(CYCLE, _PACKET)
    sequence = np.arange(CYCLE, dtype=np.uint32)
    packets["length"] = 184
    packets["token"] = (sequence % INSTRUMENTS) << 8 | 1
    for word in range(15):
        packets["words"][:, word] = _mixed(sequence, word)
    packets["words"][:, 3] = sequence  # the volume
    for level in range(10):
        packets["levels"]["quantity"][:, level] = _mixed(sequence, 100 + level)
        packets["levels"]["price"][:, level] = _mixed(sequence, 200 + level)
        packets["levels"]["orders"][:, level] = _mixed(sequence, 300 + level) & 0xFFFF
    made = np.zeros(CYCLE // PACKETS, _MESSAGE)
    made["count"] = PACKETS
    made["packets"] = packets.reshape(-1, PACKETS)
    return made


def _mixed(sequence: NDArray[np.uint32], salt: int) -> NDArray[np.uint32]:
    with np.errstate(over="ignore"):
        mixed = (sequence + np.uint32(salt)) * np.uint32(2654435761)
        return mixed ^ (mixed >> np.uint32(15))


class Expected:
    """What each sequence must look like, as rows of opaque bytes."""

    def __init__(self) -> None:
        frame = decode_frame(_joined(messages()))
        assert len(frame.ticks) == CYCLE
        assert not frame.damage
        self._ticks, self._depth = frame.ticks, frame.depth.view("V128")

    def ticks(self, sequences: NDArray[np.int64]) -> NDArray[np.void]:
        rows = self._ticks.view("V64")[sequences % CYCLE].view(TICK_DTYPE)
        rows["ts_recv_ns"] = sequences // PACKETS * PACKETS
        return rows

    def wrong_ticks(self, ticks: NDArray[np.void], sequences: NDArray[np.int64]) -> int:
        """Rows that aren't the ones of these sequences; a depth flag taken away is the reader's right."""
        found = ticks.copy()
        found["flags"] |= FLAG_DEPTH
        return _differing(found, self.ticks(sequences))

    def torn_ticks(self, ticks: NDArray[np.void]) -> int:
        """Rows that no sequence looks like: parts of two."""
        looks_like = ticks["ts_recv_ns"] + ticks["volume"] % PACKETS
        return self.wrong_ticks(ticks, looks_like)

    def wrong_depth(self, depth: NDArray[np.void], sequences: NDArray[np.int64]) -> int:
        return _differing(depth, self._depth[sequences % CYCLE])


def _joined(made: NDArray[np.void]) -> bytes:
    packets = made["packets"].tobytes()
    return CYCLE.to_bytes(2, "big") + packets


def _differing(found: NDArray[np.void], wanted: NDArray[np.void]) -> int:
    size = found.dtype.itemsize
    rows = (np.ascontiguousarray(one).view(np.uint8).reshape(len(found), size) for one in (found, wanted))
    first, second = rows
    return int((first != second).any(axis=1).sum())


class Heedless:
    """A view that never says what was overwritten: what readers would be without the writer's intent."""

    def __init__(self, view: RingView) -> None:
        self._view = view

    def copy(self, *arguments: Any) -> int:
        self._view.copy(*arguments)
        return 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._view, name)


# ---- roles


def write(folder: Path, *, capacity: int, seconds: float) -> dict[str, int]:
    """As fast as possible, for so many seconds after a line on standard input."""
    memory = RingMemory.create(folder / "feed.ring", RingLayout.of(capacity, INSTRUMENTS))
    keeper, writer = SeatKeeper(folder / "feed.seats"), FramePass(memory)
    made = messages()
    frames = [made[at : at + 1].tobytes() for at in range(len(made))]
    _say("ready")
    sys.stdin.readline()
    sequence, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        _look(keeper, writer)
        for frame in frames:
            sequence += writer.ingest(frame, sequence)
    _end(keeper, writer, memory)
    return {"produced": sequence}


def read(folder: Path, *, batch: int, depth: bool, spin: bool = False, policy: str = "every") -> dict[str, int]:
    """All there is to read, checked row by row, until the writer closes."""
    expected = Expected()
    reader = _reader(folder, batch=batch, depth=depth, spin=spin, policy=Policy(policy), max_lag=MAX_LAG)
    wrong = wrong_depth = told = checked = repeated = 0
    newest = np.full(INSTRUMENTS, -1)
    _say("ready")
    while (some := reader.read(30)) is not None or not (reader.writer_gone and reader.lag() == 0):
        if some is None:
            continue
        sequences = some.sequences
        wrong += expected.wrong_ticks(some.ticks, sequences)
        told += len(some) + some.lost + some.conflated
        if some.scattered is not None:
            repeated += int((newest[sequences % INSTRUMENTS] >= sequences).sum())
            repeated += len(some) - len(np.unique(sequences % INSTRUMENTS))
        newest[sequences % INSTRUMENTS] = sequences  # the last of each counts, and they ascend
        if some.depth is not None:
            fresh = (some.ticks["flags"] & FLAG_DEPTH) != 0
            wrong_depth += expected.wrong_depth(some.depth[fresh], sequences[fresh])
            checked += int(fresh.sum())
    reader.close()
    return {
        "delivered": reader.delivered,
        "conflated": reader.conflated,
        "lost": reader.lost,
        "told": told,
        "wrong": wrong,
        "wrong_depth": wrong_depth,
        "repeated": repeated,
        "left_out": int((newest < reader.position - INSTRUMENTS).sum()),
        "depth": checked,
        "depth_lost": reader.depth_lost,
    }


def watch(folder: Path) -> dict[str, int]:
    """The board and the histories, over and over, until the writer closes."""
    expected, view = Expected(), RingView(RingMemory.attach(folder / "feed.ring"))
    ticks, depth = np.zeros(INSTRUMENTS, TICK_DTYPE), np.zeros(INSTRUMENTS, DEPTH_DTYPE)
    sequences = np.zeros(INSTRUMENTS, np.int64)
    counted = dict.fromkeys(("snapshots", "rows", "wrong", "wrong_depth", "unready", "histories", "history_rows"), 0)
    _say("ready")
    while not view.closed():
        rows = view.snapshot(ticks, depth, sequences)
        ready = np.flatnonzero(sequences[:rows] >= 0)
        counted["wrong"] += expected.wrong_ticks(ticks[ready], sequences[ready])
        counted["wrong_depth"] += expected.wrong_depth(depth[ready], sequences[ready])
        counted["snapshots"] += 1
        counted["rows"] += len(ready)
        counted["unready"] += rows - len(ready)
        for row in range(0, rows, 20):
            found = view.history(row, 50, ticks, sequences)
            counted["wrong"] += expected.wrong_ticks(ticks[:found], sequences[:found])
            counted["wrong"] += int((np.diff(sequences[:found]) != -INSTRUMENTS).sum())
            counted["histories"] += 1
            counted["history_rows"] += found
    return counted


def die(folder: Path, *, library: str, at: int, place: int, capacity: int) -> None:
    """Once a reader is there and a word has come, messages until, in tick ``at``, the pass kills its process."""
    os.environ.update(KITE_DIES_AT=str(at), KITE_DIES_IN=str(place))
    memory = RingMemory.create(folder / "feed.ring", RingLayout.of(capacity, INSTRUMENTS))
    keeper, writer, sequence = SeatKeeper(folder / "feed.seats"), NativePass(load_pass(Path(library)), memory), 0
    _say("ready")
    while not keeper._map.seats["attached"][0]:
        keeper.refresh()
    sys.stdin.readline()
    while True:
        for message in messages():
            sequence += writer.ingest(message.tobytes(), sequence, 0)


def read_heedlessly(folder: Path, *, enough: int, seconds: float) -> dict[str, int]:
    """A reader that ignores what the view says of overwritten rows, until it has seen enough torn ones."""
    expected = Expected()
    view = Heedless(RingView(RingMemory.attach(folder / "feed.ring")))
    reader = RingReader(view, batch=view.layout.capacity)
    wrong = torn = 0
    _say("ready")
    end = time.monotonic() + seconds
    while torn < enough and time.monotonic() < end and not view.closed():
        reader.position = max(0, view.cursor() - view.layout.capacity)
        some = reader.poll()
        if some is not None:
            wrong += expected.wrong_ticks(some.ticks, some.sequences)
            torn += expected.torn_ticks(some.ticks)
    return {"wrong": wrong, "torn": torn, "rows": reader.delivered}


def answer(folder: Path, *, rounds: int) -> dict[str, int]:
    """One message each time the one reader has read the last: before it sleeps, just then, or after, by a few us."""
    memory = RingMemory.create(folder / "feed.ring", RingLayout.of(1024, INSTRUMENTS))
    keeper, writer = SeatKeeper(folder / "feed.seats"), FramePass(memory)
    frame, draw = messages()[:1].tobytes(), Random(7)
    _say("ready")
    while not keeper._map.seats["attached"][0]:
        _look(keeper, writer)
    position, produced = keeper._map.seats["position"], 0
    while produced < rounds * PACKETS:
        if position[0] == produced:
            at_ns = time.perf_counter_ns() + draw.randrange(30_000)
            while time.perf_counter_ns() < at_ns:
                pass
            produced += writer.ingest(frame, time.monotonic_ns())
    _end(keeper, writer, memory)
    return {"produced": produced}


def sleep(folder: Path, *, patience_s: float) -> dict[str, Any]:
    """Sleeps until each message; nobody but the writer ends its sleep."""
    reader = _reader(folder, batch=1000, depth=False)
    latencies_ns = []
    _say("ready")
    while not reader.view.closed():
        some = reader.read(patience_s)
        if some is not None:
            latencies_ns.append(time.monotonic_ns() - int(some.ticks["ts_recv_ns"][-1]))
    reader.close()
    return {"latencies_ns": latencies_ns, "delivered": reader.delivered}


ROLES: Final = {role.__name__: role for role in (write, read, watch, die, read_heedlessly, answer, sleep)}


def _reader(folder: Path, **how: Any) -> RingReader:
    memory = RingMemory.attach(folder / "feed.ring")
    return RingReader(RingView(memory), seat=Seat.take(folder / "feed.seats"), **how)


def _look(keeper: SeatKeeper, writer: FramePass) -> None:
    sleepers = keeper.refresh()
    if sleepers is not None:
        writer.wake(keeper.page, sleepers)


def _end(keeper: SeatKeeper, writer: FramePass, memory: RingMemory) -> None:
    writer.close()
    writer.wake(keeper.page, [])
    keeper.close()
    memory.remove()


def _say(what: object) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    _say(ROLES[sys.argv[1]](Path(sys.argv[2]), **json.loads(sys.argv[3])))
