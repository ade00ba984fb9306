"""What records say comes back as it was said."""

from hypothesis import given
from hypothesis import strategies as st

from kitecli.market.gap import Gap
from kitecli.store.layout import LOST_PAYLOAD
from kitecli.store.payloads import (
    TIMER_ROWS,
    ClockOffset,
    Lost,
    Unrecorded,
    decode_gap,
    decode_subscribed,
    encode_gap,
    encode_subscribed,
    encode_timer,
)

tokens = st.integers(1, 0xFFFF_FFFF)
stamps = st.integers(0, 1 << 62)


@given(
    st.builds(
        Gap,
        st.integers(0, 255),
        st.lists(tokens, max_size=20).map(tuple),
        stamps,
        st.none() | stamps,
        st.text(max_size=50),
        st.none() | stamps,
    )
)
def test_gaps(gap):
    assert decode_gap(encode_gap(gap), gap.connection) == gap
    assert decode_gap(memoryview(encode_gap(gap)), gap.connection) == gap


@given(st.dictionaries(tokens, st.sampled_from(["ltp", "quote", "full", None])))
def test_subscriptions(modes):
    assert decode_subscribed(encode_subscribed(modes)) == modes


@given(st.builds(ClockOffset, st.integers(-(1 << 60), 1 << 60), stamps, st.text(max_size=20)))
def test_clock_offsets(offset):
    assert ClockOffset.decoded(offset.encoded()) == offset


def test_what_found_no_room_is_a_gap_of_every_instrument():
    lacking = Unrecorded()
    lacking.add(100, 50)
    lacking.add(30, 70)
    assert Unrecorded.decoded(lacking.encoded()) == lacking
    gap = lacking.as_gap()
    assert (gap.tokens, gap.from_ns, gap.to_ns) == ((), 50, 70)
    assert "2 messages of 130 bytes" in gap.cause


def test_lost_records_are_a_gap_too():
    gap = Lost.decoded(LOST_PAYLOAD.pack(12, 5, 9, 640)).as_gap(10)
    assert (gap.from_ns, gap.to_ns, gap.cause) == (5, 9, "lost to damage: 2 records in 640 bytes")


def test_a_timer_says_how_many_instruments_where_it_is_another_number_than_usual():
    assert encode_timer(TIMER_ROWS) == b""
    assert int.from_bytes(encode_timer(4), "little") == 4
