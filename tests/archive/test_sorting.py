"""Ticks by instrument, through a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kitecli.archive.sorting import by_instrument, census, gathered
from kitecli.market.tick import DEPTH_DTYPE, FLAG_DEPTH, TICK_DTYPE
from kitecli.ring.reader import Batch


def made(counts: list[int], depth: bool) -> list[Batch]:
    """Batches of random instruments; each tick's price is its number, and so is its depth's."""
    draw = np.random.default_rng(5)
    batches, at = [], 0
    for count in counts:
        ticks = np.zeros(count, TICK_DTYPE)
        ticks["token"] = draw.integers(1, 40, count) * 256 + 1
        ticks["last_price"] = np.arange(at, at + count)
        ticks["flags"] = FLAG_DEPTH if depth else 0
        book = np.zeros(count, DEPTH_DTYPE)
        book["sell"]["price"][:, 4] = ticks["last_price"]
        batches.append(Batch(ticks, book if depth else None, at, 0))
        at += count
    return batches


def test_sorted_by_token_and_then_as_received(tmp_path: Path):
    for depth in (False, True):
        batches = made([700, 1, 5_000, 40], depth)
        found = census(batches)
        assert (found.ticks, found.depth) == (5_741, depth)
        with by_instrument(found, batches, tmp_path, together=600) as done:
            everything = np.concatenate([batch.ticks for batch in batches])
            order = np.argsort(everything["token"], kind="stable")
            assert done.ticks["token"].tolist() == everything["token"][order].tolist()
            assert done.ticks["last_price"].tolist() == done.sequences.tolist() == order.tolist()
            assert np.diff(found.starts).tolist() == [int((everything["token"] == t).sum()) for t in found.tokens]
            if depth:
                assert done.depth["sell"]["price"][:, 4].tolist() == order.tolist()
            else:
                assert done.depth is None
        assert list(tmp_path.iterdir()) == []


def test_what_came_since_the_ticks_were_counted_is_left_out(tmp_path: Path):
    """A day that is being recorded has more of them when it is read again."""
    batches = made([700, 300, 80], depth=True)
    found = census(batches[:2])
    with by_instrument(found, batches, tmp_path, together=600) as done:
        tokens = np.concatenate([batch.ticks["token"] for batch in batches[:2]])
        assert done.ticks["token"].tolist() == sorted(tokens.tolist())
        assert done.sequences.tolist() == np.argsort(tokens, kind="stable").tolist()
        assert done.depth["sell"]["price"][:, 4].tolist() == done.sequences.tolist()


def test_gathering_keeps_order_and_loses_nothing():
    parts = list(gathered(made([30, 30, 30, 30, 5], depth=True), least=50))
    assert [len(part) for part in parts] == [60, 60, 5]
    assert np.concatenate([part.sequences for part in parts]).tolist() == list(range(125))
    assert [int(part.depth["sell"]["price"][0, 4]) for part in parts] == [0, 60, 120]


def test_nothing_is_sorted_too(tmp_path: Path):
    found = census([])
    with by_instrument(found, [], tmp_path) as done:
        assert (found.ticks, done.ticks.size) == (0, 0)
