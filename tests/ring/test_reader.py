"""The reader's policy on both views; what it does among other processes is in tests/conformance."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kitecli.market.tick import FLAG_DEPTH, FLAG_SNAPSHOT
from kitecli.ring.layout import RingLayout
from kitecli.ring.memory import RingMemory
from kitecli.ring.parts import RingParts
from kitecli.ring.policy import Policy
from kitecli.ring.reader import RingReader
from kitecli.ring.seats import Seat, SeatedReader, SeatKeeper
from tests.ring.implementations import (
    BOTH,
    COMPILED_ONE,
    LONG_S,
    REFERENCE,
    Implementation,
    Ring,
    full,
    message,
    needs_compiled,
    woken,
)


class Overtaking:
    """A view whose writer writes while it copies: ``sizes`` ticks after the first copy, the second, and so on."""

    def __init__(self, ring: Ring, *sizes: int) -> None:
        self.layout = ring.memory.layout
        self._ring, self._sizes = ring, list(sizes)

    def copy(self, *arguments: Any) -> int:
        self._ring.view.copy(*arguments)
        if self._sizes:
            self._ring.write([1] * self._sizes.pop(0), first_price=self._ring.view.cursor())
        return self._ring.view.cursor() - self.layout.capacity

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ring.view, name)


def prices(batch: Any) -> list[int]:
    return batch.ticks["last_price"].tolist()


@BOTH
def test_batches_come_in_order_and_end(implementation: Implementation):
    ring = implementation.ring()
    reader = RingReader(ring.view, batch=3)
    assert reader.poll() is None
    ring.write([1] * 7)
    batches = [(prices(batch), batch.first_sequence, batch.lost) for _ in range(3) if (batch := reader.poll())]
    assert batches == [([0, 1, 2], 0, 0), ([3, 4, 5], 3, 0), ([6], 6, 0)]
    assert reader.poll() is None
    assert (reader.delivered, reader.lost, reader.lag()) == (7, 0, 0)


@BOTH
def test_a_reader_starts_at_the_end_or_at_the_oldest(implementation: Implementation):
    ring = implementation.ring()
    ring.write([1] * 100)
    late, early = RingReader(ring.view), RingReader(ring.view, from_oldest=True)
    assert (late.position, early.position) == (100, 36)
    batch = early.poll()
    assert batch is not None
    assert (prices(batch), batch.lost) == (list(range(36, 100)), 0)


@BOTH
def test_a_lapped_reader_is_told_and_goes_on_with_headroom(implementation: Implementation):
    ring = implementation.ring()
    reader = RingReader(ring.view)
    ring.write([1] * 1000)
    batch = reader.poll()
    assert batch is not None
    assert (batch.first_sequence, batch.lost) == (1000 - 64 + 8, 1000 - 64 + 8)
    assert prices(batch) == list(range(944, 1000))
    assert reader.delivered + reader.lost == 1000


@BOTH
def test_what_was_overwritten_while_it_was_copied_is_lost_and_the_rest_delivered(implementation: Implementation):
    ring = implementation.ring()
    ring.write([1] * 64)
    reader = RingReader(Overtaking(ring, 10), from_oldest=True)
    batch = reader.poll()
    assert batch is not None
    assert (batch.first_sequence, batch.lost, len(batch)) == (10, 10, 54)
    assert prices(batch) == list(range(10, 64))


@BOTH
def test_a_reader_lapped_again_and_again_gives_its_caller_a_turn(implementation: Implementation):
    ring = implementation.ring()
    ring.write([1] * 64)
    reader = RingReader(Overtaking(ring, *[200] * 5000), from_oldest=True, batch=8)
    assert reader.poll() is None
    assert 0 < reader.lost == reader.position


@BOTH
def test_losses_nobody_was_told_come_with_the_next_batch(implementation: Implementation):
    ring = implementation.ring()
    ring.write([1] * 10)
    reader = RingReader(ring.view, from_oldest=True)
    RingParts.of(ring.memory).intent[0] = 110  # the writer is inside a message larger than the ring
    assert reader.poll() is None
    assert reader.lost == 10
    ring.write([1] * 100, first_price=10)
    batch = reader.poll()
    assert batch is not None
    assert batch.lost == batch.first_sequence == reader.lost
    assert reader.delivered + reader.lost == reader.position


@BOTH
def test_depth_too_old_loses_its_flag_and_is_counted(implementation: Implementation):
    ring = implementation.ring(1024, 64)
    reader = RingReader(ring.view, depth=True)
    for start in range(0, 200, 50):
        ring.writer.ingest(message([full(1, start + at, quantity=start + at) for at in range(50)]), 1)
    batch = reader.poll()
    assert batch is not None
    assert batch.depth is not None
    flagged = (batch.ticks["flags"] & FLAG_DEPTH) != 0
    assert flagged.tolist() == [False] * 72 + [True] * 128
    assert batch.depth["buy"]["quantity"][flagged][:, 0].tolist() == list(range(72, 200))
    assert reader.depth_lost == 72


@BOTH
def test_reading_waits_no_longer_than_asked_and_no_shorter(implementation: Implementation):
    reader = RingReader(implementation.ring().view)
    assert reader.read(0) is None
    before = time.monotonic()
    assert reader.read(0.05) is None
    assert time.monotonic() - before >= 0.05


@BOTH
@pytest.mark.parametrize("spin", [False, True])
def test_reading_ends_with_the_first_tick(implementation: Implementation, spin: bool):
    ring = implementation.ring()
    reader = RingReader(ring.view, spin=spin)
    with after(0.02, lambda: ring.write([1])):
        batch = reader.read(LONG_S)
    assert batch is not None
    assert len(batch) == 1


@BOTH
def test_waiting_ends_when_the_writer_closes(implementation: Implementation):
    ring = implementation.ring()
    reader = RingReader(ring.view)
    with woken(), after(0.02, ring.writer.close):
        assert reader.read(LONG_S) is None
    ring.write([1])
    assert reader.read(LONG_S) is not None, "what came before the end is still delivered"


def test_a_reader_of_no_ticks_at_a_time_is_refused():
    for batch in (0, -1):
        with pytest.raises(ValueError, match=f"can't take {batch} ticks"):
            RingReader(REFERENCE.ring().view, batch=batch)
    with pytest.raises(ValueError, match="at most 0 behind"):
        RingReader(REFERENCE.ring().view, policy=Policy.DROP_OLDEST, max_lag=0)


def adds_up(reader: RingReader) -> bool:
    return reader.delivered + reader.conflated + reader.lost == reader.position - reader.start


# Drop the oldest


@BOTH
def test_whoever_drops_the_oldest_is_never_further_behind_than_it_said(implementation: Implementation):
    ring = implementation.ring(1024)
    reader = RingReader(ring.view, batch=3, policy=Policy.DROP_OLDEST, max_lag=5)
    ring.write([1] * 4)
    ring.write([1] * 4, first_price=4)
    batch = reader.poll()
    assert batch is not None
    assert (prices(batch), batch.first_sequence, batch.lost) == ([3, 4, 5], 3, 3)
    batch = reader.poll()
    assert batch is not None
    assert (prices(batch), batch.lost, reader.lost, adds_up(reader)) == ([6, 7], 0, 3, True)
    assert reader.poll() is None


@BOTH
def test_a_limit_above_the_ring_s_length_is_the_ring_s_length(implementation: Implementation):
    ring = implementation.ring()
    reader = RingReader(ring.view, policy=Policy.DROP_OLDEST, max_lag=10_000)
    ring.write([1] * 1000)
    batch = reader.poll()
    assert batch is not None
    assert (batch.first_sequence, reader.lost, adds_up(reader)) == (944, 944, True)


@BOTH
def test_what_is_skipped_while_nothing_can_be_had_is_told_later(implementation: Implementation):
    ring = implementation.ring()
    reader = RingReader(ring.view, policy=Policy.DROP_OLDEST, max_lag=5)
    ring.write([1] * 20)
    RingParts.of(ring.memory).intent[0] = 300  # the writer is inside a message larger than the ring
    assert reader.poll() is None
    assert (reader.position, reader.lost, adds_up(reader)) == (20, 20, True)
    RingParts.of(ring.memory).intent[0] = 20
    ring.write([1])
    batch = reader.poll()
    assert batch is not None
    assert (batch.lost, len(batch)) == (20, 1)


# The latest of each instrument


@BOTH
@pytest.mark.parametrize("batch", [1, 64], ids=["from the board", "from the ring"])
def test_the_newest_of_each_instrument_in_their_order(implementation: Implementation, batch: int):
    ring = implementation.ring()
    reader = RingReader(ring.view, batch=batch, policy=Policy.LATEST)
    ring.write([1, 2, 1, 3, 2, 1])
    got = reader.poll()
    assert got is not None
    assert (prices(got), got.sequences.tolist()) == ([3, 4, 5], [3, 4, 5])
    assert got.ticks["token"].tolist() == [3, 2, 1]
    assert (got.first_sequence, got.lost, got.conflated) == (3, 0, 3)
    assert (reader.delivered, reader.conflated, reader.lost) == (3, 3, 0)
    assert reader.poll() is None
    ring.write([2], first_price=9)
    got = reader.poll()
    assert got is not None
    assert (prices(got), got.conflated) == ([9], 0)


@BOTH
def test_nobody_is_left_out_however_often_the_ring_was_lapped(implementation: Implementation):
    ring = implementation.ring()
    reader = RingReader(ring.view, policy=Policy.LATEST)
    ring.write([7, 8])
    ring.write([1] * 5000)
    ring.write([9])
    got = reader.poll()
    assert got is not None
    assert got.ticks["token"].tolist() == [7, 8, 1, 9]
    assert got.sequences.tolist() == [0, 1, 5001, 5002]
    assert (reader.lost, got.conflated, adds_up(reader)) == (0, 4999, True)


@BOTH
def test_from_the_oldest_is_from_the_whole_board(implementation: Implementation):
    ring = implementation.ring()
    ring.write([7, 8])
    ring.write([1] * 500)
    reader = RingReader(ring.view, policy=Policy.LATEST, from_oldest=True)
    got = reader.poll()
    assert got is not None
    assert got.ticks["token"].tolist() == [7, 8, 1]
    late = RingReader(ring.view, policy=Policy.LATEST)
    assert late.poll() is None


@BOTH
def test_what_is_overwritten_while_it_is_copied_comes_from_the_board(implementation: Implementation):
    ring = implementation.ring()
    ring.write([2] + [1] * 60)
    reader = RingReader(Overtaking(ring, 50), policy=Policy.LATEST, from_oldest=True)
    got = reader.poll()
    assert got is not None
    assert got.ticks["token"].tolist() == [2, 1]
    assert got.sequences.tolist() == [0, 60]
    assert adds_up(reader)
    got = reader.poll()
    assert got is not None
    assert (got.sequences.tolist(), adds_up(reader)) == ([110], True)


@BOTH
def test_depth_comes_from_the_board_where_the_depth_ring_is_too_short(implementation: Implementation):
    ring = implementation.ring(1024, 256)
    reader = RingReader(ring.view, policy=Policy.LATEST, depth=True)
    for start in range(0, 200, 50):
        ring.writer.ingest(message([full(start + at, start + at, quantity=start + at) for at in range(50)]), 1)
    got = reader.poll()
    assert got is not None
    assert got.depth is not None
    assert ((got.ticks["flags"] & FLAG_DEPTH) != 0).all()
    assert got.depth["buy"]["quantity"][:, 0].tolist() == list(range(200))
    assert reader.depth_lost == 0


@BOTH
def test_a_snapshot_that_is_the_latest_stays_one(implementation: Implementation):
    ring = implementation.ring()
    reader = RingReader(ring.view, policy=Policy.LATEST)
    ring.writer.expect_snapshots({1: "quote", 2: "quote"})
    ring.write([1, 2, 2])
    got = reader.poll()
    assert got is not None
    assert [bool(flags & FLAG_SNAPSHOT) for flags in got.ticks["flags"].tolist()] == [True, False]


@BOTH
@pytest.mark.parametrize("policy", Policy)
def test_the_batches_tell_all_that_was_produced(implementation: Implementation, policy: Policy):
    ring = implementation.ring()
    reader = RingReader(ring.view, policy=policy, batch=20, max_lag=30)
    told = 0
    for size in (5, 25, 70, 0, 500, 1, 64, 65):
        ring.write([token % 7 for token in range(size)])
        if (batch := reader.poll()) is not None:
            told += len(batch) + batch.lost + batch.conflated
            assert np.diff(batch.sequences).min(initial=1) >= 1
            assert batch.sequences[0] == batch.first_sequence
        assert told == reader.position
        assert adds_up(reader)


class Seated:
    """A compiled ring in a file, a reader in a seat, and the writer's keeper."""

    def __init__(self, folder: Path) -> None:
        assert COMPILED_ONE is not None
        memory = RingMemory.create(folder / "feed.ring", RingLayout.of(64, 64))
        self.ring = Ring(memory, COMPILED_ONE.frame_pass(memory), COMPILED_ONE.ring_view(memory))
        self.keeper = SeatKeeper(folder / "feed.seats")
        self.seat = Seat.take(folder / "feed.seats")
        self.reader = RingReader(self.ring.view, seat=self.seat)

    def look(self) -> None:
        sleepers = self.keeper.refresh()
        assert sleepers is not None
        self.ring.writer.wake(self.keeper.page, sleepers)


