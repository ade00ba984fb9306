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
from kitecli.ring.policy import Policy
from kitecli.ring.reader import Batch, RingReader
from tests.ring.implementations import BOTH, Implementation, Ring, full, message, quote

CAPACITY, DEPTH_CAPACITY, BOARD = 1024, 128, 64
SHORT, MAX_LAG = 256, 100


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


class Racing:
    """A view whose writer writes between any two of its answers, and while the board is copied row by row."""

    def __init__(self, model: Model, draw: Random) -> None:
        self.layout = model.ring.memory.layout
        self._model, self._draw = model, draw
        self.still = False

    def copy(self, start: int, count: int, ticks: Any, depth: Any) -> int:
        self._model.ring.view.copy(start, count, ticks, depth)
        self.write()
        oldest = int(self._model.ring.view.cursor()) - self.layout.capacity
        ticks[: max(0, min(count, oldest - start))]["last_price"] = -1  # half of one and half of another
        return oldest

    def snapshot(self, ticks: Any, depth: Any, sequences: Any) -> int:
        found: int = self._model.ring.view.snapshot(ticks, depth, sequences)
        self.write()
        latter = [None if array is None else array[:found].copy() for array in (ticks, depth, sequences)]
        self._model.ring.view.snapshot(*latter)
        chosen = np.array([self._draw.random() < 0.5 for _ in range(found)], bool)
        for array, newer in zip((ticks, depth, sequences), latter, strict=True):
            if array is not None:
                array[:found][chosen] = newer[chosen]
        self.write()
        return found

    def history(self, *arguments: Any) -> int:
        self.write()
        return int(self._model.ring.view.history(*arguments))

    def board_rows(self) -> int:
        self.write()
        return int(self._model.ring.view.board_rows())

    def write(self) -> None:
        if not self.still and self._draw.random() < 0.5:
            write_some(self._model, self._draw)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model.ring.view, name)


def write_some(model: Model, draw: Random) -> None:
    size = draw.choice((1, 3, 10, 30, 70, 150, 300))
    model.write(draw.choices(range(draw.choice((3, 20, BOARD))), k=size), draw.choices((1, 2, 3, 3), k=size))


@dataclass
class Raced:
    """A reader of any policy, and the newest tick it was told of each instrument."""

    reader: RingReader
    told: int = 0
    latest: dict[int, int] = field(default_factory=dict)

    def poll(self, model: Model) -> bool:
        reader, cursor = self.reader, len(model.ticks)
        batch = reader.poll()
        assert reader.delivered + reader.conflated + reader.lost == reader.position - reader.start
        assert reader.conflated == 0 or reader.policy is Policy.LATEST
        assert reader.lost == 0 or reader.policy is not Policy.LATEST
        if batch is None:
            return False
        self.told += len(batch) + batch.lost + batch.conflated
        assert self.told == reader.position - reader.start
        if reader.policy is Policy.DROP_OLDEST:
            assert batch.first_sequence >= cursor - MAX_LAG
        self.check(batch, model)
        return True

    def check(self, batch: Batch, model: Model) -> None:
        for at, sequence in enumerate(batch.sequences.tolist()):
            written = model.ticks[sequence]
            assert says(batch.ticks[at], written)
            if batch.depth is not None and batch.ticks["flags"][at] & FLAG_DEPTH:
                assert says_depth(batch.depth[at], written)
            assert self.latest.get(written.token, -1) < sequence < self.reader.position
            self.latest[written.token] = sequence
        if self.reader.policy is Policy.LATEST:
            assert len(set(batch.ticks["token"].tolist())) == len(batch)


@BOTH
@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32),
    policy=st.sampled_from(Policy),
    batch=st.sampled_from([1, 50, 200]),
    depth=st.booleans(),
    from_oldest=st.booleans(),
)
def test_readers_of_any_policy_beside_a_writer_that_never_waits(
    implementation: Implementation, seed: int, policy: Policy, batch: int, depth: bool, from_oldest: bool
):
    model, draw = Model(implementation.ring(SHORT, BOARD)), Random(seed)
    write_some(model, draw)
    view = Racing(model, draw)
    how = {"batch": batch, "depth": depth, "from_oldest": from_oldest, "policy": policy, "max_lag": MAX_LAG}
    raced = Raced(RingReader(view, **how))
    for _ in range(10):
        if draw.random() < 0.5:
            write_some(model, draw)
        raced.poll(model)
    view.still = True
    while raced.poll(model):
        pass
    assert raced.reader.position == len(model.ticks)
    if policy is Policy.LATEST:
        newest = {written.token: at for at, written in enumerate(model.ticks) if at >= raced.reader.start}
        assert raced.latest == newest
