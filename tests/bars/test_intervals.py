from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitecli.bars.intervals import DAY_MS, Interval, Kind
from kitecli.errors import UsageError


@pytest.mark.parametrize(
    ("text", "kind", "size"),
    [
        ("100ms", Kind.TIME, 100),
        ("1s", Kind.TIME, 1000),
        ("5m", Kind.TIME, 300_000),
        ("5min", Kind.TIME, 300_000),
        ("minute", Kind.TIME, 60_000),
        ("15minute", Kind.TIME, 900_000),
        ("1h", Kind.TIME, 3_600_000),
        ("2hour", Kind.TIME, 7_200_000),
        (" 1 H ", Kind.TIME, 3_600_000),
        ("day", Kind.TIME, DAY_MS),
        ("1d", Kind.TIME, DAY_MS),
        ("24h", Kind.TIME, DAY_MS),
        ("500t", Kind.TICKS, 500),
        ("10000v", Kind.VOLUME, 10_000),
    ],
)
def test_the_words_people_and_the_broker_use(text: str, kind: Kind, size: int):
    assert Interval.parse(text) == Interval(kind, size)


@pytest.mark.parametrize("text", ["", "m", "0m", "-1m", "1.5m", "25h", "2d", "5x", "1m 5m", "4294967296t", "٣m²"])
def test_what_is_no_interval_is_refused_with_examples(text: str):
    with pytest.raises(UsageError) as refused:
        Interval.parse(text)
    assert "500t" in refused.value.hint


@given(
    st.one_of(
        st.builds(Interval, st.just(Kind.TIME), st.integers(1, DAY_MS)),
        st.builds(Interval, st.sampled_from([Kind.TICKS, Kind.VOLUME]), st.integers(1, 2**32 - 1)),
    )
)
def test_an_interval_is_written_as_it_is_read(interval: Interval):
    assert Interval.parse(str(interval)) == interval


@pytest.mark.parametrize(
    ("text", "by_receive"), [("1s", False), ("5m", False), ("100ms", True), ("1500ms", True), ("5t", False)]
)
def test_only_what_is_finer_than_the_exchange_s_stamps_goes_by_our_clock(text: str, by_receive: bool):
    assert Interval.parse(text).by_receive is by_receive
