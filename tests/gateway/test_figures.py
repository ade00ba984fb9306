"""What a gateway and a reader write down of themselves for others to read."""

from __future__ import annotations

import numpy as np
import pytest

from kitecli.errors import DataError
from kitecli.feed.events import ConnectionStatus
from kitecli.feed.liveness import State
from kitecli.gateway.figures import GatewayFigures, Look, ReaderFigures
from kitecli.hot import FramePass
from kitecli.market.tick import TICK_DTYPE
from kitecli.metrics.block import read
from kitecli.metrics.layout import LINES, TIMED_EACH, line_counter, slot_path
from kitecli.ring.layout import RingLayout
from kitecli.ring.memory import RingMemory
from tests.conformance.vectors import INFY_FULL, INFY_QUOTE, message


def connection(index, state=State.LIVE, **changes):
    known = {"cause": None, "instruments": 7, "last_frame_ns": 20, "last_tick_ns": None, "attempts": 4, "connects": 3}
    return ConnectionStatus(index=index, state=state, since_ns=10, **{**known, "gaps": 2, "rtt_ns": None, **changes})


def look(*connections, **changes):
    standing = {"instruments": 9, "clients": 2, "gaps": 5, "gaps_open": 1, "buffer_lag": 30, "recording": None}
    return Look(connections, **{**standing, **changes})


@pytest.fixture
def frames():
    return FramePass(RingMemory.private(RingLayout.of(64, 64)))


@pytest.fixture
def ring(tmp_path):
    return tmp_path / "feed-00000001.ring"


def test_each_message_is_counted_with_its_connection(ring, frames):
    GatewayFigures(ring, frames)
    both = message(INFY_FULL, INFY_QUOTE)
    frames.ingest(both, 5, 0)
    frames.ingest(both, 5, 2)
    frames.ingest(b"\0", 5, 2)
    frames.ingest(both, 5, LINES)  # more than are counted one by one
    gateway = read(slot_path(ring)).gateway
    counted = [[gateway.counters[line_counter(line, name)] for name in ("frames", "bytes", "ticks")] for line in (0, 2)]
    assert counted == [[1, len(both), 2], [2, len(both) + 1, 2]]
    assert gateway.stages["publish"].count == 1


def test_one_message_in_eight_is_timed(ring, frames):
    figures = GatewayFigures(ring, frames)
    for _ in range(2 * TIMED_EACH):
        frames.ingest(message(INFY_QUOTE), 5, 0)
        frames.ingest(b"\0", 5, 0)  # a heartbeat publishes nothing
    assert figures.slot.figures().stages["publish"].count == 2


def test_what_is_recorded_again_is_no_message_of_now(ring, frames):
    figures = GatewayFigures(ring, frames)
    data = message(INFY_QUOTE)
    one = np.zeros(1, np.int64)
    frames.ingest_all(data, one, np.array([len(data)], np.uint32), one, np.zeros(1, np.uint8), 10)
    said = figures.slot.figures()
    assert (said.counters["connection.0.frames"], said.stages["publish"].count) == (0, 0)


def test_how_it_stands_is_written_down(ring, frames):
    figures = GatewayFigures(ring, frames)
    recording = {"state": "on", "acknowledged": {"process": 8, "power": 6}, "bytes": 700, "waiting_bytes": 12}
    figures.note(look(connection(0, rtt_ns=900), connection(1, State.STALE), recording=recording), 77, 0.0)
    said = read(slot_path(ring)).gateway.counters
    wanted = {
        "connections": 2,
        "connections_up": 1,
        "reconnects": 4,
        "instruments": 9,
        "clients": 2,
        "gaps": 5,
        "gaps_open": 1,
        "buffer_lag": 30,
        "recording": 2,
        "recorded": 8,
        "recorded_on_disk": 6,
        "recorded_bytes": 700,
        "recorder_waiting_bytes": 12,
        "unrecorded": 0,
        "looked_ns": 77,
        "connection.0.rtt_ns": 900,
        "connection.0.state": 0,
        "connection.0.last_tick_ns": 0,
        "connection.1.state": 2,
        "connection.1.rtt_ns": -1,
    }
    assert {name: said[name] for name in wanted} == wanted


def test_each_ping_is_counted_once(ring, frames):
    figures = GatewayFigures(ring, frames)
    for rtt_ns in (None, 50_000_000, 50_000_000, 200_000_000):
        figures.note(look(connection(0, rtt_ns=rtt_ns)), 1, 0.0)
    said = figures.slot.figures().stages["round_trip"]
    assert (said.count, said.sum_ns, said.max_ns) == (2, 250_000_000, 200_000_000)


def test_a_reader_writes_beside_the_feed(ring, frames):
    GatewayFigures(ring, frames)
    reader = ReaderFigures(ring, 4)
    ticks = np.zeros(3, TICK_DTYPE)
    ticks["ts_recv_ns"] = 100
    reader.took(ticks, 350)
    stage = read(slot_path(ring)).readers[4].stages["read"]
    assert (stage.count, stage.max_ns) == (3, 250)
    reader.remove()
    assert read(slot_path(ring)).readers == {}


def test_its_files_go_with_it(ring, frames):
    figures = GatewayFigures(ring, frames)
    figures.remove()
    with pytest.raises(DataError):
        read(slot_path(ring))
