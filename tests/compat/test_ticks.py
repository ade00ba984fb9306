"""The dictionaries against the official client's own, on the same packets: keys, their order, types and values."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
import pytest

from kitecli.compat.ticks import Message, Rows, TickDictionaries
from kitecli.market.tick import FLAG_DEPTH, FLAG_SNAPSHOT
from kitecli.protocol.decoder import decode_frame
from kitecli.ring.reader import Batch
from tests.conformance.test_official_client import sound_frames
from tests.conformance.vectors import INFY_FULL, INFY_LTP, INFY_QUOTE, NIFTY_INDEX, message, words

INFY, NIFTY = 408065, 256265
NIFTY_FULL = NIFTY_INDEX + words(1719475200)
LTP, QUOTE, FULL = 1, 2, 3


@pytest.fixture(scope="module")
def official() -> Callable[[bytes], list[dict]]:
    kiteconnect = pytest.importorskip("kiteconnect")
    return kiteconnect.KiteTicker("key", "token")._parse_binary


def batch_of(*packets: bytes, stamp: int = 1, connection: int = 0) -> Batch:
    frame = decode_frame(message(*packets), ts_recv_ns=stamp, connection=connection)
    return Batch(frame.ticks, frame.depth, 0, 0)


def shown(batch: Batch, wanted: dict[int, int] | None = None, **how: bool) -> list[dict]:
    """All ticks of a batch, every token wanted in full mode unless said otherwise."""
    tokens = dict.fromkeys(batch.ticks["token"].tolist(), FULL) if wanted is None else wanted
    rows, dictionaries = Rows(batch), TickDictionaries(**how)
    return [tick for one in rows.messages(tokens) for tick in dictionaries.of(rows, one)]


def test_two_thousand_frames_are_the_official_dictionaries_to_the_letter(official: Callable[[bytes], list[dict]]):
    compared = 0
    for data in sound_frames(11, 2_000):
        frame = decode_frame(data, ts_recv_ns=1)
        theirs = official(data)
        # repr: 1 is no 1.0 and no True, and the keys' order counts
        assert repr(shown(Batch(frame.ticks, frame.depth, 0, 0))) == repr(theirs)
        compared += len(theirs)
    print(f"{compared:,} ticks: equal")
    assert compared > 3_000


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="changes this process's zone")
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York"])
def test_times_are_naive_in_the_host_s_zone_as_theirs(
    official: Callable[[bytes], list[dict]], monkeypatch: pytest.MonkeyPatch, zone: str
):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert shown(batch_of(INFY_FULL, NIFTY_FULL)) == official(message(INFY_FULL, NIFTY_FULL))
    finally:
        monkeypatch.undo()
        time.tzset()


def test_no_time_is_1970_as_theirs_and_none_when_aware(official: Callable[[bytes], list[dict]]):
    timeless = INFY_FULL[:44] + bytes(20) + INFY_FULL[64:]
    assert shown(batch_of(timeless)) == official(message(timeless))
    [tick] = shown(batch_of(timeless), aware=True)
    assert tick["last_trade_time"] is tick["exchange_timestamp"] is None


def test_aware_times_are_indian():
    [tick] = shown(batch_of(INFY_FULL), aware=True)
    assert tick["exchange_timestamp"] == datetime.fromisoformat("2021-07-05T10:41:27+05:30")
    assert tick["exchange_timestamp"].utcoffset() == timedelta(hours=5, minutes=30)
    assert tick["last_trade_time"].utcoffset() == timedelta(hours=5, minutes=30)


def test_without_a_close_there_is_no_change(official: Callable[[bytes], list[dict]]):
    new = INFY_QUOTE[:40] + bytes(4)
    [ours], [theirs] = shown(batch_of(new)), official(message(new))
    assert ours == theirs
    assert (ours["change"], type(ours["change"])) == (0, int)


def test_negative_prices_are_negative():
    [tick] = shown(batch_of(struct.pack(">Ii", 0x107, -3763)))
    assert tick["last_price"] == -37.63


@pytest.mark.parametrize(
    ("came", "wanted", "as_if"),
    [
        (INFY_FULL, QUOTE, INFY_FULL[:44]),
        (INFY_FULL, LTP, INFY_FULL[:8]),
        (INFY_QUOTE, LTP, INFY_QUOTE[:8]),
        (NIFTY_FULL, QUOTE, NIFTY_FULL[:28]),
        (NIFTY_FULL, LTP, NIFTY_FULL[:8]),
        (INFY_LTP, FULL, INFY_LTP),
        (INFY_QUOTE, FULL, INFY_QUOTE),
    ],
)
def test_a_tick_is_shown_in_the_mode_this_script_asked_for(
    official: Callable[[bytes], list[dict]], came: bytes, wanted: int, as_if: bytes
):
    assert repr(shown(batch_of(came), {INFY: wanted, NIFTY: wanted})) == repr(official(message(as_if)))


def test_others_tokens_are_not_shown():
    batch = batch_of(INFY_LTP, NIFTY_INDEX, INFY_QUOTE)
    assert [tick["instrument_token"] for tick in shown(batch, {NIFTY: FULL})] == [NIFTY]
    assert shown(batch, {}) == []


def test_a_full_tick_whose_depth_was_lost_is_shown_as_a_quote(official: Callable[[bytes], list[dict]]):
    batch = batch_of(INFY_FULL)
    batch.ticks["flags"] &= np.uint16(~FLAG_DEPTH & 0xFFFF)
    assert repr(shown(batch)) == repr(official(message(INFY_FULL[:44])))


def test_snapshots_are_marked_when_asked():
    batch = batch_of(INFY_LTP, INFY_QUOTE)
    batch.ticks["flags"][0] |= FLAG_SNAPSHOT
    assert [tick["snapshot"] for tick in shown(batch, mark_snapshots=True)] == [True, False]
    assert not any("snapshot" in tick for tick in shown(batch))


def test_ticks_come_message_by_message():
    parts = [batch_of(INFY_LTP, INFY_QUOTE), batch_of(NIFTY_INDEX, connection=1), batch_of(INFY_FULL, stamp=2)]
    whole = Batch(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("ticks", "depth")), 0, 0)
    rows = Rows(whole)
    assert list(rows.messages({INFY: FULL, NIFTY: FULL})) == [
        Message((1, 0), [0, 1], [LTP, QUOTE]),
        Message((1, 1), [2], [QUOTE]),
        Message((2, 0), [3], [FULL]),
    ]
    assert [one.connection for one in rows.messages({NIFTY: FULL})] == [1]


def test_a_batch_can_be_overwritten_once_its_rows_are_taken():
    batch = batch_of(INFY_FULL)
    rows, dictionaries = Rows(batch), TickDictionaries()
    [one] = rows.messages({INFY: FULL})
    before = dictionaries.of(rows, one)
    batch.ticks[:], batch.depth[:] = np.zeros(1, batch.ticks.dtype), np.zeros(1, batch.depth.dtype)
    assert dictionaries.of(rows, one) == before


def test_more_seconds_than_are_kept():
    dictionaries = TickDictionaries(aware=True)
    times = [dictionaries._time(second) for second in range(1, 10_000)]
    assert [int(time.timestamp()) for time in times] == list(range(1, 10_000))
    assert len(dictionaries._times) < 5_000
