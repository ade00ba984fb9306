"""Our ticks against the official Python client's, field by field, on the same bytes; and every known difference."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from random import Random, SystemRandom
from typing import Any

import numpy as np
import pytest

from kitecli.market.segments import divisor_of
from kitecli.market.tick import DEPTH_DTYPE, TICK_DTYPE
from kitecli.market.view import Tick, ticks_of
from kitecli.protocol.decoder import decode_frame
from tests.conformance.vectors import INFY_FULL, INFY_LTP, INFY_QUOTE, NIFTY_INDEX, message, words
from tests.ring.implementations import COMPILED_ONE

SEGMENTS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13)
NORMAL_FRAMES, SOAK_FRAMES = 2_000, 100_000

Official = dict[str, Any]
Show = Callable[[bytes], list[Tick]]


@pytest.fixture(scope="module")
def official() -> Callable[[bytes], list[Official]]:
    """The client's parser, without a connection: it needs no reactor."""
    from kiteconnect import KiteTicker

    ticker = KiteTicker.__new__(KiteTicker)
    return lambda data: KiteTicker._parse_binary(ticker, data)


def by_reference(data: bytes) -> list[Tick]:
    frame = decode_frame(data)
    return list(ticks_of(frame.ticks, frame.depth))


def by_compiled(data: bytes) -> list[Tick]:
    if COMPILED_ONE is None:
        pytest.skip("the extension isn't built")
    ring = COMPILED_ONE.ring()
    count = ring.writer.ingest(data, 0)
    ticks, depth = np.zeros(count, TICK_DTYPE), np.zeros(count, DEPTH_DTYPE)
    ring.view.copy(0, count, ticks, depth)
    return list(ticks_of(ticks, depth))


BOTH = pytest.mark.parametrize("show", [by_reference, by_compiled])


def packet(draw: Random) -> bytes:
    """Anything sound; prices below 2^31, above which the client takes them for others, and times after 1970."""
    token = draw.randrange(1 << 24) << 8 | draw.choice(SEGMENTS)
    price, wide = (lambda: draw.choice((0, draw.randrange(1 << 31)))), (lambda: draw.randrange(1 << 32))
    length = draw.choice((8, 28, 32, 44, 184))
    if length < 44:
        prices = [price() for _ in range(min(length, 28) // 4 - 1)]
        return words(token, *prices, *([wide() + 1] if length == 32 else []))
    quote = words(token, price(), wide(), price(), wide(), wide(), wide(), *(price() for _ in range(4)))
    if length == 44:
        return quote
    levels = [struct.pack(">IIHxx", wide(), price(), draw.randrange(1 << 16)) for _ in range(10)]
    return quote + words(*(draw.randrange(1, 1 << 32) for _ in range(5))) + b"".join(levels)


def sound_frames(seed: int, count: int) -> Iterator[bytes]:
    draw = Random(seed)
    for _ in range(count):
        yield message(*(packet(draw) for _ in range(draw.randrange(5))))


def with_aware_times(theirs: list[Official]) -> list[Official]:
    """Their times are naive in the host's zone: the same instants, said differently. Nothing else is touched."""
    return [
        {name: value.astimezone() if isinstance(value, datetime) else value for name, value in tick.items()}
        for tick in theirs
    ]


def compare(show: Show, official: Callable[[bytes], list[Official]], seed: int, count: int) -> int:
    compared = 0
    for data in sound_frames(seed, count):
        ours, theirs = [tick.to_dict() for tick in show(data)], with_aware_times(official(data))
        assert ours == theirs, f"seed {seed}: {data.hex()}"
        compared += len(ours)
    return compared


@BOTH
def test_two_thousand_frames_are_equal_field_by_field(show: Show, official: Any):
    ticks = compare(show, official, 7, NORMAL_FRAMES)
    print(f"{NORMAL_FRAMES:,} frames, {ticks:,} ticks: equal")


@pytest.mark.soak
@BOTH
def test_a_hundred_thousand_frames_are_equal_field_by_field(show: Show, official: Any):
    seed = SystemRandom().randrange(1 << 40)
    ticks = compare(show, official, seed, SOAK_FRAMES)
    print(f"{SOAK_FRAMES:,} frames of seed {seed}, {ticks:,} ticks: equal")


def test_the_client_shows_the_same_keys_in_every_mode(official: Any):
    for one in (INFY_LTP, INFY_QUOTE, INFY_FULL, NIFTY_INDEX, NIFTY_INDEX + words(1719475200)):
        [ours], [theirs] = by_reference(message(one)), official(message(one))
        assert set(ours.to_dict()) == set(theirs)


# ---- known differences


def raw_prices(tick: Official) -> list[int]:
    """All its prices as the integers of the wire."""
    divisor = divisor_of(tick["instrument_token"])
    found = [tick["last_price"], *(tick[name] for name in ("average_traded_price",) if name in tick)]
    found += tick.get("ohlc", {}).values()
    found += [level["price"] for side in tick.get("depth", {}).values() for level in side]
    return [round(price * divisor) for price in found]


@BOTH
@pytest.mark.parametrize("length", [8, 28, 32, 44, 184])
def test_negative_prices_are_theirs_minus_two_to_the_thirty_two(show: Show, official: Any, length: int):
    draw = Random(length)
    for _ in range(50):
        token = draw.randrange(1 << 24) << 8 | draw.choice(SEGMENTS)
        data = message(words(token) + draw.randbytes(length - 4))
        [ours], [theirs] = show(data), official(data)
        signed, unsigned = raw_prices(ours.to_dict()), raw_prices(theirs)
        if length > 8:  # the order of the day's prices differs in their dictionaries
            signed, unsigned = sorted(price % 2**32 for price in signed), sorted(unsigned)
        assert [price % 2**32 for price in signed] == unsigned


def test_a_negative_price_on_mcx(official: Any):
    data = message(words(0x107, -3763))
    assert official(data)[0]["last_price"] == 42949635.33
    assert by_reference(data)[0].last_price == -37.63


def test_nco_is_right_in_both_and_was_a_hundred_times_too_large_in_older_clients(
    official: Any, monkeypatch: pytest.MonkeyPatch
):
    from kiteconnect import KiteTicker

    data = message(words(31132428, 3782000))
    assert official(data)[0]["last_price"] == by_reference(data)[0].last_price == 378.20
    monkeypatch.setitem(KiteTicker.EXCHANGE_MAP, "nco", -1)  # as before 5.2.2, which knew no such segment
    assert official(data)[0]["last_price"] == 37820.0


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="changes this process's zone")
@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("UTC", "2021-07-05 05:11:27"),
        ("Asia/Kolkata", "2021-07-05 10:41:27"),
        ("America/New_York", "2021-07-05 01:11:27"),
    ],
)
def test_their_times_are_the_host_s_and_ours_are_indian(
    official: Any, monkeypatch: pytest.MonkeyPatch, zone: str, shown: str
):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        [theirs], [ours] = official(message(INFY_FULL)), by_reference(message(INFY_FULL))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert str(theirs["exchange_timestamp"]) == shown
    assert theirs["exchange_timestamp"].tzinfo is None
    assert ours.exchange_timestamp is not None
    assert ours.exchange_timestamp.isoformat() == "2021-07-05T10:41:27+05:30"


