"""Packets' words into small numbers and back."""

from __future__ import annotations

import numpy as np
import pytest

from kitecli.store.words import BASES, TURNED, foretold, ranked, told, unranked


def words(count, size, tokens=5, seed=1):
    draw = np.random.default_rng(seed)
    found = draw.integers(0, 1 << 32, (count, size // 4), np.uint32)
    found[:, 0] = draw.integers(0, tokens, count)
    return found, np.unique(found[:, 0], return_inverse=True)[1]


@pytest.mark.parametrize("size", [8, 12, 28, 32, 44, 184])
@pytest.mark.parametrize("count", [1, 2, 300])
def test_there_and_back(size, count):
    packets, owners = words(count, size)
    assert np.array_equal(told(foretold(packets, size), size), packets)
    back = unranked(ranked(packets, owners), owners)
    assert np.array_equal(back[:, 1:], packets[:, 1:])


def test_a_depth_that_moves_as_one_is_a_single_number():
    full = np.zeros((2, 46), np.uint32)
    for row, last in enumerate((100_000, 100_250)):
        full[row, 1] = last
        full[row, [3, 7, 8, 9, 10]] = last - 50
        full[row, 17:46:3] = last + np.arange(10) * 5
        full[row, 18:46:3] = np.arange(10) << 16
    columns = ranked(foretold(full, 184), np.zeros(2, np.int64))
    moved = [word for word, column in enumerate(columns, 1) if column[1]]
    assert moved == [1]
    assert columns[18 - 1].tolist() == [0, 0]
    assert all(column[0] < 1 << 9 for word, column in enumerate(columns, 1) if word != 1)


def test_only_words_before_a_word_are_taken_off_it():
    assert all(0 < base < word for bases in BASES.values() for word, base in bases.items())
    for size, turned in TURNED.items():
        assert not set(turned) & (set(BASES[size]) | set(BASES[size].values()))
