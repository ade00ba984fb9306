"""Columns of numbers in as many bits as they need: the reference of the compiled one. Sans I/O.

Numbers of 32 bits, in groups of 128 (the last one of what is left)::

    u8 width | u8 exceptions | each number's lowest ``width`` bits, one after the other, lowest first, to full bytes
    where there are exceptions:  u8 width of the rest | u8 place of each | each one's rest, in bits likewise

A group's few large numbers are its exceptions: of those, what is above ``width`` bits stands behind. The width is the
one that takes the fewest bytes, the least of several.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

GROUP: Final = 128
WORD_BITS: Final = 32

Words = NDArray[np.uint32]


def put_column_in_python(values: Words) -> bytes:
    """The column's bytes."""
    return b"".join(_put_group(values[at : at + GROUP]) for at in range(0, values.size, GROUP))


def take_column_in_python(content: memoryview, at: int, count: int) -> tuple[Words, int]:
    """A column of ``count`` numbers from ``content[at:]``, and where it ends. Raises ValueError for what is none."""
    groups = []
    for start in range(0, count, GROUP):
        group, at = _take_group(content, at, min(GROUP, count - start))
        groups.append(group)
    return np.concatenate(groups) if groups else np.zeros(0, np.uint32), at


def _put_group(values: Words) -> bytes:
    bits = np.frexp(values.astype(np.float64))[1]  # exactly, for a double holds 53
    width = int(np.argmin(_sizes(bits)))
    places = np.flatnonzero(bits > width)
    body = bytes([width, places.size]) + _joined(values & _mask(width), width)
    if not places.size:
        return body
    more = int(bits.max()) - width
    return body + bytes([more, *places.tolist()]) + _joined(values[places] >> np.uint32(width), more)


def _take_group(content: memoryview, at: int, count: int) -> tuple[Words, int]:
    width, exceptions = content[at : at + 2]
    values, at = _parted(content, at + 2, count, width)
    if exceptions:
        more, at = content[at], at + 1
        places, at = np.frombuffer(content[at : at + exceptions], np.uint8), at + exceptions
        rest, at = _parted(content, at, exceptions, more)
        if width + more > WORD_BITS or places.size < exceptions or places.max() >= count:
            raise ValueError("a group of numbers that never was")
        values[places] |= rest << np.uint32(width)
    return values, at


def _sizes(bits: NDArray[np.int32]) -> NDArray[np.int64]:
    """A group's bytes for each width there may be, but for the first two."""
    widths = np.arange(WORD_BITS + 1)
    longer = bits.size - np.cumsum(np.bincount(bits, minlength=WORD_BITS + 1))
    more = np.maximum(bits.max() - widths, 0)
    return (bits.size * widths + 7) // 8 + np.where(longer > 0, 1 + longer + (longer * more + 7) // 8, 0)


def _room(count: int, width: int) -> int:
    return (count * width + 7) // 8


def _mask(width: int) -> np.uint32:
    return np.uint32((1 << width) - 1)


def _joined(values: Words, width: int) -> bytes:
    bits = np.unpackbits(values.astype("<u4").view(np.uint8).reshape(-1, 4), axis=1, bitorder="little")
    return np.packbits(bits[:, :width].reshape(-1), bitorder="little").tobytes()


def _parted(content: memoryview, at: int, count: int, width: int) -> tuple[Words, int]:
    end = at + _room(count, width)
    if width > WORD_BITS or end > len(content):
        raise ValueError("a column that is cut short")
    bits = np.zeros((count, WORD_BITS), np.uint8)
    found = np.unpackbits(np.frombuffer(content[at:end], np.uint8), bitorder="little")
    bits[:, :width] = found[: count * width].reshape(count, width)
    return np.packbits(bits, axis=1, bitorder="little").view("<u4")[:, 0].astype(np.uint32), end
