"""Whatever is packed comes back to the byte, and what is worth it gets smaller."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kitecli.errors import DataError
from kitecli.market.tick import DEPTH_DTYPE, MODE_FULL, TICK_DTYPE
from kitecli.protocol.encoder import encode_frames
from kitecli.store.framing import Framer
from kitecli.store.layout import FRAME, GAP
from kitecli.store.packing import COLUMNS, PLAIN, pack, unpack
from tests.fuzz.frames import steps
from tests.store.implementations import SEED, START, beginning


def framed(messages, kind=FRAME):
    framer = Framer(SEED, START)
    return b"".join(framer.record(kind, at % 3, 1_000 + at * 7, payload) for at, payload in enumerate(messages))


def similar_frames(count, per_frame):
    """Full packets of 50 instruments, each a little further than the one before."""
    draw = np.random.default_rng(3)
    ticks, depth = np.zeros(count, TICK_DTYPE), np.zeros(count, DEPTH_DTYPE)
    ticks["token"] = draw.integers(1, 51, count) << 8 | 1
    ticks["mode"] = MODE_FULL
    for name in ("last_price", "volume", "ts_event_s"):
        ticks[name] = 1_000_000 + np.cumsum(draw.integers(0, 5, count))
    depth["buy"]["price"] = 1_000_000 + np.cumsum(draw.integers(0, 5, count))[:, None]
    return encode_frames(ticks, depth, per_frame)


@pytest.mark.parametrize("per_frame", [1, 7, 50])
def test_similar_packets_get_much_smaller(per_frame):
    data = framed(similar_frames(5_000, per_frame))
    packed = pack(data, 0, beginning(), SEED)
    assert unpack(packed) == data
    assert packed[0] == COLUMNS
    assert len(packed) < len(data) / 8


@settings(max_examples=25)
@given(st.integers(0, 1 << 32))
def test_anything_comes_back(seed):
    messages = [each for each in steps(seed, 60) if isinstance(each, bytes)]
    data = framed(messages) + random.Random(seed).choice([b"", Framer(SEED, START).end()])
    packed = pack(data, 0, beginning(), SEED)
    assert unpack(packed) == data


def test_what_stands_before_the_first_record_comes_back():
    data = b"a header" + framed(similar_frames(100, 5))
    packed = pack(data, 8, beginning(), SEED)
    assert packed[0] == COLUMNS
    assert unpack(packed) == data


def test_other_records_and_blocks_with_marks_and_padding():
    draw = random.Random(1)
    framer = Framer(SEED, START)
    payloads = [draw.randbytes(draw.randrange(9_000)) for _ in range(400)]
    records = [framer.record(draw.choice([FRAME, GAP]), 1, at, payload) for at, payload in enumerate(payloads)]
    data = b"".join([*records, framer.end()])
    packed = pack(data, 0, beginning(), SEED)
    assert packed[0] == COLUMNS
    assert unpack(packed) == data


@pytest.mark.parametrize("data", [b"", b"x", bytes(1_000), framed([b"message"] * 5)[:-8]])
def test_what_is_no_stretch_of_records_is_kept_as_it_is(data):
    packed = pack(data, 0, beginning(), SEED)
    assert packed[0] == PLAIN
    assert unpack(packed) == data
    assert unpack(pack(data, 0, None, SEED)) == data


def test_what_never_was_packed_is_refused():
    packed = pack(framed(similar_frames(100, 5)), 0, beginning(), SEED)
    for broken in (
        b"",
        b"\x01",
        packed[:-5],
        packed[:5] + b"no zlib at all",
        bytes([COLUMNS]) + pack(b"x", 0, None, 1)[1:],
    ):
        with pytest.raises(DataError):
            unpack(broken)
