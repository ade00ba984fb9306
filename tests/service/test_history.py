"""Ticks from before the ring: out of a recording of the test's own, and of a feed's."""

from __future__ import annotations

import itertools
import struct
import time
from datetime import date

import numpy as np
import pytest

from kitecli.clock import NS_PER_S
from kitecli.market.tick import TICK_DTYPE
from kitecli.service.history import PATIENCE_S, ticks_before
from kitecli.store.folder import day_folder
from kitecli.store.recorder import Recorder, StoreHold
from kitecli.store.writer import StoreSettings
from tests.conformance.vectors import message

DAY = date(2026, 11, 20)
NINE_NS = 1_795_146_300_000_000_000
TOKEN, OTHER = 408065, 738561
STEP_NS = NS_PER_S // 2


def ltp(token, price):
    return message(struct.pack(">II", token, price))


@pytest.fixture
def day(tmp_path):
    """A thousand ticks of each of two instruments, half a second apart."""
    hold = StoreHold.take(tmp_path)
    with Recorder(hold, DAY, settings=StoreSettings(floor_bytes=0)) as recorder:
        for number in range(1_000):
            for token in (TOKEN, OTHER):
                recorder.append(ltp(token, number), NINE_NS + number * STEP_NS, 0)
    hold.release()
    return day_folder(tmp_path, DAY)


@pytest.mark.parametrize("count", [1, 3, 4, 50, 999, 1_000, 5_000])
@pytest.mark.parametrize("before", [1_000, 500])
def test_the_last_ones_before_an_instant_and_nothing_else(day, count, before):
    found = ticks_before(day, TOKEN, count, NINE_NS + before * STEP_NS, lambda: 0.0)
    assert found.dtype == TICK_DTYPE
    assert found["last_price"].tolist() == list(range(max(0, before - count), before))
    assert set(found["token"].tolist()) == {TOKEN}


def test_what_there_was_no_time_for_is_left_out_at_the_old_end(day):
    seconds = itertools.chain((0.0, 0.0, 0.1, 0.1, 0.1), itertools.repeat(2 * PATIENCE_S))
    found = ticks_before(day, TOKEN, 1_000, NINE_NS + 1_000 * STEP_NS, lambda: next(seconds))
    prices = found["last_price"].tolist()
    assert prices == list(range(1_000 - len(prices), 1_000))
    assert len(prices) < 1_000


def test_without_a_recording_there_is_nothing(tmp_path):
    assert ticks_before(tmp_path, TOKEN, 10, NINE_NS).size == 0


def test_a_service_reaches_behind_its_ring(make, exchange, tokens, tmp_path):
    service = make()
    service.config.performance.ring_buffer_size = 256
    service.config.datafeed.store_ticks = True
    service.config.datafeed.store_folder = str(tmp_path / "kept")
    seen = {}

    @service.add_batch_callback
    def keep(batch):
        for stamp, token in zip(batch.ticks["ts_recv_ns"].tolist(), batch.ticks["token"].tolist(), strict=True):
            seen.setdefault(token, []).append(stamp)

    service.subscribe(tokens[:100], "ltp")
    with service:
        deadline = time.monotonic() + 20
        while len(seen.get(tokens[0], ())) < 30 and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.1)  # what came last is on its way to the disk
        known = len(seen[tokens[0]])
        found = service.get_latest_ticks(tokens[0], 10_000)
    assert found.size >= known >= 30
    stamps = found["ts_recv_ns"].tolist()
    assert stamps == sorted(stamps)
    assert set(stamps) >= set(seen[tokens[0]][:known]), "and also those that overran a slow reader of so short a ring"
    assert np.all(np.diff(found["ts_recv_ns"]) > 0)
