"""A load: its pace is exact, its messages are the broker's, each with the time it was written at."""

from __future__ import annotations

import json
from datetime import date

import numpy as np
import pytest

from kitecli.clock import NS_PER_S
from kitecli.errors import UsageError
from kitecli.protocol.decoder import decode_frame
from kitecli.sim.ledger import Ledger
from kitecli.sim.load import MAX_AT_ONCE, LoadSession, LoadSource, stamped

START_NS = 1_795_000_000 * NS_PER_S
DAY = date(2026, 11, 20)
MS = 1_000_000


def a_load(count: int = 20, rate: float = 10.0, **more) -> LoadSource:
    return LoadSource(DAY, count, seed=1, rate=rate, start_ns=START_NS, step_ms=5.0, **more)


def a_session(load: LoadSource, mode: str, packets: int) -> tuple[LoadSession, list[bytes]]:
    tokens = [row.instrument_token for row in load.instruments]
    slot_of = {token: slot for slot, token in enumerate(tokens)}
    session = LoadSession(load, slot_of, Ledger(tokens), packets, START_NS)
    return session, session.receive_text(json.dumps({"a": "mode", "v": [mode, tokens]}), START_NS)


def test_in_any_time_each_instrument_ticks_as_often_as_asked():
    load = a_load()
    counts = np.zeros(20, int)
    for at_ms in range(0, 3001, 7):
        np.add.at(counts, load.advance(START_NS + at_ms * MS).slots, 1)
    load.advance(START_NS + 3000 * MS)
    assert set(counts.tolist()) <= {29, 30}
    assert load.next_ns() == START_NS + 3005 * MS


def test_what_was_late_is_made_up_for_up_to_a_second_and_not_in_one_go():
    load = a_load(rate=10_000.0)
    late = load.advance(START_NS + 60 * NS_PER_S)
    assert late.slots.size == MAX_AT_ONCE
    made_up = late.slots.size
    while (more := load.advance(START_NS + 60 * NS_PER_S).slots.size) > 0:
        made_up += more
    assert made_up == 20 * 10_000


def test_a_burst_comes_on_top_all_at_once():
    load = a_load(burst=500, burst_s=2.0)
    sizes = [load.advance(START_NS + at_ms * MS).slots.size for at_ms in range(100, 4101, 100)]
    assert [size for size in sizes if size > 20] == [520, 520]
    assert sum(sizes) == 41 * 20 + 2 * 500


@pytest.mark.parametrize(("mode", "code"), [("ltp", 1), ("quote", 2), ("full", 3)])
def test_messages_are_the_brokers(mode, code):
    load = a_load()
    session, snapshot = a_session(load, mode, packets=8)
    assert sum(len(decode_frame(one, ts_recv_ns=1).ticks) for one in snapshot) == 20
    batch = load.advance(START_NS + 250 * MS)
    frames = session.route(batch, START_NS)
    ticks = np.concatenate([decode_frame(frame, ts_recv_ns=1).ticks for frame in frames])
    assert [frame[1] for frame in frames] == [8] * 6 + [2]
    assert ticks["token"].tolist() == [load.instruments[slot].instrument_token for slot in batch.slots.tolist()]
    assert set(ticks["mode"].tolist()) == {code}
    assert session.count.live == 50
    if mode == "full":
        assert set(ticks["ts_event_s"].tolist()) == {START_NS // NS_PER_S}
        assert decode_frame(frames[0], ts_recv_ns=1).depth["buy"]["quantity"].all()


def test_prices_move_and_volumes_only_grow():
    load = a_load(count=3)
    session, _ = a_session(load, "quote", packets=3)
    seen = []
    for step in range(1, 12):
        (frame,) = session.route(load.advance(START_NS + (step * 100 + 1) * MS), START_NS)
        seen.append(np.sort(decode_frame(frame, ts_recv_ns=1).ticks, order="token"))
    prices = np.array([ticks["last_price"] for ticks in seen])
    volumes = np.array([ticks["volume"].astype(np.int64) for ticks in seen])
    assert all(len(set(column)) == 11 for column in prices.T.tolist())
    assert (np.diff(volumes, axis=0) == 1).all()


@pytest.mark.parametrize("mode", ["quote", "full"])
def test_every_packet_carries_the_time_it_was_written(mode):
    session, (frame, *_) = a_session(a_load(), mode, packets=20)
    now_ns = START_NS + 123_456_789
    ticks = decode_frame(stamped(frame, now_ns), ts_recv_ns=1).ticks
    found = ticks["buy_quantity"].astype(np.int64) << 32 | ticks["sell_quantity"]
    assert found.tolist() == [now_ns] * 20
    assert session.stamps
    before = decode_frame(frame, ts_recv_ns=1).ticks
    for name in ("token", "last_price", "volume", "open", "close", "average_price"):
        assert ticks[name].tolist() == before[name].tolist()


def test_what_has_no_room_for_a_stamp_is_left_alone():
    assert stamped(b"\x00", 1) == b"\x00"
    _, (frame, *_) = a_session(a_load(), "ltp", packets=20)
    assert stamped(frame, 1) == frame


def test_there_is_no_index_among_any_number():
    load = a_load(count=900)
    assert len(load.instruments) == 900
    assert not any(row.instrument_token & 0xFF == 9 for row in load.instruments)
    assert load.rows_of(5)["token"].tolist() == [load.instruments[5].instrument_token]


@pytest.mark.parametrize("rate", [0.0, -1.0, 1e6])
def test_a_rate_that_is_impossible_is_refused(rate):
    with pytest.raises(UsageError, match="isn't possible"):
        a_load(rate=rate)


def test_a_load_of_nothing_is_refused():
    with pytest.raises(UsageError, match="no instruments"):
        a_load(count=0)
