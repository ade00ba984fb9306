"""A table of ticks played back: everything once, in order, at its pace."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kitecli.clock import NS_PER_S
from kitecli.errors import DataError, UsageError
from kitecli.market.tick import FLAG_DEPTH, FLAG_INDEX, FLAG_OHLC, MODE_FULL, MODE_LTP, MODE_QUOTE
from kitecli.protocol.encoder import encode_packets
from kitecli.sim.tape import BATCH_ROWS, TableSource

HEADS = "ltt_ms,instrument_token,tradingsymbol,last_price,volume_traded,prev_close"
START_MS = 1_719_461_460_000  # 27 June 2024, 09:41:00 IST
ROWS = [
    (0, 408065, "INFY", 1573.15, 100, 1567.8),
    (500, 738561, "RELIANCE", 3060.05, 200, 3050),
    (400, 408065, "INFY", 1573.2, 150, 1567.8),  # late: sent where it stands
    (2000, 264969, "INDIA VIX", 14.1, 0, 14),
    (60_000, 262147, "GBPINR24JUNFUT", 105.4725, 7, 105),
]


def table(folder: Path, rows: list[tuple[object, ...]] = ROWS, heads: str = HEADS) -> Path:
    path = folder / "ticks.csv"
    lines = [",".join(str(value) for value in (START_MS + int(str(row[0])), *row[1:])) for row in rows]
    path.write_text("\n".join([heads, *lines]) + "\n")
    return path


def sent_by(source: TableSource, seconds: float) -> list[int]:
    batch = source.advance(round(seconds * NS_PER_S))
    return batch.ticks["last_price"].tolist()


def test_rows_come_when_they_were_recorded(tmp_path: Path):
    source = TableSource(table(tmp_path))
    source.begin(0)
    assert sent_by(source, 0) == [157315]
    assert source.next_ns() == NS_PER_S // 2
    assert sent_by(source, 0.49) == []
    assert sent_by(source, 0.5) == [306005, 157320]
    assert sent_by(source, 59.9) == [1410]
    assert not source.ended
    assert sent_by(source, 60) == [1054725000]
    assert source.ended
    assert sent_by(source, 70) == []
    assert source.next_ns() > 10**18


def test_speed_and_start(tmp_path: Path):
    source = TableSource(table(tmp_path), speed=60, start="09:41:02")
    source.begin(5 * NS_PER_S)
    assert sent_by(source, 5) == [1410]
    assert source.next_ns() == pytest.approx(5 * NS_PER_S + 58 / 60 * NS_PER_S)
    assert sent_by(source, 6) == [1054725000]
    assert sent_by(TableSource(table(tmp_path), speed=0), 0) == [157315, 306005, 157320, 1410, 1054725000]
    late = TableSource(table(tmp_path), speed=0, start="2024-06-27T09:42:00")
    assert sent_by(late, 0) == [1054725000]


def test_everything_is_sent_once_in_order_a_thousand_rows_at_most(tmp_path: Path):
    rows = [(at, 408065, "INFY", 1500 + at / 20, at, 1500) for at in range(2500)]
    source = TableSource(table(tmp_path, rows), speed=0)
    sizes, prices = [], []
    while not source.ended:
        batch = source.advance(0)
        sizes.append(batch.slots.size)
        prices += batch.ticks["last_price"].tolist()
    assert sizes == [BATCH_ROWS, BATCH_ROWS, 500]
    assert prices == [round((1500 + at / 20) * 100) for at in range(2500)]


def test_instruments_come_from_the_table(tmp_path: Path):
    rows = {row.instrument_token: row for row in TableSource(table(tmp_path)).instruments}
    assert [rows[token].key for token in (408065, 264969, 262147)] == [
        "NSE:INFY",
        "NSE:INDIA VIX",
        "CDS:GBPINR24JUNFUT",
    ]
    assert (rows[262147].instrument_type, rows[262147].segment) == ("FUT", "CDS-FUT")
    assert rows[264969].segment == "INDICES"


def test_the_last_tick_of_each_is_kept_from_when_it_was_sent(tmp_path: Path):
    source = TableSource(table(tmp_path))
    source.begin(0)
    everything = np.arange(len(source.instruments))
    assert source.cached(everything).slots.size == 0
    source.advance(NS_PER_S)
    cached = source.cached(everything)
    assert dict(zip(cached.ticks["token"].tolist(), cached.ticks["last_price"].tolist(), strict=True)) == {
        408065: 157320,
        738561: 306005,
    }


def test_the_mode_follows_the_columns(tmp_path: Path):
    assert TableSource(table(tmp_path)).mode == MODE_QUOTE
    bare = table(tmp_path, [(0, 408065, 1573.15)], "time,token,ltp")
    source = TableSource(bare)
    assert source.mode == MODE_LTP
    batch = source.advance(0)
    assert batch.depth is None
    assert (batch.ticks["flags"] == 0).all()
    assert source.instruments[0].tradingsymbol == "408065"


def test_depth_columns_make_full_ticks(tmp_path: Path):
    heads = "time,token,ltp,volume,oi,oi_day_high,oi_day_low"
    levels = [
        f"{side}_{field}_{level}" for side in ("bid", "ask") for level in range(1, 6) for field in ("price", "qty")
    ]
    values = [value for at in range(10) for value in (1573 + at / 10, 10 + at)]
    row = (0, 408065, 1573.15, 5, 70_000, 80_000, 66_000, *values)
    index = (0, 256265, 23500, 0, 0, 0, 0, *[0] * 20)
    source = TableSource(table(tmp_path, [row, index], ",".join([heads, *levels])), speed=0)
    assert source.mode == MODE_FULL
    batch = source.advance(0)
    assert batch.ticks["flags"].tolist() == [FLAG_OHLC | FLAG_DEPTH, FLAG_OHLC | FLAG_INDEX]
    packet, of_index = encode_packets(batch.ticks, batch.depth)
    words = np.frombuffer(packet, ">u4")
    assert words[12:15].tolist() == [70_000, 80_000, 66_000]
    assert [words[at] for at in range(17, 46, 3)] == [157300 + 10 * at for at in range(10)]
    assert [words[at] for at in range(16, 46, 3)] == [10 + at for at in range(10)]
    assert len(of_index) == 32


def test_missing_columns_are_named(tmp_path: Path):
    with pytest.raises(DataError, match="instrument_token") as raised:
        TableSource(table(tmp_path, [(0, 1573.15)], "ltt_ms,close"))
    assert "last_price or ltp" in raised.value.what
    assert "ltt_ms, close" in raised.value.hint


@pytest.mark.parametrize("row", [(0, -5, "X", 1, 1, 1), (0, 408065, "X", 1e9, 1, 1), (0, 408065, "X", 1, -1, 1)])
def test_values_the_wire_cannot_hold_are_refused(tmp_path: Path, row: tuple[object, ...]):
    with pytest.raises(DataError, match="Row 1"):
        TableSource(table(tmp_path, [row]))


def test_an_empty_table_a_wrong_start_and_a_wrong_speed_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match="no rows"):
        TableSource(table(tmp_path, []))
    path = table(tmp_path)
    with pytest.raises(UsageError, match="no ticks from") as raised:
        TableSource(path, start="15:00")
    assert "2024-06-27 09:41:00" in raised.value.why
    with pytest.raises(UsageError, match="no time"):
        TableSource(path, start="teatime")
    with pytest.raises(UsageError, match="speed"):
        TableSource(path, speed=-1)


def test_real_ticks_are_equal_to_their_file(market_data: Path):
    import duckdb

    path = market_data / "ticks" / "DERIVED_kitelike_quote_2024-06-27.parquet"
    wanted = duckdb.sql(
        "select instrument_token, round(last_price * 100)::int, volume_traded, oi, round(prev_close * 100)::int "
        f"from '{path}'"
    ).fetchnumpy()
    source = TableSource(path, speed=0)
    parts = []
    while not source.ended:
        parts.append(source.advance(0).ticks)
    for name, column in zip(("token", "last_price", "volume", "oi", "close"), wanted.values(), strict=True):
        found = np.concatenate([part[name] for part in parts])
        assert (found == np.ma.filled(column, 0)).all(), name
    assert len(source.instruments) == 74
