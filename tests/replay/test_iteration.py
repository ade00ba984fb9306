"""A day as batches: what came, when, and the bars of it."""

from __future__ import annotations

from datetime import UTC, datetime, time

import numpy as np
import pytest

from kitecli.errors import RecordingDamaged, UnknownInstrument, UsageError
from kitecli.market.tick import FLAG_SNAPSHOT
from kitecli.replay import iterate
from kitecli.replay.iteration import BATCH_TICKS
from kitecli.store.recording import Recording
from tests.replay.made import GAP, TOKENS, at_ns, made_day


@pytest.fixture
def recording(tmp_path):
    with made_day(tmp_path).end() as recording:
        yield recording


def test_everything_comes_once_in_its_order(recording):
    batches = list(iterate(recording, depth=True))
    ticks = np.concatenate([batch.ticks for batch in batches])
    assert ticks["ts_recv_ns"].tolist() == [at_ns(s) for s in range(90) if not GAP[0] <= s < GAP[1] for _ in range(3)]
    assert [batch.first for batch in batches] == [0, *np.cumsum([len(batch.ticks) for batch in batches])[:-1].tolist()]
    assert np.flatnonzero(ticks["flags"] & FLAG_SNAPSHOT).tolist() == [0, 1, 2]
    assert all((batch.depth["buy"]["price"][:, 0] == batch.ticks["last_price"] - 1_000).all() for batch in batches)
    assert [batch.now_ns for batch in batches] == sorted(batch.now_ns for batch in batches)


def test_an_outage_comes_before_the_ticks_behind_it(recording):
    batches = list(iterate(recording))
    begins, ends = (batch for batch in batches if batch.gaps)
    assert (begins.gaps[0].to_ns, begins.gaps[0].sequence) == (None, 60)
    assert ends.gaps[0].to_ns == at_ns(GAP[1])
    assert ends.ticks["ts_recv_ns"][0] == at_ns(GAP[1])
    assert ends.first == 60


def test_bars_are_closed_by_ticks_and_by_the_recorded_clock(recording):
    minutes = np.concatenate([batch.bars["1m"] for batch in iterate(recording)])
    assert minutes["token"].tolist() == list(TOKENS.values())
    assert minutes["close"].tolist() == [1000.59] * 3
    seconds = np.concatenate([batch.bars["1s"] for batch in iterate(recording)])
    assert (seconds.size, set(seconds["token"].tolist())) == (3 * 83, set(TOKENS.values()))


def test_other_bars_than_the_feeds_can_be_built(recording):
    batches = list(iterate(recording, intervals=["30s"]))
    assert set(batches[0].bars) == {"30s"}
    assert sum(batch.bars["30s"].size for batch in batches) == 6
    assert list(next(iterate(recording, intervals=())).bars) == []


def test_names_and_tokens_choose(recording):
    chosen = iterate(recording, symbols=["NSE:TCS", TOKENS["INFY"]])
    assert {int(token) for batch in chosen for token in batch.ticks["token"]} == {TOKENS["TCS"], TOKENS["INFY"]}
    with pytest.raises(UnknownInstrument, match="NSE:TCX"):
        next(iterate(recording, symbols=["NSE:TCX"]))


@pytest.mark.parametrize(
    ("from_", "to", "seconds"),
    [
        (time(10, 0, 40), time(10, 0, 50), range(40, 50)),
        (datetime.fromisoformat("2026-11-20T10:01"), None, range(60, 90)),
        (datetime(2026, 11, 20, 4, 31, 20, tzinfo=UTC), None, range(80, 90)),
        (None, time(10, 0, 3), range(3)),
    ],
)
def test_a_span_holds_its_beginning_and_not_its_end(recording, from_, to, seconds):
    stamps = {int(stamp) for batch in iterate(recording, from_=from_, to=to) for stamp in batch.ticks["ts_recv_ns"]}
    assert stamps == {at_ns(second) for second in seconds}


def test_what_begins_in_the_middle_is_partial(recording):
    (minutes,) = [b.bars["1m"] for b in iterate(recording, from_=time(10, 0, 30)) if b.bars["1m"].size]
    assert all(minutes["flags"] & 2)
    assert minutes["open"].tolist() == [1000.3] * 3


def test_an_empty_span_is_a_mistake(recording):
    with pytest.raises(UsageError, match="Nothing is between"):
        next(iterate(recording, from_=time(11), to=time(10)))


def test_it_is_the_same_each_time_and_in_batches_of_any_size(recording):
    once, again = list(iterate(recording)), list(iterate(recording))
    assert len(once) == len(again)
    for one, other in zip(once, again, strict=True):
        assert one.ticks.tobytes() == other.ticks.tobytes()
        assert {name: table.tobytes() for name, table in one.bars.items()} == {
            name: table.tobytes() for name, table in other.bars.items()
        }
    single = list(iterate(recording, most=1))
    assert max(len(batch.ticks) for batch in single) == 3
    assert b"".join(batch.ticks.tobytes() for batch in single) == b"".join(batch.ticks.tobytes() for batch in once)
    assert [b.bars["1s"].size for b in single if b.bars["1s"].size] == [3] * 83
    assert len(once) < 40 < len(single)
    assert BATCH_TICKS > 1


def test_damage_is_named_and_passed_only_if_that_is_asked(tmp_path):
    live = made_day(tmp_path)
    live.end().close()
    path = min(tmp_path.glob("*.kseg"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with Recording.open(tmp_path) as recording:
        given = []
        with pytest.raises(RecordingDamaged, match="damaged"):
            given.extend(iterate(recording))
    with Recording.open(tmp_path, past_damage=True) as recording:
        all_given = list(iterate(recording))
    (lost,) = [gap for batch in all_given for gap in batch.gaps if "lost to damage" in gap.cause]
    before, after = (sum(len(batch.ticks) for batch in some) for some in (given, all_given))
    assert 0 < before < after
    assert after in ((90 - 5 - 1) * 3, (90 - 5) * 3), "one message, or what the clock closed"
    assert lost.from_ns < lost.to_ns
