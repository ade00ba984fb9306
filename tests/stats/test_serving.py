"""The page as a scraper gets it."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request

import pytest

from kitecli.errors import UsageError
from kitecli.stats.serving import Scraped, address, is_loopback, server
from tests.stats.standing import StandingFeed


@pytest.fixture
def scrape(standing):
    """``scrape(path)``: status, type and text."""
    scraped = Scraped("")
    with server(scraped.page, "127.0.0.1", 0) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()

        def ask(path="/metrics"):
            url = f"http://127.0.0.1:{listening.server_address[1]}{path}"
            try:
                with urllib.request.urlopen(url, timeout=20) as answer:
                    return answer.status, answer.headers["Content-Type"], answer.read().decode()
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, error.headers["Content-Type"], error.read().decode()

        yield ask
        listening.shutdown()
        thread.join()
    scraped.close()


def test_a_scrape_is_a_look(scrape, standing):
    status, kind, text = scrape()
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert 'kite_ticks_total{feed="0123abcd"} 0' in text
    standing.figures.slot.set("gaps", 9)
    assert 'kite_gaps_total{feed="0123abcd"} 9' in scrape("/metrics?now")[2]


def test_a_feed_may_end_and_another_begin(scrape, standing):
    assert 'kite_feed_up{feed="0123abcd"} 1' in scrape()[2]
    standing.end()
    assert 'kite_feed_up{feed="0123abcd"} 0' in scrape()[2]
    assert 'kite_feed_up{feed=""} 0' in scrape()[2]
    again = StandingFeed(standing.place.folder, "ffff0000")
    assert 'kite_feed_up{feed="ffff0000"} 1' in scrape()[2]
    again.end()


def test_which_of_two_is_not_guessed(scrape, standing):
    other = StandingFeed(standing.place.folder, "ffff0000")
    status, _, text = scrape()
    assert status == 503
    assert "Several feeds" in text
    other.end()


def test_there_is_nothing_else(scrape):
    status, _, text = scrape("/")
    assert (status, text) == (404, "The figures are at /metrics\n")


def test_an_address_without_a_host_is_this_machine_s():
    assert address("9712") == ("127.0.0.1", 9712)
    assert address("0.0.0.0:80") == ("0.0.0.0", 80)
    assert address("localhost:1") == ("localhost", 1)
    for wrong in ("", "metrics", "host:", "70000", "-1"):
        with pytest.raises(UsageError, match="no address"):
            address(wrong)


def test_who_can_reach_it_is_known():
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "example.com")] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_a_taken_port_is_told():
    with server(str, "127.0.0.1", 0) as taken, pytest.raises(UsageError, match="Nothing can listen"):
        server(str, "127.0.0.1", taken.server_address[1])
