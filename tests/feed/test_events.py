"""What is told is a value: it can be kept, compared and written down."""

from dataclasses import asdict, replace

import pytest

from kitecli.feed.events import ConnectionStatus, FeedEvent
from kitecli.feed.liveness import State
from kitecli.market.gap import Gap


def test_an_event_is_a_value_with_nothing_but_its_state_to_begin_with():
    plain = FeedEvent(1, State.LIVE, 5)
    assert (plain.cause, plain.message, plain.gap) == (None, None, None)
    assert replace(plain, gap=Gap(1, (7,), 1, None, "cut")) != plain
    with pytest.raises(AttributeError):
        plain.state = State.DOWN


def test_a_status_reads_as_plain_data():
    status = ConnectionStatus(0, State.QUIET, 5, None, 3000, 7, None, 2, 1, 0, 250_000)
    assert asdict(status)["state"] == "quiet"
