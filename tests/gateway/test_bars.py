"""Bars of a running feed, read beside it: against those recomputed from the ticks that the same reader got."""

from __future__ import annotations

import stat
import time
from collections import defaultdict

import numpy as np
import pytest

from kitecli.bars.parts import BarsParts
from kitecli.bars.table import TABLE_DTYPE, flagged
from kitecli.broker.rest import BrokerSession, fetch_instruments
from kitecli.errors import EnvironmentProblem, UsageError
from kitecli.gateway.handle import open_gateway
from kitecli.gateway.lock import FeedPlace
from kitecli.hot import COMPILED
from kitecli.market.instruments import parse_instruments
from kitecli.market.segments import divisor_of, is_index
from kitecli.market.tick import FLAG_SNAPSHOT
from kitecli.secret import Secret
from kitecli.sim.launcher import launch
from kitecli.sim.options import SimOptions

BUILT = ("200ms", "1s", "10t")
SIZES_MS = {"200ms": 200, "400ms": 400, "1s": 1000, "2s": 2000}
MANY = 10_000


def tokens_of(sim):
    session = BrokerSession(sim.api_url, sim.api_key, Secret(sim.access_token))
    return [row.instrument_token for row in parse_instruments(fetch_instruments(session))]


@pytest.fixture(scope="module")
def tokens(exchange):
    return tokens_of(exchange)


def taken(feed, seconds):
    """Every tick that came, for so long."""
    parts = [batch.ticks.copy() for batch in feed.batches(seconds) if batch is not None]
    return np.concatenate(parts)


def by_token(ticks):
    """Trades in the order they came, with the volume each added; a snapshot only says where counting begins."""
    trades, cumulative = defaultdict(list), {}
    for tick in ticks:
        token, volume = int(tick["token"]), int(tick["volume"])
        before = cumulative.setdefault(token, volume)
        cumulative[token] = volume
        if not tick["flags"] & FLAG_SNAPSHOT:
            recv_ms = int(tick["ts_recv_ns"]) // 1_000_000
            stamp_ms = int(tick["ts_event_s"]) * 1000 or recv_ms
            trades[token].append((recv_ms, stamp_ms, int(tick["last_price"]), volume - before))
    return trades


