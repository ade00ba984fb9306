"""Writer, view and reader against the simplest model there is: a list of all ticks ever written."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kitecli.market.tick import DEPTH_DTYPE, FLAG_DEPTH, TICK_DTYPE
from kitecli.ring.layout import COUNTERS
from kitecli.ring.reader import Batch, RingReader
from tests.ring.implementations import BOTH, Implementation, Ring, full, message, quote

CAPACITY, DEPTH_CAPACITY, BOARD = 1024, 128, 64


@dataclass(frozen=True)
class Written:
    token: int
    price: int
    mode: int


@dataclass
class Model:
    ring: Ring
    ticks: list[Written] = field(default_factory=list)
    rows: dict[int, int] = field(default_factory=dict)
    off_board: int = 0

    def write(self, tokens: list[int], modes: list[int]) -> None:
        packets = []
        for token, mode in zip(tokens, modes, strict=True):
            written = Written(token, len(self.ticks), mode)
            self.ticks.append(written)
            packets.append(packet(written))
            if token not in self.rows and len(self.rows) < BOARD:
                self.rows[token] = len(self.rows)
            self.off_board += token not in self.rows
        self.ring.writer.ingest(message(packets), 9)

    @property
    def oldest(self) -> int:
        return max(0, len(self.ticks) - CAPACITY)


def packet(written: Written) -> bytes:
    makers = {1: lambda token, price: struct.pack(">Ii", token, price), 2: quote, 3: deep}
    return makers[written.mode](written.token, written.price)


def deep(token: int, price: int) -> bytes:
    return full(token, price, price * 3)


def says(tick: Any, written: Written) -> bool:
    volume = written.price if written.mode > 1 else 0
    return (tick["token"], tick["last_price"], tick["mode"], tick["volume"]) == (
        *(written.token, written.price, written.mode),
        volume,
    )


def says_depth(depth: Any, written: Written) -> bool:
    levels = np.concatenate([depth["buy"], depth["sell"]])
    return bool((levels["quantity"] == written.price * 3).all() and (levels["price"] == written.price).all())


@dataclass
class Watched:
    """A reader and what it has been told."""

    reader: RingReader
    start: int
    delivered: int = 0
    lost: int = 0
    depth_lost: int = 0

    def poll(self, model: Model) -> bool:
        expected_at = self.reader.position
        lag = self.reader.lag()
        batch = self.reader.poll()
        if batch is None:
            assert lag == 0
            return False
        assert batch.first_sequence == expected_at + batch.lost
        assert (batch.lost > 0) == (expected_at < model.oldest)
        # Whoever was lapped goes on at most an eighth of the ring above the oldest tick.
        assert batch.lost <= max(0, model.oldest + CAPACITY // 8 - expected_at)
        self.check(batch, model)
        self.delivered += len(batch)
        self.lost += batch.lost
        assert (self.reader.delivered, self.reader.lost) == (self.delivered, self.lost)
        assert self.start + self.delivered + self.lost == self.reader.position
        return True

    def check(self, batch: Batch, model: Model) -> None:
        assert len(batch) >= 1
        stale_below = len(model.ticks) - DEPTH_CAPACITY
        for at, tick in enumerate(batch.ticks):
            sequence = batch.first_sequence + at
            written = model.ticks[sequence]
            assert says(tick, written)
            flagged = bool(tick["flags"] & FLAG_DEPTH)
            if batch.depth is None:
                assert flagged == (written.mode == 3)
            elif written.mode == 3:
                assert flagged == (sequence >= stale_below)
                self.depth_lost += not flagged
                assert not flagged or says_depth(batch.depth[at], written)
        assert self.reader.depth_lost == self.depth_lost


def check_board(model: Model, *, with_depth: bool) -> None:
    view = model.ring.view
    assert view.board_rows() == len(model.rows)
    assert view.tokens(0, len(model.rows)).tolist() == list(model.rows)
    ticks, depth = np.zeros(BOARD, TICK_DTYPE), np.zeros(BOARD, DEPTH_DTYPE)
    sequences = np.full(BOARD, -7, np.int64)
    assert view.snapshot(ticks, depth if with_depth else None, sequences) == len(model.rows)
    latest = {written.token: sequence for sequence, written in enumerate(model.ticks)}
    deepest = {written.token: sequence for sequence, written in enumerate(model.ticks) if written.mode == 3}
    for token, row in model.rows.items():
        assert sequences[row] == latest[token]
        assert says(ticks[row], model.ticks[latest[token]])
        if with_depth and token in deepest:
            assert says_depth(depth[row], model.ticks[deepest[token]])
    assert not ticks[len(model.rows) :].view(np.uint8).any()


def check_history(model: Model, count: int) -> None:
    ticks, sequences = np.zeros(count, TICK_DTYPE), np.zeros(count, np.int64)
    for token, row in model.rows.items():
        of_token = [at for at in range(model.oldest, len(model.ticks)) if model.ticks[at].token == token]
        expected = of_token[::-1][:count]
        assert model.ring.view.history(row, count, ticks, sequences) == len(expected)
        assert sequences[: len(expected)].tolist() == expected
        assert all(says(ticks[at], model.ticks[sequence]) for at, sequence in enumerate(expected))


def check_counters(model: Model) -> None:
    counted = dict(zip(COUNTERS, model.ring.view.counters().tolist(), strict=True))
    assert counted["ticks"] == len(model.ticks) == model.ring.view.cursor()
    assert counted["off_board"] == model.off_board


# A message larger than the ring, one larger than a lapped reader's headroom, and the small ones of every day.
SIZES = st.sampled_from([1, 1, 2, 5, 50, 100, 127, 128, 129, 500, 1023, 1024, 1025, 3000])
WRITE = st.tuples(st.just("write"), SIZES, st.integers(1, 90), st.integers(0, 2**32))
POLL = st.tuples(st.just("poll"), st.integers(0, 9), st.integers(1, 4))
JOIN = st.tuples(st.just("join"), st.sampled_from([1, 3, 64, 1000, 1024, 10_000]), st.booleans(), st.booleans())
LOOK = st.tuples(st.just("look"), st.booleans(), st.sampled_from([1, 3, 100]))


@BOTH
@settings(max_examples=40)
@given(steps=st.lists(st.one_of(WRITE, WRITE, POLL, POLL, JOIN, LOOK), max_size=20))
def test_ring_board_and_readers_are_a_list_of_ticks(implementation: Implementation, steps: list[tuple]):
    model = Model(implementation.ring(CAPACITY, BOARD))
    readers: list[Watched] = []
    for step in steps:
        match step:
            case ("write", size, tokens, seed):
                draw = Random(seed)
                model.write(draw.choices(range(tokens), k=size), draw.choices((1, 2, 3, 3), k=size))
            case ("join", batch, depth, from_oldest):
                reader = RingReader(model.ring.view, batch=batch, depth=depth, from_oldest=from_oldest)
                assert reader.position == (model.oldest if from_oldest else len(model.ticks))
                readers.append(Watched(reader, reader.position))
            case ("poll", which, times) if readers:
                for _ in range(times):
                    readers[which % len(readers)].poll(model)
            case ("look", with_depth, count):
                check_board(model, with_depth=with_depth)
                check_history(model, count)
    for watched in readers:
        while watched.poll(model):
            pass
        assert watched.reader.position == len(model.ticks)
        assert watched.start + watched.delivered + watched.lost == len(model.ticks)
    check_counters(model)
