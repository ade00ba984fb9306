"""The encoder against ``struct`` written out by hand, against the decoder, and at the speed the simulator needs."""

from __future__ import annotations

import struct
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kitecli.market.tick import DEPTH_DTYPE, MODE_FULL, MODE_LTP, MODE_QUOTE, TICK_DTYPE
from kitecli.protocol.decoder import decode_frame
from kitecli.protocol.encoder import encode_frames, encode_packets, frame

PRICE = st.integers(-(2**31), 2**31 - 1)
UNSIGNED = st.integers(0, 2**32 - 1)
LEVEL = st.tuples(UNSIGNED, PRICE, st.integers(0, 2**16 - 1))
TICK = st.fixed_dictionaries(
    {
        "token": st.tuples(st.integers(0, 2**24 - 1), st.sampled_from([1, 2, 3, 4, 6, 7, 9, 9, 12])).map(
            lambda parts: parts[0] << 8 | parts[1]
        ),
        "mode": st.sampled_from([MODE_LTP, MODE_QUOTE, MODE_FULL]),
        **dict.fromkeys(("last_price", "average_price", "open", "high", "low", "close"), PRICE),
        **dict.fromkeys(("last_quantity", "volume", "buy_quantity", "sell_quantity", "oi", "ts_event_s"), UNSIGNED),
        **dict.fromkeys(("last_trade_time", "oi_day_high", "oi_day_low"), UNSIGNED),
        "levels": st.lists(LEVEL, min_size=10, max_size=10),
    }
)
Tick = dict[str, object]


def by_hand(tick: dict) -> bytes:  # type: ignore[type-arg]
    """One packet, written with struct from the table of the protocol's documentation."""
    price, token = tick["last_price"], tick["token"]
    if tick["mode"] == MODE_LTP:
        return struct.pack(">Ii", token, price)
    if token & 0xFF == 9:
        change = (price - tick["close"] + 2**31) % 2**32 - 2**31  # 32 bits is all the field has
        packet = struct.pack(">Iiiiiii", token, price, tick["high"], tick["low"], tick["open"], tick["close"], change)
        return packet + (struct.pack(">I", tick["ts_event_s"]) if tick["mode"] == MODE_FULL else b"")
    packet = struct.pack(
        ">IiIiIIIiiii",
        *(token, price, tick["last_quantity"], tick["average_price"], tick["volume"]),
        *(tick["buy_quantity"], tick["sell_quantity"], tick["open"], tick["high"], tick["low"], tick["close"]),
    )
    if tick["mode"] == MODE_QUOTE:
        return packet
    packet += struct.pack(
        ">IIIII", tick["last_trade_time"], tick["oi"], tick["oi_day_high"], tick["oi_day_low"], tick["ts_event_s"]
    )
    return packet + b"".join(struct.pack(">IiHxx", *level) for level in tick["levels"])


def records(wanted: list[dict]):  # type: ignore[type-arg, no-untyped-def]
    ticks, depth = np.zeros(len(wanted), TICK_DTYPE), np.zeros(len(wanted), DEPTH_DTYPE)
    for row, tick in enumerate(wanted):
        for name, value in tick.items():
            if name in (TICK_DTYPE.names or ()):
                ticks[row][name] = value
        depth[row]["last_trade_time"], depth[row]["oi_day_high"] = tick["last_trade_time"], tick["oi_day_high"]
        for at, (quantity, price, orders) in enumerate(tick["levels"]):
            side, level = ("buy", at) if at < 5 else ("sell", at - 5)
            pad = (tick["oi_day_low"] >> 16 * at) & 0xFFFF if at < 2 else 0
            depth[row][side][level] = (quantity, price, orders, pad)
    return ticks, depth