@pytest.fixture
def seated(tmp_path: Path) -> Iterator[Seated]:
    if COMPILED_ONE is None or not hasattr(os, "mkfifo"):
        pytest.skip("needs the compiled pass and named pipes")
    seated = Seated(tmp_path)
    yield seated
    seated.ring.writer.wake(seated.keeper.page, [])
    seated.keeper.close()
    seated.reader.close()


class after:  # noqa: N801  reads as a word
    """Do something a little later, on another thread."""

    def __init__(self, delay_s: float, act: Any) -> None:
        self._timer = threading.Timer(delay_s, act)

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *failure: object) -> None:
        self._timer.join()


@needs_compiled
def test_a_sleeper_is_woken_through_its_pipe(seated: Seated):
    seated.look()
    assert seated.seat.attached()
    with woken(), after(0.05, lambda: seated.ring.write([1, 2])):
        batch = seated.reader.read(LONG_S)
    assert batch is not None
    [shown] = seated.keeper.readers()
    assert (shown.position, shown.delivered, shown.conflated, shown.lost) == (2, 2, 0, 0)


@needs_compiled
@pytest.mark.parametrize("policy", Policy)
def test_the_seat_shows_what_became_of_each_tick(seated: Seated, policy: Policy):
    seated.ring.write([1, 2])
    reader = RingReader(seated.ring.view, seat=seated.seat, policy=policy, max_lag=10)
    for size in (3, 30, 300):
        seated.ring.write([1] * size)
        while reader.poll() is not None:
            pass
        assert seated.keeper.readers() == [
            SeatedReader(os.getpid(), policy, 2, reader.position, reader.delivered, reader.conflated, reader.lost)
        ]
    assert reader.position == 335


