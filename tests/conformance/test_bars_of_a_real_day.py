"""Bars of the real ticks of 27 June 2024 against two computations that share no code with ours: pandas' and SQL's.

The compiled pass takes all of the day, the reference its quietest instruments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from kitecli.hot import uncompiled
from kitecli.tables.reading import read_table
from tests.bars.stage import PASSES, Stage, ms

FILE = "ticks/DERIVED_kitelike_quote_2024-06-27.parquet"
SIZES_MS = {"1s": 1000, "5s": 5000, "1m": 60_000, "15m": 900_000, "1h": 3_600_000}
OPENING_MS = ms("2024-06-27 09:15:00")
FOR_THE_REFERENCE = 3_000
COLUMNS = ("token", "start_ms", "open", "high", "low", "close", "volume", "ticks")

MESSAGE_DTYPE = np.dtype(
    {
        "names": ["count", "length", "token", "price", "volume"],
        "formats": [">u2", ">u2", ">u4", ">i4", ">u4"],
        "offsets": [0, 2, 4, 8, 20],
        "itemsize": 48,
    }
)

Columns = dict[str, NDArray[np.int64]]


@pytest.fixture(scope="module")
def day(market_data: Path) -> Columns:
    """The ticks in the order they came: token, time in milliseconds, price in paise, cumulative volume."""
    pytest.importorskip("duckdb", reason="reading Parquet needs duckdb")
    table = read_table(market_data / FILE)
    names = {"token": "instrument_token", "at_ms": "ltt_ms", "volume": "volume_traded"}
    columns = {name: np.asarray(table[source], np.int64) for name, source in names.items()}
    return {**columns, "price": np.rint(np.asarray(table["last_price"], np.float64) * 100).astype(np.int64)}


@dataclass(frozen=True)
class Fed:
    """Ticks, and the stage that was given them."""

    ticks: Columns
    stage: Stage


def quietest(day: Columns, count: int) -> Columns:
    """All ticks of the instruments that have the fewest, some ``count`` together."""
    tokens, counts = np.unique(day["token"], return_counts=True)
    order = np.argsort(counts)
    chosen = tokens[order][: np.searchsorted(np.cumsum(counts[order]), count, "right") + 1]
    return {name: column[np.isin(day["token"], chosen)] for name, column in day.items()}


def quotes(ticks: Columns) -> NDArray[np.void]:
    """Each tick as a message of one quote packet."""
    made = np.zeros(len(ticks["token"]), MESSAGE_DTYPE)
    made["count"], made["length"] = 1, 44
    for name in ("token", "price", "volume"):
        made[name] = ticks[name]
    return made


@pytest.fixture(scope="module", params=PASSES)
def fed(day: Columns, request: pytest.FixtureRequest) -> Fed:
    ticks = quietest(day, FOR_THE_REFERENCE) if request.param is uncompiled.FramePass else day
    stage = Stage(request.param, " ".join(SIZES_MS), hours=True, capacity=1 << 19, rows=128)
    messages = quotes(ticks).tobytes()
    for number, at_ms in enumerate(ticks["at_ms"].tolist()):
        stage.frame_pass.ingest(messages[48 * number : 48 * (number + 1)], at_ms * 1_000_000)
    stage.sweep("2024-06-27 15:30:02")
    return Fed(ticks, stage)


def ours(stage: Stage, interval: str) -> Columns:
    series = stage.names.index(interval)
    records = stage.parts.bars[series, : int(stage.parts.cursor[series])]
    assert not records["revision"].any()
    records = records[np.lexsort((records["start_ms"], records["token"]))]
    return {name: records[name].astype(np.int64) for name in COLUMNS}


def by_pandas(ticks: Columns, size_ms: int) -> Columns:
    pandas = pytest.importorskip("pandas", reason="the computation by pandas needs pandas")
    frame = pandas.DataFrame(ticks)
    frame["start_ms"] = OPENING_MS + (frame["at_ms"] - OPENING_MS) // size_ms * size_ms
    bars = frame.groupby(["token", "start_ms"], sort=True).agg(
        open=("price", "first"),
        high=("price", "max"),
        low=("price", "min"),
        close=("price", "last"),
        reached=("volume", "max"),
        ticks=("price", "size"),
    )
    reached = bars["reached"].groupby("token").cummax()
    joined = frame.groupby("token")["volume"].first().reindex(reached.index, level="token")
    bars["volume"] = reached - reached.groupby("token").shift().fillna(joined).astype("int64")
    bars = bars.reset_index()
    return {name: bars[name].to_numpy() for name in COLUMNS}


def by_sql(ticks: Columns, size_ms: int) -> Columns:
    import duckdb

    with duckdb.connect() as connection:
        connection.register("ticks", {**ticks, "number": np.arange(len(ticks["token"]))})
        found: Columns = connection.execute(
            """
            with bars as (
                select token, $opening + (at_ms - $opening) // $size * $size as start_ms,
                    arg_min(price, number) as open, max(price) as high, min(price) as low,
                    arg_max(price, number) as close, count(*) as ticks, max(volume) as reached,
                    arg_min(volume, number) as first_volume
                from ticks group by all
            )
            select *, max(reached) over here
                - coalesce(max(reached) over before, first_value(first_volume) over here) as volume
            from bars
            window here as (partition by token order by start_ms),
                before as (partition by token order by start_ms rows between unbounded preceding and 1 preceding)
            order by token, start_ms
            """,
            {"opening": OPENING_MS, "size": size_ms},
        ).fetchnumpy()
    return {name: np.asarray(found[name], np.int64) for name in COLUMNS}


@pytest.mark.parametrize("computed", [by_pandas, by_sql])
def test_bars_of_five_intervals_equal_an_independent_computation(fed: Fed, computed: Callable[[Columns, int], Columns]):
    compared = 0
    for interval, size_ms in SIZES_MS.items():
        expected, found = computed(fed.ticks, size_ms), ours(fed.stage, interval)
        for name in COLUMNS:
            assert np.array_equal(found[name], expected[name]), (interval, name)
        compared += len(expected["token"])
    print(f"{len(fed.ticks['token']):,} ticks, {compared:,} bars")


def test_volumes_of_all_bars_add_up_to_what_was_traded_of_every_instrument(fed: Fed):
    ticks = fed.ticks
    for interval in SIZES_MS:
        bars = ours(fed.stage, interval)
        for token in np.unique(ticks["token"]):
            volumes = ticks["volume"][ticks["token"] == token]
            assert bars["volume"][bars["token"] == token].sum() == volumes[-1] - volumes[0]
            assert bars["ticks"][bars["token"] == token].sum() == len(volumes)
