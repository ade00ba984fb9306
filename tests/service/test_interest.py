"""What a service is to stream, and a feed that is told of it."""

import threading
from collections.abc import Iterable

import numpy as np
import pytest

from kitecli.errors import SubscriptionError, TooManyInstruments, UnknownInstrument
from kitecli.market.book import InstrumentBook
from kitecli.market.instruments import Instrument
from kitecli.service.interest import Interest, modes_of, tokens_of
from kitecli.settings import load
from kitecli.settings.endpoints import FeedLimits

SETTINGS = load(environ={})
INFY, FUTURE = 408065, 1000 * 256 + 2


def instrument(token, symbol, exchange="NSE", kind="EQ"):
    return Instrument(token, str(token >> 8), symbol, "", 0.0, None, 0.0, 0.05, 1, kind, exchange, exchange)


def book():
    return InstrumentBook([instrument(INFY, "INFY"), instrument(FUTURE, "NIFTY26NOVFUT", "NFO", "FUT")])


def no_book():
    raise AssertionError("numbers need no book")


class ToldFeed:
    """What a feed has been told; ``refuses`` makes it raise."""

    refuses = None

    def __init__(self):
        self.modes = {}

    def subscribe(self, modes):
        if self.refuses:
            raise self.refuses
        self.modes.update(modes)

    def unsubscribe(self, tokens: Iterable[int]):
        for token in tokens:
            self.modes.pop(token, None)


@pytest.fixture
def interest():
    return Interest(FeedLimits(3, 10))


@pytest.mark.parametrize(
    ("asked", "mode", "modes"),
    [
        (INFY, "ltp", {INFY: "ltp"}),
        ([INFY, FUTURE], None, {INFY: "quote", FUTURE: "full"}),
        (np.array([INFY, FUTURE]), "quote", {INFY: "quote", FUTURE: "quote"}),
        ("INFY", None, {INFY: "quote"}),
        (["NSE:INFY", "nifty26novfut"], None, {INFY: "quote", FUTURE: "full"}),
        (["INFY full, NFO:NIFTY26NOVFUT"], "ltp", {INFY: "full", FUTURE: "ltp"}),
        ([str(INFY), FUTURE], "ltp", {INFY: "ltp", FUTURE: "ltp"}),
        ((), None, {}),
    ],
)
def test_instruments_as_people_say_them(asked, mode, modes):
    found = modes_of(asked, mode, SETTINGS, book, lambda: None)
    assert found == modes
    assert {type(token) for token in found} <= {int}


def test_numbers_need_no_book_and_names_are_checked():
    assert modes_of([INFY], "ltp", SETTINGS, no_book, no_book) == {INFY: "ltp"}
    with pytest.raises(UnknownInstrument, match="INFI"):
        modes_of(["INFI"], None, SETTINGS, book, lambda: None)
    assert tokens_of(["INFY", FUTURE], book) == [FUTURE, INFY]
    with pytest.raises(UnknownInstrument):
        tokens_of("INFI", book)


def test_it_is_remembered_without_a_feed_and_told_to_each(interest):
    interest.want({INFY: "ltp", FUTURE: "full"})
    interest.drop([FUTURE, 5])
    feed = ToldFeed()
    interest.attach(feed)
    assert feed.modes == interest.modes == {INFY: "ltp"}
    interest.want({INFY: "full"})
    assert feed.modes == {INFY: "full"}
    interest.detach(ToldFeed())
    interest.drop([INFY])
    assert feed.modes == {}
    interest.detach(feed)
    interest.want({INFY: "ltp"})
    assert feed.modes == {}


def test_what_is_refused_changes_nothing(interest):
    feed = ToldFeed()
    interest.attach(feed)
    interest.want({257: "ltp", 513: "ltp"})
    for wrong in ({-1: "ltp"}, {257: "depth"}):
        with pytest.raises(SubscriptionError):
            interest.want(wrong)
    with pytest.raises(TooManyInstruments):
        interest.want(dict.fromkeys(range(257, 257 + 31 * 256, 256), "ltp"))
    feed.refuses = TooManyInstruments("other clients hold them")
    with pytest.raises(TooManyInstruments):
        interest.want({257: "full", 769: "full"})
    assert interest.modes == feed.modes == {257: "ltp", 513: "ltp"}


def test_threads_leave_the_table_and_the_feed_agreeing(interest):
    feed = ToldFeed()
    interest.attach(feed)

    def change(seed):
        dice = np.random.default_rng(seed)
        for _ in range(1000):
            token = int(dice.integers(1, 11)) * 256 + 1
            if dice.random() < 0.5:
                interest.want({token: str(dice.choice(["ltp", "quote", "full"]))})
            else:
                interest.drop([token])

    workers = [threading.Thread(target=change, args=(seed,)) for seed in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert feed.modes == interest.modes
