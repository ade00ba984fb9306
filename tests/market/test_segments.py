"""Segment table: what a token's low byte says."""

from __future__ import annotations

import pytest

from kitecli.market.segments import DEFAULT_DIVISOR, INDICES, SEGMENTS, divisor_of, is_index, segment_of


# Tokens and prices as seen in exchange data and in the official clients' pull requests for NCO.
@pytest.mark.parametrize(
    ("token", "exchange", "raw", "price"),
    [
        (408065, "NSE", 157370, 1573.70),
        (31132428, "NCO", 3782000, 378.20),
        (31503116, "NCO", 268500000, 26850.00),
        (1 << 8 | 3, "CDS", 832_525_000, 83.2525),
        (1 << 8 | 6, "BCD", 832_525, 83.2525),
        (1 << 8 | 7, "MCX", -3763, -37.63),
    ],
)
def test_prices_are_divided_by_the_segments_divisor(token, exchange, raw, price):
    assert SEGMENTS[segment_of(token)].exchange == exchange
    assert raw / divisor_of(token) == pytest.approx(price, abs=1e-12)


def test_indices_are_not_tradable():
    assert is_index(256265)
    assert is_index(265)
    assert not is_index(408065)
    assert [segment.code for segment in SEGMENTS.values() if not segment.tradable] == [INDICES]


def test_segments_nobody_knows_divide_by_a_hundred():
    assert 200 not in SEGMENTS
    assert divisor_of(5 << 8 | 200) == DEFAULT_DIVISOR == 100


def test_codes_are_keys():
    assert all(code == segment.code and 0 < code < 256 for code, segment in SEGMENTS.items())