@needs_compiled
def test_a_reader_the_writer_hasn_t_noticed_looks_for_itself(seated: Seated):
    assert not seated.seat.attached()
    with woken(), after(0.05, lambda: seated.ring.write([1])):
        assert seated.reader.read(LONG_S) is not None


@needs_compiled
def test_a_wake_for_a_tick_already_read_doesn_t_end_the_next_wait(seated: Seated):
    seated.look()
    seated.ring.write([1])
    # The reader raised its flag, saw the tick after all, and the writer wakes it with the next one.
    assert not seated.ring.view.announce_sleep(seated.seat.page, seated.seat.waiting_offset, 0)
    seated.ring.write([1])
    assert seated.reader.lag() == 0 or seated.reader.poll() is not None
    before = time.monotonic()
    assert seated.reader.read(0.1) is None
    assert time.monotonic() - before >= 0.1


@needs_compiled
def test_the_close_wakes_a_sleeper(seated: Seated):
    seated.look()
    with woken(), after(0.05, seated.ring.writer.close):
        assert seated.reader.read(LONG_S) is None


@needs_compiled
def test_waiting_ends_with_the_writer_and_what_came_before_is_still_read(seated: Seated):
    seated.look()
    seated.ring.write([1])
    seated.ring.writer.wake(seated.keeper.page, [])
    assert not seated.reader.writer_gone
    with woken(), after(0.05, seated.keeper.close):
        assert seated.reader.read(LONG_S) is not None
        assert seated.reader.read(LONG_S) is None
    assert seated.reader.writer_gone
    assert not seated.ring.view.closed()
    with woken():
        assert seated.reader.read(LONG_S) is None


