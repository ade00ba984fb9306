from __future__ import annotations

from kitecli.bars import record
from kitecli.bars.record import AUCTIONS, BAR_DTYPE

DRAWN = {
    "start_ms": 0,
    "turnover": 8,
    "open": 16,
    "high": 20,
    "low": 24,
    "close": 28,
    "volume": 32,
    "oi": 36,
    "ticks": 40,
    "token": 44,
    "length_ms": 48,
    "closed_after_ms": 52,
    "first_key": 56,
    "last_key": 60,
    "flags": 64,
    "series": 66,
    "revision": 67,
    "pad": 68,
}


def test_a_bar_stands_in_72_bytes_as_it_is_drawn():
    assert {name: BAR_DTYPE.fields[name][1] for name in BAR_DTYPE.names} == DRAWN
    assert BAR_DTYPE.itemsize == 72


def test_flags_are_bits_of_their_own_and_fit():
    flags = {name: value for name, value in vars(record).items() if name.startswith("FLAG_")}
    assert len(set(flags.values())) == len(flags) == 13
    assert all(value & (value - 1) == 0 and value < 1 << 16 for value in flags.values())
    assert {name for name, value in flags.items() if value & AUCTIONS} == {
        *("FLAG_PREOPEN", "FLAG_CLOSING", "FLAG_POST_CLOSE", "FLAG_OUTSIDE")
    }
