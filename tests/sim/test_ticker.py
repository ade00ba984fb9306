"""The rules of one ticker connection."""

from __future__ import annotations

import pytest
from fakes import ACC, INFY, NIFTY, SLOT_OF, USDINR, FixedSource

from kitecli.clock import NS_PER_S
from kitecli.market.tick import MODE_FULL, MODE_LTP, MODE_QUOTE
from kitecli.protocol.decoder import decode_frame
from kitecli.protocol.messages import parse_server_text, set_mode, subscribe, unsubscribe
from kitecli.sim.ledger import Ledger
from kitecli.sim.ticker import HEARTBEAT, MAX_INSTRUMENTS, TickerSession


class Line:
    """A session and what it says, decoded."""

    def __init__(self, packets_per_frame: int = 50) -> None:
        self.source = FixedSource()
        self.ledger = Ledger(list(SLOT_OF))
        self.session = TickerSession(self.source, SLOT_OF, self.ledger, packets_per_frame, 0)

    def ask(self, text: str | bytes, now_ns: int = 0) -> list[tuple[int, int]]:
        return decoded(self.session.receive_text(text, now_ns))

    def tick(self, *slots: int, congested: bool = False) -> list[tuple[int, int]]:
        return decoded(self.session.route(self.source.batch(*slots), 0, congested=congested))


def decoded(frames: list) -> list[tuple[int, int]]:
    """(token, mode) of every packet."""
    ticks = [decode_frame(frame).ticks for frame in frames]
    return [(int(row["token"]), int(row["mode"])) for part in ticks for row in part]


@pytest.fixture
def line() -> Line:
    return Line()


def test_a_bare_subscribe_is_quote_and_answered_with_the_last_tick(line: Line):
    assert line.ask(subscribe([INFY])) == [(INFY, MODE_QUOTE)]
    assert line.tick(0, 1) == [(INFY, MODE_QUOTE)]


def test_nothing_comes_of_what_was_not_asked_for(line: Line):
    assert not line.session.has_subscriptions
    assert line.tick(0, 1, 2, 3) == []


def test_an_instrument_that_never_ticked_has_no_snapshot(line: Line):
    assert line.ask(subscribe([ACC])) == []
    assert line.session.has_subscriptions
    assert line.tick(1) == [(ACC, MODE_QUOTE)]


def test_modes_go_up_and_down_and_a_new_subscribe_goes_back_to_quote(line: Line):
    line.ask(subscribe([INFY, NIFTY]))
    assert line.ask(set_mode("full", [INFY])) == [(INFY, MODE_FULL)]
    assert line.tick(0, 2) == [(INFY, MODE_FULL), (NIFTY, MODE_QUOTE)]
    line.ask(set_mode("ltp", [INFY, NIFTY]))
    assert line.tick(0, 2) == [(INFY, MODE_LTP), (NIFTY, MODE_LTP)]
    line.ask(subscribe([INFY]))
    assert line.tick(0) == [(INFY, MODE_QUOTE)]


def test_mode_without_subscribe_subscribes(line: Line):
    assert line.ask(set_mode("full", [USDINR])) == [(USDINR, MODE_FULL)]
    assert line.tick(3, 3) == [(USDINR, MODE_FULL)] * 2


def test_unsubscribed_is_silent(line: Line):
    line.ask(subscribe([INFY, NIFTY]))
    assert line.ask(unsubscribe([INFY])) == []
    assert line.tick(0, 2) == [(NIFTY, MODE_QUOTE)]


@pytest.mark.parametrize("text", ['{"a":"subscribe","v":["408065"]}', subscribe([999999]), "hello", b"\xff", "[]"])
def test_strings_unknown_tokens_and_nonsense_are_ignored_without_a_word(line: Line, text: str | bytes):
    assert line.session.receive_text(text, 0) == []
    assert line.tick(0, 1, 2, 3) == []


def test_the_3001st_instrument_is_refused_and_the_connection_goes_on(line: Line):
    others = range(10_000_001, 10_000_001 + 256 * (MAX_INSTRUMENTS - 1), 256)
    assert line.ask(subscribe([INFY, *others])) == [(INFY, MODE_QUOTE)]
    (answer,) = line.session.receive_text(subscribe([NIFTY]), 0)
    message = parse_server_text(answer)
    assert (message.kind, message.data) == ("error", "Can't subscribe to more than 3000 instruments.")
    assert line.tick(0, 2) == [(INFY, MODE_QUOTE)]
    assert line.ask(set_mode("full", [INFY])) == [(INFY, MODE_FULL)], "one that is there already is no 3001st"
    line.ask(unsubscribe([others[0]]))
    assert line.ask(subscribe([NIFTY])) == [(NIFTY, MODE_QUOTE)]


def test_a_heartbeat_comes_when_nothing_was_sent_for_a_second(line: Line):
    line.ask(subscribe([INFY]))
    assert line.session.heartbeat(NS_PER_S - 1) is None
    assert line.session.heartbeat(NS_PER_S) == HEARTBEAT == b"\x00"
    assert line.session.heartbeat(NS_PER_S + 1) is None
    line.session.route(line.source.batch(0), 2 * NS_PER_S - 1)
    assert line.session.heartbeat(2 * NS_PER_S) is None
    line.session.receive_text(subscribe([INFY]), 3 * NS_PER_S - 2)
    assert line.session.heartbeat(3 * NS_PER_S) is None
    assert line.session.count.heartbeats == 1


def test_packets_are_spread_over_frames(line: Line):
    narrow = Line(packets_per_frame=2)
    narrow.ask(set_mode("full", [INFY, NIFTY, USDINR]))
    frames = narrow.session.route(narrow.source.batch(0, 2, 3), 0)
    assert [int.from_bytes(frame[:2], "big") for frame in frames] == [2, 1]
    assert [len(packet) for packet in frames] == [2 + 2 + 184 + 2 + 32, 2 + 2 + 184]


def test_the_ledger_has_every_packet_snapshots_apart(line: Line):
    line.ask(subscribe([INFY, NIFTY]))
    line.tick(0, 0, 1, 2)
    line.tick(0, congested=True)
    found = line.ledger.as_dict()
    assert found["tokens"] == {str(INFY): [2, 1], str(NIFTY): [1, 1]}
    assert found["totals"] == {"live": 3, "snapshots": 2, "withheld": 1, "frames": 2, "heartbeats": 0}


def test_a_source_of_quotes_sends_quotes_to_who_wants_full():
    line = Line()
    line.source.mode = MODE_QUOTE
    assert line.ask(set_mode("full", [INFY])) == [(INFY, MODE_QUOTE)]
    assert line.ask(set_mode("ltp", [INFY])) == [(INFY, MODE_LTP)]


def test_a_closed_session_wants_nothing(line: Line):
    line.ask(subscribe([INFY]))
    line.session.close()
    assert not line.session.has_subscriptions
    assert line.ledger.connections[0].open is False


def test_it_says_what_it_is_subscribed_to(line: Line):
    line.ask(subscribe([INFY, ACC, 999]))
    line.ask(set_mode("full", [INFY]))
    line.ask(set_mode("ltp", [NIFTY]))
    assert line.session.modes == {INFY: "full", ACC: "quote", NIFTY: "ltp"}
    line.ask(unsubscribe([ACC]))
    assert line.session.modes == {INFY: "full", NIFTY: "ltp"}
