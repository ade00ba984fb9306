"""What a recording says of the feed it is of."""

import pytest

from kitecli.bars.intervals import Interval
from kitecli.errors import DataError
from kitecli.replay import facts as module
from kitecli.replay.facts import FeedFacts
from tests.replay.made import FACTS, made_day


def test_it_is_what_the_recorder_noted(tmp_path):
    with made_day(tmp_path, 1).end() as recording:
        facts = FeedFacts.of(recording)
    assert facts == FACTS
    assert facts.ring(64).layout.capacity == 4096
    assert facts.bars(64).intervals == (Interval.parse("1s"), Interval.parse("1m"))
    assert FeedFacts().bars() is None


@pytest.mark.parametrize("wrong", [{"ring_size": "big"}, {"intervals": [1]}, {"timelines": 3}, {"bar_capacity": -1}])
def test_what_cant_be_used_is_refused(tmp_path, wrong, monkeypatch):
    live = made_day(tmp_path, 1)
    with live.end() as recording:
        segment = next(recording.segments())
        segment.header.about["feed"].update(wrong)
        with pytest.raises(DataError, match="can't be used"):
            FeedFacts.of(recording)
        segment.header.about["feed"] = "a label"
        assert all("feed" in one.header.about for one in recording.segments())
        assert module.FeedFacts.of(recording) is None
