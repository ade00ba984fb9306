"""The table of what is wanted, and the feed that is asked for it."""

import threading

import pytest

from kitecli.compat.link import Link
from kitecli.errors import TooManyInstruments
from kitecli.secret import Secret
from tests.compat.sources import Fed


@pytest.fixture
def fed():
    return Fed()


@pytest.fixture
def link(fed):
    return Link(lambda: fed, 9_000)


def test_what_was_wanted_before_is_asked_when_a_feed_is_there(link: Link, fed: Fed):
    link.subscribe([1, 2])
    link.set_mode("full", [2])
    assert fed.modes == {}
    link.open()
    assert fed.modes == link.shown == {1: "quote", 2: "full"}


def test_a_feed_that_refuses_what_is_wanted_is_left(link: Link, fed: Fed, monkeypatch):
    """As one that others have filled."""

    def refuse(_):
        raise TooManyInstruments("others hold 9,000")

    monkeypatch.setattr(fed, "subscribe", refuse)
    link.subscribe([1])
    with pytest.raises(TooManyInstruments):
        link.open()
    assert (fed.closed, link.source) == (True, None)


def test_changes_go_to_the_feed_at_once(link: Link, fed: Fed):
    link.open()
    link.subscribe([1, 2])
    link.set_mode("ltp", [2])
    link.unsubscribe([1, 7])
    assert fed.modes == link.shown == {2: "ltp"}


def test_between_two_feeds_nothing_is_forgotten():
    feds = [Fed(), Fed()]
    link = Link(iter(feds).__next__, 9_000)
    link.open()
    link.set_mode("full", [1])
    link.drop()
    link.unsubscribe([1])
    link.set_mode("ltp", [2])
    link.open()
    assert (feds[0].closed, feds[0].modes, feds[1].modes) == (True, {1: "full"}, {2: "ltp"})


def test_a_request_too_many_reaches_nobody(fed: Fed):
    link = Link(lambda: fed, 2)
    link.open()
    link.subscribe([1])
    with pytest.raises(TooManyInstruments):
        link.subscribe([2, 3])
    assert fed.modes == link.shown == {1: "quote"}


def test_a_feed_that_refuses_leaves_the_table_as_it_was(link: Link, fed: Fed):
    """Others who share it may have used up what the account may stream."""
    link.open()
    link.set_mode("full", [1])

    def full_up(modes):
        raise TooManyInstruments("full up")

    fed.subscribe = full_up
    with pytest.raises(TooManyInstruments):
        link.set_mode("ltp", [1, 2])
    assert link.wanted.modes == link.shown == {1: "full"}
    assert link.wanted.codes == {1: 3}


def test_a_token_is_offered_to_the_feed_there_is(link: Link, fed: Fed):
    link.offer(Secret("early"))
    link.open()
    link.offer(Secret("new"))
    assert fed.offered == ["new"]


def test_dropping_what_is_not_there(link: Link):
    link.drop()
    assert link.source is None


def test_eight_threads_of_changes_end_as_one_after_the_other_would(link: Link, fed: Fed):
    link.open()

    def change(number: int) -> None:
        mine = range(1 + number * 1000, 1001 + number * 1000)
        for token in mine:
            link.subscribe([token])
            link.set_mode("full", [token])
            link.set_mode("ltp", [9_000])  # all of them want this one
            if token % 3 == 0:
                link.unsubscribe([token])

    threads = [threading.Thread(target=change, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = dict.fromkeys((token for token in range(1, 8001) if token % 3), "full") | {9_000: "ltp"}
    assert fed.modes == link.wanted.modes == link.shown == expected


def test_ticks_that_come_before_the_feed_has_answered_are_wanted_already(link: Link, fed: Fed):
    link.open()
    fed.subscribe = lambda modes: seen.update(link.wanted.codes)
    seen = {}
    link.set_mode("full", [1])
    assert seen == {1: 3}
