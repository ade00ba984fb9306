"""Looking at running feeds from outside, and ending them."""

from __future__ import annotations

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from kitecli.errors import FeedError, GatewayGone, NoFeed, UsageError
from kitecli.gateway.client import ControlClient
from kitecli.gateway.handle import open_gateway
from kitecli.gateway.lock import FeedCard
from kitecli.gateway.running import ask_status, feeds, one_feed, stop
from kitecli.hot import COMPILED

compiled = pytest.mark.skipif(not COMPILED, reason="needs a feed process")


@pytest.fixture
def runtime(tmp_path, monkeypatch):
    """The runtime folder, where the specs of this test's feeds have their files too."""
    monkeypatch.setenv("KITE_RUNTIME_DIR", str(tmp_path / "run"))


@pytest.mark.usefixtures("runtime")
def test_where_none_runs_it_says_how_to_start_one():
    with pytest.raises(NoFeed, match="No feed is running") as nothing:
        feeds()
    assert "--daemon" in nothing.value.hint
    with pytest.raises(NoFeed, match="No feed abc is running"):
        one_feed("abc")


@compiled
@pytest.mark.usefixtures("runtime")
def test_a_feed_is_found_by_name_or_label_asked_and_ended(exchange, spec_of):
    spec = spec_of(exchange, {256265: "full"}, label="mine")
    handle = open_gateway(spec)
    try:
        (card,) = feeds()
        assert one_feed("mine") == one_feed(spec.name[:4]) == card
        status = ask_status(card)
        assert (status["pid"], status["instruments"]) == (handle.pid, 1)
        assert [client["pid"] for client in status["clients"] if not client["observer"]]
        stop(card)
        with pytest.raises(NoFeed):
            feeds()
        with pytest.raises(GatewayGone):
            ask_status(card)
    finally:
        handle.close()


@compiled
@pytest.mark.usefixtures("runtime")
def test_ended_by_two_at_once_it_is_ended_for_both(exchange, spec_of):
    handle = open_gateway(spec_of(exchange))
    try:
        (card,) = feeds()
        with ThreadPoolExecutor(8) as pool:
            for stopping in [pool.submit(stop, card) for _ in range(8)]:
                stopping.result()
        with pytest.raises(NoFeed):
            feeds()
        stop(card)
    finally:
        handle.close()


@compiled
@pytest.mark.usefixtures("runtime")
@pytest.mark.skipif(sys.platform == "win32", reason="processes can't be stopped there")
def test_one_that_hangs_is_named_with_its_process(exchange, spec_of, monkeypatch):
    monkeypatch.setattr(ControlClient.ask, "__defaults__", (0.3,))
    handle = open_gateway(spec_of(exchange))
    try:
        (card,) = feeds()
        os.kill(card.pid, signal.SIGSTOP)
        try:
            with pytest.raises(FeedError, match=rf"{card.name} doesn't end.*nothing came in.*process {card.pid}"):
                stop(card)
        finally:
            os.kill(card.pid, signal.SIGCONT)
    finally:
        handle.close()


@compiled
@pytest.mark.usefixtures("runtime")
def test_of_two_feeds_it_has_to_be_said_which(exchange, spec_of):
    first, second = (open_gateway(spec_of(exchange, {256265: "full"}, api_key=key)) for key in ("one", "two"))
    try:
        cards: list[FeedCard] = feeds()
        assert {card.pid for card in cards} == {first.pid, second.pid}
        with pytest.raises(UsageError, match="Several feeds"):
            one_feed()
    finally:
        first.close()
        second.close()