@settings(max_examples=60, deadline=None)
@given(st.lists(TICK, max_size=12), st.integers(1, 5))
def test_every_byte_is_what_the_protocols_table_says(wanted: list[Tick], packets_per_frame: int) -> None:
    ticks, depth = records(wanted)
    expected = [by_hand(tick) for tick in wanted]
    with np.errstate(over="ignore"):
        assert encode_packets(ticks, depth) == expected
        runs = [expected[at : at + packets_per_frame] for at in range(0, len(expected), packets_per_frame)]
        assert encode_frames(ticks, depth, packets_per_frame) == [frame(run) for run in runs]


@settings(max_examples=60, deadline=None)
@given(st.lists(TICK, max_size=12))
def test_what_is_decoded_and_encoded_again_is_the_same_message(wanted: list[Tick]) -> None:
    message = frame([by_hand(tick) for tick in wanted])
    decoded = decode_frame(message)
    assert not decoded.damage
    again = frame(encode_packets(decoded.ticks, decoded.depth))
    changes = [28 <= len(by_hand(tick)) <= 32 for tick in wanted]
    if not any(changes):
        assert again == message
    with np.errstate(over="ignore"):
        assert decode_frame(again).ticks.tobytes() == decoded.ticks.tobytes()


def test_frame_puts_count_and_lengths_before_the_packets() -> None:
    assert frame([b"abcdefgh", b"xy"]) == b"\x00\x02" + b"\x00\x08abcdefgh" + b"\x00\x02xy"
    assert frame([]) == b"\x00\x00"


def test_full_tick_without_depth_has_an_empty_book() -> None:
    ticks = np.zeros(1, TICK_DTYPE)
    ticks["token"], ticks["mode"], ticks["oi"] = 408065, MODE_FULL, 7
    (packet,) = encode_packets(ticks)
    assert len(packet) == 184
    assert packet[64:] == bytes(120)
    assert struct.unpack_from(">I", packet, 48) == (7,)


def test_depth_that_numpy_made_native_endian_is_sent_as_it_reads():
    ticks, depth = np.zeros(2, TICK_DTYPE), np.zeros(2, DEPTH_DTYPE)
    ticks["token"], ticks["mode"], depth["buy"]["price"] = 408065, MODE_FULL, 157340
    native = np.concatenate([depth[:1], depth[1:]])
    assert encode_packets(ticks, native) == encode_packets(ticks, depth)


@pytest.mark.parametrize("mode", [0, 4, 7, 131, 255])
def test_mode_the_wire_does_not_know_is_refused(mode: int) -> None:
    ticks = np.zeros(1, TICK_DTYPE)
    ticks["mode"] = mode
    with pytest.raises(ValueError, match="mode"):
        encode_packets(ticks)


def test_lengths_that_differ_and_impossible_counts_are_refused() -> None:
    ticks = np.zeros(2, TICK_DTYPE)
    ticks["mode"] = MODE_LTP
    with pytest.raises(ValueError, match="depth"):
        encode_packets(ticks, np.zeros(1, DEPTH_DTYPE))
    for impossible in (0, 65536):
        with pytest.raises(ValueError, match="packets_per_frame"):
            encode_frames(ticks, None, impossible)
    with pytest.raises(ValueError, match="65536 packets"):
        frame([b""] * 65536)


@pytest.mark.parametrize("packets_per_frame", [1, 50])
def test_three_hundred_thousand_full_packets_a_second(packets_per_frame: int) -> None:
    """18,000 full ticks a second may cost the simulator a few per cent of a core, not half of it."""
    ticks, depth = np.zeros(3000, TICK_DTYPE), np.zeros(3000, DEPTH_DTYPE)
    ticks["mode"], ticks["token"] = MODE_FULL, np.arange(3000) * 256 + 1
    best_s = min(timed_s(ticks, depth, packets_per_frame) for _ in range(10))
    assert 3000 / best_s >= 300_000


def timed_s(ticks, depth, packets_per_frame: int) -> float:  # type: ignore[no-untyped-def]
    start = time.perf_counter()
    encode_frames(ticks, depth, packets_per_frame)
    return time.perf_counter() - start
