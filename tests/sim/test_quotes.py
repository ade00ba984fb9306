"""Quotes as the broker words them."""

from __future__ import annotations

import json

from fakes import FixedSource

from kitecli.market.tick import MODE_QUOTE
from kitecli.sim.quotes import Quotes
from kitecli.sim.source import Batch

KEYS = {
    "instrument_token",
    "timestamp",
    "last_trade_time",
    "last_price",
    "last_quantity",
    "buy_quantity",
    "sell_quantity",
    "volume",
    "average_price",
    "oi",
    "oi_day_high",
    "oi_day_low",
    "net_change",
    "lower_circuit_limit",
    "upper_circuit_limit",
    "ohlc",
    "depth",
}


def test_a_quote_has_the_brokers_fields_and_the_ticks_values():
    (quote,) = Quotes(FixedSource()).full(["NSE:INFY"]).values()
    assert set(quote) == KEYS
    assert (quote["last_price"], quote["ohlc"]["close"], quote["volume"]) == (1573.15, 1567.8, 1_175_986)
    assert (quote["timestamp"], quote["last_trade_time"]) == ("2024-06-27 09:41:00", "2024-06-27 09:40:55")
    assert (quote["oi"], quote["oi_day_high"], quote["oi_day_low"]) == (70_000, 80_000, 66_000)
    assert round(quote["net_change"], 2) == 5.35
    assert quote["depth"]["buy"] == [{"price": 1573.1, "quantity": 5, "orders": 1}] * 5
    assert quote["depth"]["sell"] == [{"price": 0.0, "quantity": 0, "orders": 0}] * 5


def test_the_fields_are_those_of_the_brokers_sample(market_data):
    sample = json.loads((market_data / "mocks" / "quote.json").read_text())["data"]["NSE:INFY"]
    assert set(sample) == KEYS


def test_keys_are_symbols_or_tokens_and_unknown_ones_are_absent():
    quotes = Quotes(FixedSource())
    asked = ["NSE:INFY", "408065", "NSE:NOPE", "INFY", "NSE:ACC", "CDS:USDINR26DECFUT"]
    assert quotes.ltp(asked) == {
        "NSE:INFY": {"instrument_token": 408065, "last_price": 1573.15},
        "408065": {"instrument_token": 408065, "last_price": 1573.15},
        "CDS:USDINR26DECFUT": {"instrument_token": 579587, "last_price": 0.0157315},
    }
    assert quotes.ohlc(["256265"])["256265"]["ohlc"] == {"open": 0, "high": 0, "low": 0, "close": 1567.8}


def test_a_source_without_depth_has_empty_books():
    class NoDepth(FixedSource):
        mode = MODE_QUOTE

        def cached(self, slots) -> Batch:
            return super().cached(slots)._replace(depth=None)

    (quote,) = Quotes(NoDepth()).full(["NSE:INFY"]).values()
    assert set(quote) == KEYS
    assert quote["depth"]["buy"] == [{"price": 0, "quantity": 0, "orders": 0}] * 5
