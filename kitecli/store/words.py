"""The words of packets into small numbers, and back: what a packet says of itself and its instrument's last one of it.

A packet of n bytes is n / 4 words, big-endian on the wire; word 0 is the token. Of packets whose layout is known,
prices are kept less another price of the packet, and a depth level's orders, the upper half of a word, as the lower.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.store.bits import Words

_LAST: Final = 1
_DEPTH: Final = 16
_LEVELS: Final = 10
_QUOTE: Final = dict.fromkeys((3, 7, 8, 9, 10), _LAST)
_FIRST_PRICES: Final = {_DEPTH + 1: _LAST, _DEPTH + 16: _LAST}
_NEXT_PRICES: Final = {_DEPTH + 1 + 3 * level: _DEPTH - 2 + 3 * level for level in range(_LEVELS) if level % 5}
BASES: Final[dict[int, dict[int, int]]] = {
    28: dict.fromkeys((2, 3, 4, 5), _LAST),
    32: dict.fromkeys((2, 3, 4, 5), _LAST),
    44: _QUOTE,
    184: _QUOTE | {15: 11} | _FIRST_PRICES | _NEXT_PRICES,
}
"""By the packet's bytes: a word and the one before it that is taken off. Of a full packet: average, open, high, low and
close less the last price, the exchange's time less that of the last trade, the best bid and offer less the last price,
and each further level less the one above it."""
TURNED: Final[dict[int, tuple[int, ...]]] = {184: tuple(_DEPTH + 2 + 3 * level for level in range(_LEVELS))}
"""By the packet's bytes: words whose halves are exchanged."""


def foretold(words: Words, size: int) -> Words:
    """(n, size / 4) less what their own packets foretell."""
    found = words.copy()
    for word, base in BASES.get(size, {}).items():
        found[:, word] -= words[:, base]
    for word in TURNED.get(size, ()):
        found[:, word] = words[:, word] << np.uint32(16) | words[:, word] >> np.uint32(16)
    return found


def told(words: Words, size: int) -> Words:
    """:func:`foretold` undone."""
    found = words.copy()
    for word in TURNED.get(size, ()):
        found[:, word] = words[:, word] << np.uint32(16) | words[:, word] >> np.uint32(16)
    for word, base in sorted(BASES.get(size, {}).items()):
        found[:, word] += found[:, base]
    return found


def ranked(words: Words, owners: NDArray[np.int64]) -> list[Words]:
    """Columns 1 and on, folded, in the order of :func:`ranks`: each first packet of an instrument less that of the
    instrument before, every other one less its instrument's packet before."""
    order = np.argsort(owners, kind="stable")
    rows = words[order]
    first = _firsts(owners[order])
    steps = rows.copy()
    steps[1:] -= rows[:-1]
    firsts = rows[first]
    firsts[1:] -= rows[first][:-1]
    steps = np.concatenate((firsts, steps[~first]))
    signed = steps.view(np.int32)
    folded: Words = (signed << 1 ^ signed >> 31).view(np.uint32)
    return [np.ascontiguousarray(folded[:, word]) for word in range(1, words.shape[1])]


def unranked(columns: list[Words], owners: NDArray[np.int64]) -> Words:
    """(n, words) in the order received from what :func:`ranked` made, word 0 left as zero."""
    folded = np.stack([np.zeros(owners.size, np.uint32), *columns], axis=1)
    steps: Words = folded >> np.uint32(1) ^ np.negative(folded & np.uint32(1))
    order = np.argsort(owners, kind="stable")
    first = _firsts(owners[order])
    count = int(first.sum())
    firsts: Words = np.cumsum(steps[:count], axis=0, dtype=np.uint32)
    rows = np.empty_like(steps)
    rows[~first] = steps[count:]
    rows[first] = firsts
    rows[first] -= _sums_before(rows, first)
    words = np.empty_like(rows)
    words[order] = np.cumsum(rows, axis=0, dtype=np.uint32)
    return words


def _sums_before(rows: Words, first: NDArray[np.bool_]) -> Words:
    """What a running sum over all rows has come to before each instrument's first: the last row of the one before."""
    starts = np.flatnonzero(first)
    ends = np.add.reduceat(rows, starts, axis=0, dtype=np.uint32) if starts.size else rows[:0]
    before = np.zeros_like(ends)
    before[1:] = ends[:-1]
    return before


def _firsts(owners: NDArray[np.int64]) -> NDArray[np.bool_]:
    first = np.ones(owners.size, np.bool_)
    first[1:] = owners[1:] != owners[:-1]
    return first
