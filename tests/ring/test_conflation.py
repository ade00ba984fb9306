"""The newest tick of each instrument, from both views; beside writers in other processes: tests/conformance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitecli.market.tick import FLAG_DEPTH
from kitecli.ring.conflation import Board, last_of_each
from kitecli.ring.parts import RingParts
from tests.ring.implementations import BOTH, Implementation, Ring, full, message


class Meanwhile:
    """A view whose writer writes while the board is being copied."""

    def __init__(self, ring: Ring, write: Callable[[], object]) -> None:
        self.layout = ring.memory.layout
        self._view, self._write = ring.view, write

    def snapshot(self, *arguments: Any) -> int:
        self._write()
        return self._view.snapshot(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._view, name)


def of_board(view: Any, start: int, stop: int, *, depth: bool = False) -> list[tuple[int, int, int]]:
    newest = Board(view, depth=depth).newest(start, stop)
    rows = zip(newest.ticks["token"], newest.ticks["last_price"], newest.sequences, strict=True)
    return [(int(token), int(price), int(sequence)) for token, price, sequence in rows]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_each_token_s_last_place_in_their_order(tokens: list[int]):
    expected = sorted(len(tokens) - 1 - tokens[::-1].index(token) for token in set(tokens))
    assert last_of_each(np.array(tokens, np.uint32)).tolist() == expected


@BOTH
def test_the_board_s_ticks_between_two_sequences_by_sequence(implementation: Implementation):
    ring = implementation.ring()
    ring.write([5, 6, 7, 5, 8])
    assert of_board(ring.view, 0, 5) == [(6, 1, 1), (7, 2, 2), (5, 3, 3), (8, 4, 4)]
    assert of_board(ring.view, 2, 5) == [(7, 2, 2), (5, 3, 3), (8, 4, 4)]


@BOTH
def test_instruments_only_expected_are_left_out(implementation: Implementation):
    ring = implementation.ring()
    ring.writer.expect_snapshots({4: "full"})
    ring.write([5])
    assert of_board(ring.view, 0, 1) == [(5, 0, 0)]


@BOTH
def test_a_row_that_went_on_is_traced_back_to_the_tick_below(implementation: Implementation):
    ring = implementation.ring()
    ring.write([5, 6, 7])
    view = Meanwhile(ring, lambda: ring.write([6, 6, 9, 5, 6], first_price=100))
    assert of_board(view, 0, 3) == [(5, 0, 0), (6, 1, 1), (7, 2, 2)]
    assert of_board(ring.view, 3, 8) == [(9, 102, 5), (5, 103, 6), (6, 104, 7)]


@BOTH
def test_a_row_whose_former_tick_the_ring_has_forgotten_waits_for_its_newer_one(implementation: Implementation):
    ring = implementation.ring()
    ring.write([5, 6])
    view = Meanwhile(ring, lambda: ring.write([7] * 70 + [6]))
    assert of_board(view, 0, 2) == [(5, 0, 0)]


@BOTH
def test_a_row_that_went_on_too_far_waits_for_its_newer_one(implementation: Implementation):
    """Tracing back has an end, or a writer at full speed would keep its readers busy with one row."""
    ring = implementation.ring(1024)
    ring.write([5, 6])
    view = Meanwhile(ring, lambda: ring.write([6] * 500))
    assert of_board(view, 0, 2) == [(5, 0, 0)]


@BOTH
def test_a_row_its_dead_writer_left_half_written_is_read_from_the_ring(implementation: Implementation):
    ring = implementation.ring()
    ring.write([5, 6, 6])
    RingParts.of(ring.memory).meta["version"][1] += 1
    RingParts.of(ring.memory).board_ticks["last_price"][1] = 999
    assert of_board(ring.view, 0, 3) == [(5, 0, 0), (6, 2, 2)]


@BOTH
def test_depth_is_its_own_tick_s_or_is_not_said_to_be(implementation: Implementation):
    ring = implementation.ring(1024)
    for price in range(10):
        ring.writer.ingest(message([full(token, price, quantity=100 * token + price) for token in (1, 2, 3)]), 1)
    ring.write([2], first_price=50)
    view = Meanwhile(ring, lambda: ring.write([1]))
    newest = Board(view, depth=True).newest(0, 31)
    assert newest.depth is not None
    assert newest.ticks["token"].tolist() == [1, 3, 2]
    assert [bool(flags & FLAG_DEPTH) for flags in newest.ticks["flags"].tolist()] == [True, True, False]
    assert newest.depth["buy"]["quantity"][:2, 0].tolist() == [109, 309]


@BOTH
def test_depth_that_is_overwritten_when_its_tick_is_traced_back_is_counted(implementation: Implementation):
    ring = implementation.ring(1024)
    ring.writer.ingest(message([full(1, 7), full(2, 8)]), 1)
    board = Board(Meanwhile(ring, lambda: ring.write([2] + [9] * 127 + [1])), depth=True)
    newest = board.newest(0, 2)
    assert newest.ticks["last_price"].tolist() == [7, 8]
    assert [bool(flags & FLAG_DEPTH) for flags in newest.ticks["flags"].tolist()] == [False, False]
    assert board.depth_lost == 2


@BOTH
def test_the_board_may_have_grown(implementation: Implementation):
    ring = implementation.ring()
    board = Board(ring.view, depth=True)
    for tokens in (1, 5, 40):
        ring.write(range(tokens))
        assert len(board.newest(0, ring.view.cursor()).ticks) == tokens


@pytest.mark.parametrize("depth", [False, True])
def test_an_empty_board_has_nothing(depth: bool):
    from tests.ring.implementations import REFERENCE

    newest = Board(REFERENCE.ring().view, depth=depth).newest(0, 1)
    assert (len(newest.ticks), len(newest.sequences), newest.depth is None) == (0, 0, not depth)
