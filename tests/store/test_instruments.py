"""What instruments a recording is of."""

import gzip

import pytest

from kitecli.errors import DataError, UnknownInstrument
from kitecli.store.instruments import book_of, instruments_of, recorded_tokens, tokens_of
from tests.replay.made import TOKENS, at_ns, made_day, message


def test_names_are_those_of_its_own_master(tmp_path):
    with made_day(tmp_path, 2).end() as recording:
        assert {row.tradingsymbol: row.instrument_token for row in book_of(recording)} == TOKENS
        assert tokens_of(recording, ["INFY", "NSE:T*", 5]) == {TOKENS["INFY"], TOKENS["TCS"], 5}
        assert tokens_of(recording, []) == frozenset()
        with pytest.raises(UnknownInstrument, match="'NSE:INFI'") as raised:
            tokens_of(recording, ["NSE:INFI"])
        assert "NSE:INFY" in raised.value.hint


def test_without_a_master_instruments_are_known_by_token(tmp_path):
    live = made_day(tmp_path, 2, master=False)
    live.subscribed({(77 << 8) | 2: "full"}, at_ns(3))
    with live.end() as recording:
        assert book_of(recording) is None
        assert tokens_of(recording, ["408065"]) == {408065}
        with pytest.raises(UnknownInstrument, match="'NSE:INFY'"):
            tokens_of(recording, ["NSE:INFY"])
        assert recorded_tokens(recording) == {*TOKENS.values(), 77 << 8 | 2}
        named = {row.instrument_token: (row.key, row.instrument_type) for row in instruments_of(recording)}
    assert named[77 << 8 | 2] == (f"NFO:{77 << 8 | 2}", "FUT")
    assert named[TOKENS["TCS"]] == (f"NSE:{TOKENS['TCS']}", "EQ")


def test_what_was_never_subscribed_is_known_by_its_packets(tmp_path):
    live = made_day(tmp_path, 0)
    other = (77 << 8) | 1
    live.message(message(0).replace(TOKENS["TCS"].to_bytes(4, "big"), other.to_bytes(4, "big")), at_ns(1))
    live.message(b"\0", at_ns(2))
    with live.end() as recording:
        assert recorded_tokens(recording) == {*TOKENS.values(), other}


def test_a_master_that_isnt_the_recordings_is_refused(tmp_path):
    with made_day(tmp_path, 1).end() as recording:
        (path,) = tmp_path.glob("master-*")
        path.write_bytes(gzip.compress(b"another"))
        with pytest.raises(DataError, match="aren't known"):
            book_of(recording)
        path.unlink()
        with pytest.raises(DataError, match="aren't known"):
            book_of(recording)