def test_no_time_is_1970_for_them_and_none_for_us(official: Any):
    data = message(INFY_FULL[:44] + bytes(20) + INFY_FULL[64:], NIFTY_INDEX + words(0))
    full, index = official(data)
    assert [full["last_trade_time"], full["exchange_timestamp"], index["exchange_timestamp"]] == [
        datetime.fromtimestamp(0)  # noqa: DTZ006  as they say it
    ] * 3
    ours = by_reference(data)
    assert [ours[0].last_trade_time, ours[0].exchange_timestamp, ours[1].exchange_timestamp] == [None] * 3


LOSES_THE_CONNECTION = {
    "count too high": (message(INFY_LTP, INFY_QUOTE, count=3), 2),
    "cut inside a length": (message(INFY_LTP, INFY_QUOTE)[:13], 1),
    "a packet without bytes": (message(INFY_LTP, b"", INFY_QUOTE), 2),
    "a packet shorter than its token": (message(INFY_LTP, b"123", INFY_QUOTE), 2),
}


@BOTH
@pytest.mark.parametrize("damage", LOSES_THE_CONNECTION)
def test_where_they_raise_and_drop_the_connection_we_keep_what_was_whole(show: Show, official: Any, damage: str):
    data, kept = LOSES_THE_CONNECTION[damage]
    with pytest.raises(struct.error):
        official(data)
    assert len(show(data)) == kept


@BOTH
def test_a_full_packet_cut_to_a_quote_s_length_is_a_quote_for_them_and_damage_for_us(show: Show, official: Any):
    data = message(INFY_LTP, INFY_FULL)[: -(184 - 44)]
    assert [tick["mode"] for tick in official(data)] == ["ltp", "quote"]
    assert [tick.mode for tick in show(data)] == ["ltp"]


@BOTH
@pytest.mark.parametrize("data", [b"\x00", b"\x00\x00", message(bytes(12)), message(INFY_QUOTE)[:-1]])
def test_where_nothing_is_to_be_had_both_have_nothing(show: Show, official: Any, data: bytes):
    assert official(data) == []
    assert show(data) == []
