"""A feed in one call."""

import asyncio

import pytest

from kitecli.errors import ConfigError, SubscriptionError, UnknownInstrument, UsageError
from kitecli.service.opening import open_feed
from kitecli.settings import load
from kitecli.settings.live import LiveConfig
from tests.service.scripted import both_kinds, config_for


@both_kinds
def test_a_script_iterates(exchange, kind):
    config = config_for(exchange.ws_url, exchange.api_url, kind=kind)
    credentials = {"api_key": exchange.api_key, "access_token": exchange.access_token}
    with open_feed(["NSE:INFY", 738561], "full", policy="latest", config=config, **credentials) as feed:
        seen = set()
        for batch in feed:
            seen |= set(batch.ticks["token"].tolist())
            if len(seen) == 2:
                break
        assert seen == {408065, 738561}
        with pytest.raises(ConfigError):
            config.performance.buffer_size = 5
    config.performance.buffer_size = 5


def test_a_loop_awaits_a_simulated_exchange():
    async def program():
        feed = await asyncio.to_thread(
            open_feed, "NSE:INFY", simulated=True, config=LiveConfig(lambda: load(environ={}))
        )
        async for batch in feed:
            price = batch.ticks["last_price"][0]
            break
        await asyncio.to_thread(feed.close)
        return price

    assert asyncio.run(asyncio.wait_for(program(), 30)) > 0


def test_what_fails_leaves_nothing_open(exchange):
    config = config_for(exchange.ws_url, exchange.api_url)
    credentials = {"api_key": exchange.api_key, "access_token": exchange.access_token, "config": config}
    with pytest.raises(UnknownInstrument):
        open_feed("NSE:INFI", **credentials)
    with pytest.raises(UsageError):
        open_feed("NSE:INFY", policy="newest", **credentials)
    config.performance.buffer_size = 5
    with open_feed("NSE:INFY", **credentials):
        with pytest.raises(SubscriptionError):
            open_feed(1594, **credentials)  # refused by a feed that is open already
        with pytest.raises(ConfigError):
            config.performance.buffer_size = 6