@BOTH
def test_a_writer_that_said_goodbye_is_gone(implementation: Implementation):
    ring = implementation.ring()
    reader = RingReader(ring.view)
    assert not reader.writer_gone
    ring.writer.close()
    assert reader.writer_gone


@needs_compiled
def test_a_message_costs_nobody_a_system_call_who_isn_t_asleep(seated: Seated):
    seated.look()
    for _ in range(5):
        seated.ring.write([1])
    os.set_blocking(seated.seat.bell.descriptor, False)
    with pytest.raises(BlockingIOError):
        os.read(seated.seat.bell.descriptor, 1)


@needs_compiled
def test_a_sleeper_s_full_pipe_doesn_t_stop_the_writer(seated: Seated):
    seated.look()
    for _ in range(70_000):  # a pipe holds 65,536 bytes
        seated.ring.view.announce_sleep(seated.seat.page, seated.seat.waiting_offset, 1 << 40)
        seated.ring.writer.ingest(b"\x00\x00", 1)
    seated.ring.write([1])
    assert seated.reader.read(LONG_S) is not None


@needs_compiled
def test_closing_gives_the_seat_back(seated: Seated):
    seated.look()
    seated.reader.close()
    seated.reader.close()
    assert seated.keeper.refresh() == []


@needs_compiled
def test_the_slowest_of_all_readers_is_known_to_each(seated: Seated, tmp_path: Path):
    seated.look()
    other = RingReader(seated.ring.view, seat=Seat.take(tmp_path / "feed.seats"))
    seated.ring.write([1, 2, 3])
    other.poll()
    assert (other.lag(), other.slowest_lag(), seated.reader.slowest_lag()) == (0, 3, 3)
    seated.reader.close()
    assert (other.slowest_lag(), seated.reader.slowest_lag()) == (0, 3), "who has no seat knows himself only"
    other.close()


@needs_compiled
def test_an_event_loop_may_watch_the_bell(seated: Seated):
    assert seated.reader.descriptor is None, "nobody would ring it yet"
    seated.look()
    descriptor = seated.reader.descriptor
    assert seated.reader.announce_sleep()
    seated.ring.write([1])
    assert os.read(descriptor, 10)
    assert not seated.reader.announce_sleep(), "there is something to read"
    seated.reader.close()
    assert seated.reader.descriptor is None
    assert not seated.reader.announce_sleep()
