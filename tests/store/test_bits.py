"""Columns of bits: both implementations write the same bytes, and what comes back is what went in."""

from __future__ import annotations

import random

import numpy as np
import pytest

from kitecli.store import log
from kitecli.store.bits import GROUP, put_column_in_python, take_column_in_python

PUTS = [pytest.param(put_column_in_python, id="reference")]
if log.COMPILED:
    PUTS.append(pytest.param(log.put_column, id="compiled"))

each_put = pytest.mark.parametrize("put", PUTS)


def column(*values):
    return np.array(values, np.uint32)


def drawn(seed):
    """Mostly small numbers, some large ones, of any length."""
    draw = random.Random(seed)
    widths = [draw.randrange(33) for _ in range(draw.choice([1, 2, 5]))]
    count = draw.choice([0, 1, 2, 127, 128, 129, 500])
    return column(*(draw.getrandbits(width) if (width := draw.choice(widths)) else 0 for _ in range(count)))


@each_put
@pytest.mark.parametrize("seed", range(60))
def test_what_goes_in_comes_back(put, seed):
    values = drawn(seed)
    content = put(values)
    assert content == put_column_in_python(values)
    found, end = take_column_in_python(memoryview(b"?" + content + b"rest"), 1, values.size)
    assert found.tolist() == values.tolist()
    assert end == 1 + len(content)


@each_put
def test_how_small_it_gets(put):
    assert put(column()) == b""
    assert put(column(*[0] * GROUP)) == b"\0\0"
    assert put(column(*[5] * GROUP))[0] == 3
    assert len(put(column(*[1] * GROUP, 7))) == 2 + 16 + 2 + 1
    one_large = put(column(*[0] * 100, 1 << 31, *[0] * 27))
    assert one_large == bytes([0, 1, 32, 100, 0, 0, 0, 128])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x01",
        b"\x08\x00ab",  # four numbers of eight bits in two bytes
        b"\x21\x00" + bytes(40),  # 33 bits wide
        b"\x00\x01\x08\x04\xff",  # an exception behind the last number
        b"\x20\x01" + bytes(16) + b"\x01\x00\x01",  # more than 32 bits together
        b"\x00\x02\x08\x01",
    ],
)
def test_what_never_was_a_column_is_refused(content):
    with pytest.raises((ValueError, IndexError)):
        take_column_in_python(memoryview(content), 0, 4)
