"""What the synthetic market trades."""

from __future__ import annotations

import csv
import gzip
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitecli.errors import UsageError
from kitecli.market.segments import divisor_of, segment_of
from kitecli.sim.universe import build_universe, instruments_of, monthly_expiry, nse_tick_size

DAY = date(2026, 11, 22)
TRUE_TOKENS = {
    "NSE:RELIANCE": 738561,
    "NSE:INFY": 408065,
    "NSE:ACC": 5633,
    "NSE:TCS": 2953217,
    "NSE:SBIN": 779521,
    "NSE:HDFCBANK": 341249,
    "NSE:NIFTY 50": 256265,
    "NSE:NIFTY BANK": 260105,
    "BSE:SENSEX": 265,
    "BSE:RELIANCE": 128083204,
}


def test_well_known_instruments_have_their_true_tokens():
    tokens = {row.key: row.instrument_token for row in instruments_of(build_universe(DAY))}
    assert {key: tokens[key] for key in TRUE_TOKENS} == TRUE_TOKENS


def test_shares_and_indices_equal_the_exchanges_master(market_data):
    path = market_data / "instruments" / "DERIVED_kite_shaped_full_2026-02_from_upstox.csv.gz"
    with gzip.open(path, "rt") as stream:
        master = {f"{row['exchange']}:{row['tradingsymbol']}": row for row in csv.DictReader(stream)}
    ours = [row for row in instruments_of(build_universe(DAY)) if row.segment in {"NSE", "BSE"} and row.lot_size]
    assert len(ours) >= 60
    for row in ours:
        assert int(master[row.key]["instrument_token"]) == row.instrument_token, row.key
        assert float(master[row.key]["tick_size"]) == row.tick_size, row.key


def test_every_segment_and_divisor_is_traded():
    tokens = [row.instrument_token for row in instruments_of(build_universe(DAY))]
    assert {segment_of(token) for token in tokens} == {1, 2, 3, 4, 5, 6, 7, 9, 12}
    assert {divisor_of(token) for token in tokens} == {100, 10_000, 10_000_000}


@pytest.mark.parametrize("count", [1, 5, 60, 80, 263, 1000, 9000])
def test_a_count_gives_exactly_that_many_with_tokens_and_names_of_their_own(count: int):
    universe = build_universe(DAY, count)
    rows = instruments_of(universe)
    assert len(rows) == len({row.instrument_token for row in rows}) == len({row.key for row in rows}) == count
    assert all(row.instrument_token == int(row.exchange_token) << 8 | segment_of(row.instrument_token) for row in rows)
    seen: set[int] = set()
    for listing in universe:
        assert listing.underlying in seen | {0}, "what it follows stands before it"
        seen.add(listing.instrument.instrument_token)


@pytest.mark.parametrize("count", [-1, 1_000_001])
def test_an_impossible_count_is_refused(count: int):
    with pytest.raises(UsageError, match="instruments"):
        build_universe(DAY, count)


def test_closes_are_multiples_of_their_tick_size():
    for listing in build_universe(DAY, 2000):
        if listing.kind == "walk":
            ticks = listing.close / listing.instrument.tick_size
            assert abs(ticks - round(ticks)) < 1e-6, listing.instrument.key


@given(st.dates(date(2020, 1, 1), date(2040, 12, 31)), st.sampled_from(["NFO", "BFO", "CDS", "MCX"]))
def test_contracts_are_listed_for_a_day_to_come(day: date, exchange: str):
    expiry = monthly_expiry(exchange, day)
    assert 3 <= (expiry - day).days <= 40
    assert date.fromordinal(expiry.toordinal() + 7).month != expiry.month, "the last such weekday of its month"


def test_symbols_are_kites():
    keys = {row.key for row in instruments_of(build_universe(DAY))}
    assert {"NFO:NIFTY26DECFUT", "NFO:NIFTY26DEC26000CE", "NFO:BANKNIFTY26DEC59000PE", "CDS:USDINR26NOVFUT"} <= keys


def test_the_exchanges_tick_sizes():
    assert [nse_tick_size(price) for price in (249.99, 250, 1000, 5000, 10_000, 20_000)] == [0.01, 0.05, 0.1, 0.5, 1, 5]