def recomputed(trades, interval, token):
    """start → (open, high, low, close, volume, ticks) of one instrument, without any code of kite's bars."""
    size, bars = SIZES_MS[interval], {}
    for recv_ms, stamp_ms, price, volume in trades:
        at = stamp_ms if size % 1000 == 0 else recv_ms
        bars.setdefault((at + 19_800_000) // size * size - 19_800_000, []).append((price, volume))
    divisor = divisor_of(token)
    return {
        start: (
            prices[0] / divisor,
            max(prices) / divisor,
            min(prices) / divisor,
            prices[-1] / divisor,
            None if is_index(token) else sum(volumes),
            len(prices),
        )
        for start, parts in bars.items()
        for prices, volumes in [tuple(zip(*parts, strict=True))]
    }


def shown(table):
    """The same of a table's rows."""
    starts = table["start"].astype(np.int64).tolist()
    return {
        start: (*row[:4], None if np.isnan(row[4]) else int(row[4]), row[5])
        for start, row in zip(starts, table[["open", "high", "low", "close", "volume", "ticks"]].tolist(), strict=True)
    }


@pytest.mark.parametrize("mode", ["full", "quote"])
def test_they_equal_those_recomputed_from_the_ticks(exchange, start, tokens, mode):
    tokens = tokens[: 100 if COMPILED else 10]
    with start(exchange, dict.fromkeys(tokens, mode), intervals=BUILT, bar_grace_ms=100) as feed:
        watched = {interval: (feed.closed_bars(interval), []) for interval in SIZES_MS}
        parts = []
        for batch in feed.batches(2.2):
            parts += [] if batch is None else [batch.ticks.copy()]
            for closed, rows in watched.values():
                rows.append(closed.poll())
        bars = {(token, name): feed.bars(token, name, MANY) for token in tokens for name in SIZES_MS}
        parts.append(taken(feed, 0.3))  # what bars closed just now were made of
    trades, compared = by_token(np.concatenate(parts)), 0
    for (token, name), table in bars.items():
        mine, theirs = shown(table), recomputed(trades[token], name, token)
        assert mine == {start: theirs[start] for start in mine}, (token, name)
        unseen = set(theirs) - set(mine)
        assert not unseen or min(unseen) > max(mine, default=0), "only the newest may be forming yet"
        compared += len(mine)
    assert compared > len(tokens) * 10
    told = {name: np.concatenate(rows) for name, (_, rows) in watched.items()}
    for token in tokens[:20]:
        for name, rows in told.items():
            assert shown(bars[token, name]).items() >= shown(rows[rows["token"] == token]).items(), (token, name)
            assert rows.size
    assert [closed.lost for closed, _ in watched.values()] == [0, 0, 0, 0]


def test_bars_of_ticks_are_cut_by_count(exchange, start, tokens):
    with start(exchange, dict.fromkeys(tokens[:20], "full"), intervals=BUILT) as feed:
        ticks = taken(feed, 2.2)
        bars = {token: feed.bars(token, "10t", MANY, forming=True) for token in tokens[:20]}
        ticks = np.concatenate([ticks, taken(feed, 0.2)])
    for token, trades in by_token(ticks).items():
        table, divisor = bars[token], divisor_of(token)
        assert table.size >= 2
        assert table["ticks"][:-1].tolist() == [10] * (table.size - 1)
        for number, row in enumerate(table):
            prices = [price / divisor for _, _, price, _ in trades[number * 10 : number * 10 + int(row["ticks"])]]
            assert (row["open"], row["high"], row["low"], row["close"]) == (
                prices[0],
                max(prices),
                min(prices),
                prices[-1],
            )


def test_the_forming_bar_comes_last_and_only_if_asked_for(exchange, start, tokens, until):
    with start(exchange, {tokens[0]: "full"}, intervals=("day",)) as feed:
        assert until(lambda: feed.bars(tokens[0], "day", forming=True).size)
        (day,) = feed.bars(tokens[0], "day", forming=True)
        assert flagged(np.array([day]), "open").all()
        assert day["token"] == tokens[0]
        assert feed.bars(tokens[0], "day").size == 0


def test_an_idle_instrument_s_bar_is_closed_without_a_tick(exchange, start, tokens, until):
    with start(exchange, {tokens[0]: "full"}, intervals=("200ms",), bar_grace_ms=100) as feed:
        assert until(lambda: feed.bars(tokens[0], "200ms", forming=True).size)
        feed.unsubscribe([tokens[0]])
        time.sleep(0.2)
        assert until(lambda: not flagged(feed.bars(tokens[0], "200ms", forming=True), "open").any())
        last = feed.bars(tokens[0], "200ms")[-1]
        assert until(lambda: feed.bars(tokens[0], "200ms", fill=True)["start"][-1] > last["end"])
        filled = feed.bars(tokens[0], "200ms", fill=True)
        assert (filled["start"][1:] == filled["end"][:-1]).all()
        assert flagged(filled, "synthetic").tolist() == (filled["ticks"] == 0).tolist()


def test_what_can_t_be_had_is_said(exchange, start, tokens):
    with start(exchange, {tokens[0]: "ltp"}, intervals=("1s",)) as feed:
        assert [str(interval) for interval in feed.intervals] == ["1s"]
        assert feed.bars(7 * 256 + 1, "1m").size == 0, "an instrument nobody streams"
        assert feed.bars(7 * 256 + 1, "1m").dtype == TABLE_DTYPE
        for ask in (feed.bars, lambda _, interval: feed.closed_bars(interval)):
            with pytest.raises(UsageError, match="it builds 1s"):
                ask(tokens[0], "500ms")
            with pytest.raises(UsageError, match="no interval"):
                ask(tokens[0], "soon")
    with start(exchange, {tokens[0]: "ltp"}) as feed:
        assert feed.intervals == ()
        with pytest.raises(UsageError, match="builds no bars"):
            feed.bars(tokens[0], "1m")


def test_others_instruments_are_not_told(exchange, start, tokens):
    mine = {tokens[0]: "full"}
    with start(exchange, dict.fromkeys(tokens[:10], "full"), wanted=mine, intervals=("200ms",)) as feed:
        closed, seen = feed.closed_bars("200ms"), []
        for _ in feed.batches(1.5):
            seen += closed.poll()["token"].tolist()
    assert seen
    assert set(seen) == {tokens[0]}


def test_an_outage_marks_the_bars_it_touches(start, until):
    with launch(SimOptions(instruments=20, rate=10, rate_limits=False, faults="version: 1")) as sim:
        tokens = tokens_of(sim)
        with start(sim, dict.fromkeys(tokens, "full"), intervals=("200ms", "1s")) as feed:
            taken(feed, 0.8)
            sim.fault("rst")
            assert until(lambda: feed.gaps and feed.gaps[-1].to_ns)
            taken(feed, 0.8)
            (gap,) = feed.gaps
            tables = [feed.bars(token, "200ms", MANY) for token in tokens]
    from_ms, to_ms = np.datetime64(gap.from_ns // 1_000_000, "ms"), np.datetime64(gap.to_ns // 1_000_000, "ms")
    for table in tables:
        touched = table[flagged(table, "gap")]
        assert 1 <= touched.size <= 2
        assert (touched["end"] >= from_ms).all()
        first = table[table["start"] > to_ms][0]
        assert touched["start"][-1] <= first["start"], "the first bar after it at the latest"
        assert not flagged(table[table["end"] < from_ms], "gap").any()


@pytest.mark.skipif(not COMPILED, reason="files need the compiled pass")
def test_its_file_is_private_and_goes_with_the_feed(exchange, spec_of):
    spec = spec_of(exchange, intervals=("1m",), bar_capacity=1000)
    place = FeedPlace(spec_folder(spec), spec.name)
    with open_gateway(spec) as handle:
        assert handle.bars.path == place.bars
        assert stat.S_IMODE(place.bars.stat().st_mode) == 0o600
        assert place.bars.stat().st_size == place.bars.stat().st_blocks * 512, "all of it is reserved"
        assert handle.bars.layout.capacity == 1024
        status = handle.status()
        assert (status["bars_path"], status["intervals"]) == (str(place.bars), ["1m"])
        assert status["bars"]["counters"]["bars"] == status["bars"]["published"]["1m"] == 0
    assert list(place.folder.iterdir()) == []


@pytest.mark.skipif(not COMPILED, reason="files need the compiled pass")
def test_who_joins_is_told_where_the_bars_differ(exchange, spec_of):
    spec = spec_of(exchange, intervals=("1m",))
    with open_gateway(spec), open_gateway(spec_of(exchange, intervals=("5s",), bar_grace_ms=0)) as other:
        assert [str(interval) for interval in other.bars.intervals] == ["1m"]
        assert len(other.warnings) == 2
        assert "builds bars of 1m; those of 5s can't be had" in other.warnings[1]


@pytest.mark.skipif(not COMPILED, reason="files need the compiled pass")
def test_where_there_is_no_room_nothing_is_left(exchange, spec_of):
    spec = spec_of(exchange, intervals=("1m", "5m"), bar_capacity=1 << 40)
    with pytest.raises(EnvironmentProblem, match="bars"):
        open_gateway(spec)
    place = FeedPlace(spec_folder(spec), spec.name)
    assert [path for path in place.folder.iterdir() if path.suffix in (".ring", ".bars")] == []


def spec_folder(spec):
    from pathlib import Path

    return Path(spec.folder)


def test_hours_and_groups_reach_the_pass(exchange, spec_of):
    from kitecli.bars.hours import to_text
    from kitecli.bars.timeline import Timelines
    from kitecli.settings.calendars import load_calendar

    timelines = Timelines.of(load_calendar())
    stock, plain = 408065, 738561
    spec = spec_of(exchange, {stock: "full", plain: "full"}, intervals=("1m",))
    with open_gateway(spec, timelines=lambda: to_text(timelines), groups=lambda _: {"cas": [stock, 1]}) as handle:
        assert handle.timelines.groups == timelines.groups
        states = BarsParts.of(handle.bars).states
        deadline = time.monotonic() + 10
        while not states["ticks"][1] and time.monotonic() < deadline:
            time.sleep(0.01)
        assert states["timeline"][:2].tolist() == [timelines.groups["NSE", "cas"], 1]
