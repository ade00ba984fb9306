"""What is counted once needn't be read again."""

from __future__ import annotations

import numpy as np

from kitecli.market.tick import DEPTH_DTYPE, MODE_FULL, MODE_LTP, TICK_DTYPE
from kitecli.protocol.encoder import encode_frames
from kitecli.store.layout import FRAME, TIMER
from kitecli.store.log import scan
from kitecli.store.tally import Counting, Tally
from tests.store.implementations import SEED, Stage, beginning, framed, staged


def written():
    """Five messages of ten packets, of two instruments, a heartbeat and a timer's close."""
    ticks = np.zeros(50, TICK_DTYPE)
    ticks["token"], ticks["mode"] = np.repeat([1 << 8, 2 << 8], 25), np.repeat([MODE_FULL, MODE_LTP], 25)
    stage = staged(Stage, 1 << 20)
    for number, message in enumerate(encode_frames(ticks, np.zeros(50, DEPTH_DTYPE), 10)):
        stage.append(message, 1_000 - number)
    stage.append(b"h", 990)
    stage.append(b"", 2_000, 0, TIMER)
    return framed(stage)


def counted(parts):
    tally, raw = Tally(), written()
    rows, counting = scan(raw, beginning(), SEED).rows, Counting(tally)
    for part in np.array_split(rows, parts):
        counting.take(raw, part)
    counting.rest()
    return tally


def test_records_and_ticks_are_counted_however_they_come():
    tally = counted(1)
    assert (tally.ticks, tally.heartbeats, tally.records) == (50, 1, {FRAME: 6, TIMER: 1})
    assert (tally.by_token, tally.modes) == ({1 << 8: 25, 2 << 8: 25}, {MODE_FULL: 25, MODE_LTP: 25})
    assert (tally.first_ns, tally.last_ns) == (1_000, 1_000)
    assert counted(3) == tally


def test_it_comes_back_from_what_an_index_keeps():
    tally, tokens = counted(1), np.array([1 << 8, 77, 2 << 8], np.uint32)
    back = Tally.of_facts(tally.facts(), tokens, np.array([25, 0, 25], np.uint32))
    assert back == tally
    nothing = Tally.of_facts(Tally().facts(), tokens[:0], tokens[:0])
    assert nothing == Tally()


def test_what_comes_later_is_added():
    tally, later = counted(1), Tally(1, first_ns=5, last_ns=3_000)
    tally.add(later)
    tally.add(Tally())
    assert (tally.heartbeats, tally.ticks, tally.first_ns, tally.last_ns) == (2, 50, 1_000, 3_000)
